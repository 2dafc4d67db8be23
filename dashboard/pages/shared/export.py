"""Export results as CSV and JSON, each number with its context.

A line of the list's CSV is one concurrency of a benchmark, or a whole evaluation: no line mixes
several concurrencies. Column names have the unit in brackets.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from django.utils.http import content_disposition_header
from django.utils.timezone import now

from dashboard.pages.shared.marks import Marks, as_data, marks_of, organised_fields
from dashboard.server.downloads import Attachment
from dashboard.text.labels import result_name
from jobs.base.sanitize import sanitize_text
from jobs.metrics import METRICS
from jobs.models import Note, Result, SignOff
from jobs.queries.results.conclusion import conclude
from jobs.queries.results.curve import RATE, curve_of, limits_of
from jobs.queries.results.listing import notes_of, sign_offs_of
from jobs.queries.results.provenance import device_count, provenance
from jobs.queries.results.results import ANSWER_FIELDS, ResultPage, answer_rows, point_rows

_ANSWER_DETAILS = ("category", "rule", "input_tokens", "output_tokens", "latency_s")
_LENGTHS = ("input_tokens", "output_tokens")
_PIECE_LINES = 500  # of a CSV that is made in pieces
_BOM = "\ufeff"  # of a CSV: otherwise Excel assumes the system encoding


def list_json(rows: Sequence[Result]) -> dict[str, Any]:
    """Needs host, deployment and points."""
    marks = marks_of(rows)
    return {"results": [{**_about(row, marks[row.pk]), "points": _points(row)} for row in rows]}


def list_csv(rows: Sequence[Result]) -> Attachment:
    """Needs host, deployment and points."""
    return as_csv(_table(rows, marks_of(rows)), f"results-{now():%Y-%m-%d}")


def result_json(page: ResultPage) -> dict[str, Any]:
    row = page.result
    known = provenance(row)
    return {
        **_about(row, marks_of([row])[row.pk]),
        "notes": list(map(_added, notes_of(row))),
        "sign_offs": list(map(_added, sign_offs_of(row))),
        "identity": {"fingerprint": row.fingerprint, **row.identity},
        "repeats": [result_name(other) for other in page.repeats if other.counts],
        "provenance": {**known.parts, "missing": list(known.missing)},
        "plan_sha256": row.job.plan_sha256 if row.job else None,
        "artifact_sha256": page.artifact.sha256 if page.artifact else None,
        "points": _points(row),
        "devices": device_count(row),
        "conclusion": _conclusion(page),
        "answers": [*answer_rows(row)],
    }


def _conclusion(page: ResultPage) -> dict[str, Any] | None:
    points = curve_of(page) if page.result.type == Result.Type.BENCHMARK else []
    if not any(point.rate for point in points):
        return None
    found = conclude(points, limits=limits_of(page.deployment))
    best, knee = found.best, found.knee
    interval = best.interval(RATE) if best else None
    return {
        "shape": found.shape,
        "best_concurrency": best.concurrency if best else None,
        RATE: best.rate if best else None,
        "interval": [interval.low, interval.high] if interval else None,
        "runs": len(best.runs) if best else 0,
        "recommended_concurrency": knee.concurrency if knee else None,
        "limit": found.limit.most if found.limit else None,
    }


def result_csv(row: Result) -> Attachment:
    """Return the points of a benchmark, or the questions of an evaluation."""
    marks = marks_of([row])
    if row.type != Result.Type.EVALUATION:
        return as_csv(_table([row], marks), result_name(row))
    about = fixed(row, marks[row.pk])
    lines = (
        [*map(one.get, ANSWER_FIELDS), *map(one["detail"].get, _ANSWER_DETAILS), *about.values()]
        for one in answer_rows(row)
    )
    head = [*ANSWER_FIELDS, *_ANSWER_DETAILS, *about]
    return as_csv(chain([head], lines), result_name(row))


def unit_head(name: str) -> str:
    """Return a metric's name with its unit: "ttft_p50_ms [ms]"; a share is from 0 to 1."""
    unit = unit_name(name)
    return f"{name} [{unit}]" if unit else name


def unit_name(name: str) -> str:
    unit = METRICS[name].unit
    return "share" if unit == "%" else unit


def _about(row: Result, marks: Marks) -> dict[str, Any]:
    about = {**fixed(row, marks), **organised_fields(row, marks)}
    return {**about, "metrics": row.metrics, "remarks": row.remarks}


def _added(row: Note | SignOff) -> dict[str, Any]:
    about = {"by": _name(row.created_by), "at": row.created_at.isoformat()}
    if isinstance(row, Note):
        return {"text": row.text, **about}
    withdrawn = row.withdrawn_at.isoformat() if row.withdrawn_at else None
    ended = {"withdrawn_by": _name(row.withdrawn_by), "withdrawn_at": withdrawn}
    return {"purpose": row.purpose, "accepted": row.accepted, **about, **ended}


def _name(user: Any) -> str:
    return user.get_username() if user else ""


def fixed(row: Result, marks: Marks) -> dict[str, Any]:
    """Return the context of a number: columns of a CSV, fields of a JSON."""
    verdict = as_data(marks.verdict) or {}
    return {
        "result": result_name(row),
        "job": row.job_id or "",
        "imported": row.imported_id is not None,
        "type": row.type,
        "model": row.model_id,
        "precision": row.label,
        "host": row.host.name if row.host else "",
        "deployment": row.deployment.name if row.deployment else "",
        "endpoint": row.endpoint.name if row.endpoint else "",
        "device": row.device,
        "what": row.what,
        "tool": row.tool,
        **{f"asked_{name}": row.asked.get(name, "") for name in _LENGTHS},
        "simulated": row.simulated,
        "disturbed": row.disturbed,
        "incomplete": row.incomplete,
        "loaded": row.loaded,
        "flags": " ".join(remark["id"] for remark in row.remarks),
        "stack": row.stack,
        "parallelism": row.parallelism,
        "tags": ", ".join(marks.added.tags),
        "released": "; ".join(marks.added.released),
        "is_baseline": marks.added.is_baseline,
        "verdict_vs_baseline": verdict.get("state", ""),
        "baseline": verdict.get("baseline", ""),
        "identity": row.fingerprint,
        "measured_at": row.measured_at.isoformat() if row.measured_at else "",
        "by": _name(row.created_by),
        "at": row.stored_at.isoformat(),
    }


def _points(row: Result) -> list[dict[str, Any]]:
    return [{"concurrency": c, "metrics": metrics} for c, metrics in point_rows(row)]


def _lines(row: Result) -> list[tuple[Any, Mapping[str, Any]]]:
    """Return (concurrency, metrics) of each point, "" for a rate; of an evaluation its metrics."""
    if row.metrics.get("request_rate"):
        return [("", run.metrics) for run in row.limit_runs.all()]
    return [*point_rows(row)] or [("", row.metrics)]


def _table(rows: Sequence[Result], marks: Mapping[int, Marks]) -> list[list[Any]]:
    lines = []
    for row in rows:
        about = fixed(row, marks[row.pk])
        lines += [(about, concurrency, metrics) for concurrency, metrics in _lines(row)]
    known = {name for _about, _c, metrics in lines for name in metrics}
    names = [name for name in METRICS if name != "concurrency" and name in known]
    table = [[*lines[0][0], "concurrency", *map(unit_head, names)]] if lines else []
    for about, concurrency, metrics in lines:
        table.append([*about.values(), concurrency, *(metrics.get(name, "") for name in names)])
    return table


def as_csv(rows: Iterable[Sequence[Any]], file: str) -> Attachment:
    """Return rows as a CSV for spreadsheets, None as an empty cell; ``file``: its name without an
    ending."""
    return attachment(csv_pieces(rows), f"{file}.csv", "text/csv")


def attachment(content: str | Iterable[str], name: str, content_type: str) -> Attachment:
    """Return a text as a download: its scripts never run under the dashboard's address."""
    pieces = map(sanitize_text, [content] if isinstance(content, str) else content)
    disposition = content_disposition_header(as_attachment=True, filename=name)
    response = Attachment(pieces, content_type=f"{content_type}; charset=utf-8")
    response["Content-Disposition"] = disposition or "attachment"
    return response


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    return "".join(csv_pieces(rows))


def csv_pieces(rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield a CSV in pieces of ``_PIECE_LINES`` lines."""
    yield _BOM
    left = iter(rows)
    while lines := list(islice(left, _PIECE_LINES)):
        text = io.StringIO()
        csv.writer(text).writerows([as_text(value) for value in line] for line in lines)
        yield text.getvalue()


def as_text(value: Any) -> Any:
    """Mark a text as text when a spreadsheet would read a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
