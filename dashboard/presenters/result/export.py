"""Export results as CSV and JSON, each number with its context.

A line of the list's CSV is one concurrency of a benchmark, or a whole evaluation: no line mixes
several concurrencies. Column names have the unit in brackets.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpResponse
from django.utils.timezone import now

from jobs.metrics import METRICS
from jobs.models import Result
from jobs.queries.results.provenance import provenance
from jobs.queries.results.results import ANSWER_FIELDS, ResultPage, answer_rows

_ANSWER_DETAILS = ("category", "rule", "input_tokens", "output_tokens", "latency_s")
_LENGTHS = ("input_tokens", "output_tokens")


def list_json(rows: Iterable[Result]) -> dict[str, Any]:
    """Return the results with their points as JSON. Needs host, deployment and points."""
    return {"results": [{**_about(row), "points": _points(row)} for row in rows]}


def list_csv(rows: Sequence[Result]) -> HttpResponse:
    """Return the results as CSV lines. Needs host, deployment and points."""
    lines = [(row, concurrency, metrics) for row in rows for concurrency, metrics in _lines(row)]
    response = as_csv(_table(lines))
    response["Content-Disposition"] = f'attachment; filename="results-{now():%Y-%m-%d}.csv"'
    return response


def result_json(page: ResultPage) -> dict[str, Any]:
    """Return one result with all its data."""
    row = page.result
    known = provenance(row)
    return {
        **_about(row),
        "identity": {"fingerprint": row.fingerprint, **row.identity},
        "repeats": [other.pk for other in page.repeats if other.counts],
        "provenance": {**known.parts, "missing": list(known.missing)},
        "plan_sha256": row.job.plan_sha256 if row.job else None,
        "artifact_sha256": page.artifact.sha256 if page.artifact else None,
        "points": _points(row),
        "answers": answer_rows(row),
    }


def result_csv(page: ResultPage) -> HttpResponse:
    """Return the points of a benchmark like the list, or the questions of an evaluation with their
    context."""
    row = page.result
    if row.type != Result.Type.EVALUATION:
        return as_csv(_table([(row, c, metrics) for c, metrics in _lines(row)]))
    about = fixed(row)
    rows = (
        [*map(answer.get, ANSWER_FIELDS), *map(answer["detail"].get, _ANSWER_DETAILS)]
        for answer in answer_rows(row)
    )
    head = [*ANSWER_FIELDS, *_ANSWER_DETAILS, *about]
    return as_csv([head, *([*answer, *about.values()] for answer in rows)])


def unit_head(name: str) -> str:
    """Return a metric's name with its unit: "ttft_p50_ms [ms]"; a share is from 0 to 1."""
    unit = unit_name(name)
    return f"{name} [{unit}]" if unit else name


def unit_name(name: str) -> str:
    """Return a metric's unit in an export, "" without one; a share is from 0 to 1."""
    unit = METRICS[name].unit
    return "share" if unit == "%" else unit


def _about(row: Result) -> dict[str, Any]:
    return {**fixed(row), "metrics": row.metrics, "remarks": row.remarks}


def fixed(row: Result) -> dict[str, Any]:
    """Return the context of a number: columns of a CSV, fields of a JSON."""
    return {
        "result": row.pk,
        "job": row.job_id or "",
        "import": row.imported_id or "",
        "type": row.type,
        "model": row.model_id,
        "precision": row.label,
        "host": row.host.name if row.host else "",
        "device": (row.run_context.get("device") or {}).get("text", ""),
        "deployment": row.deployment.name if row.deployment else "",
        "what": row.what,
        "tool": row.tool,
        **{f"asked_{name}": row.asked.get(name, "") for name in _LENGTHS},
        "simulated": row.simulated,
        "disturbed": row.disturbed,
        "incomplete": row.incomplete,
        "flags": " ".join(remark["id"] for remark in row.remarks),
        "identity": row.fingerprint,
        "by": row.created_by.get_username() if row.created_by else "",
        "at": row.created_at.isoformat(),
    }


def _points(row: Result) -> list[dict[str, Any]]:
    return [{"concurrency": c, "metrics": m} for c, m in _lines(row) if c != ""]


def _lines(row: Result) -> list[tuple[Any, dict[str, Any]]]:
    """Return (concurrency, metrics) of each point; for an evaluation, "" and its metrics."""
    points = sorted(row.points.all(), key=lambda point: (point.concurrency, point.index))
    return [(point.concurrency, point.metrics) for point in points] or [("", row.metrics)]


def _table(lines: Sequence[tuple[Result, Any, dict[str, Any]]]) -> list[list[Any]]:
    names = [
        name
        for name in METRICS
        if name != "concurrency" and any(name in metrics for _row, _c, metrics in lines)
    ]
    if not lines:
        return []
    head = [*fixed(lines[0][0]), "concurrency", *map(unit_head, names)]
    return [
        head,
        *(
            [*fixed(row).values(), concurrency, *(metrics.get(name, "") for name in names)]
            for row, concurrency, metrics in lines
        ),
    ]


def as_csv(rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """Return rows as a CSV for spreadsheets."""
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response.write("\ufeff")  # otherwise Excel assumes the system encoding
    writer = csv.writer(response)
    for row in rows:
        writer.writerow([as_text(value) for value in row])
    return response


def as_text(value: Any) -> Any:
    """Mark a text as text when a spreadsheet would read a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
