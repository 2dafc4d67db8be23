"""Recognised content of an import: for the preview, the command and the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.timezone import localtime

from dashboard.text.import_words import Figure, Found, NotTaken, Preview, declared_text
from dashboard.text.labels import metric_label, metric_text
from dashboard.text.messages import message
from jobs.base.numbers import result_number
from jobs.imports import Recognised
from jobs.metrics import METRICS
from jobs.services import import_storage
from jobs.services.outcomes import shortfall
from jobs.services.outcomes.outcomes import stored_numbers
from jobs.tools.importing.base import Reading, Refusal


def preview(files: Mapping[str, bytes], recognised: Recognised) -> Preview:
    """Return what is in ``files``, with the imports that exist already."""
    return Preview(
        [_found(files, reading) for reading in recognised.readings],
        [_not_taken(refusal) for refusal in recognised.refusals],
        recognised.unused,
    )


def _found(files: Mapping[str, bytes], reading: Reading) -> Found:
    measured = reading.measured
    missed, total = shortfall.of_measured(measured)
    if measured.type == "evaluation":
        scored = measured.metrics.get("questions")
        completed = None if scored is None else int(scored)
    else:
        completed = total - missed or None
    earlier = import_storage.earlier(files, reading)
    return Found(
        reading.tool,
        reading.version,
        measured.type,
        reading.model,
        measured.what,
        reading.sources,
        reading.files,
        [concurrency for concurrency, _metrics in measured.points],
        len(measured.answers),
        measured.sets,
        [_figure(name, measured.metrics[name]) for name in METRICS if name in measured.metrics],
        completed,
        missed,
        [message(remark.id, remark.args) for remark in measured.remarks],
        earlier.result.pk if earlier else None,
        declared_text(earlier) if earlier else "",
        import_storage.moment(reading.at),
    )


def _not_taken(refusal: Refusal) -> NotTaken:
    return NotTaken(refusal.files, message(refusal.reason.id, refusal.reason.args))


def _figure(name: str, value: float) -> Figure:
    text, unit = metric_text(name, value)
    return Figure(name, metric_label(name), text, unit)


def as_json(files: Mapping[str, bytes], recognised: Recognised) -> dict[str, Any]:
    """Return the content as JSON, with exact values: metrics, points, sets and questions."""
    shown = preview(files, recognised)
    pairs = zip(recognised.readings, shown.found, strict=True)
    return {
        "results": [_result(reading, found) for reading, found in pairs],
        "refused": [{"files": list(one.files), "reason": one.reason} for one in shown.refused],
        "unused": list(shown.unused),
    }


def _result(reading: Reading, found: Found) -> dict[str, Any]:
    measured = reading.measured
    return {
        "tool": reading.tool,
        "version": reading.version or None,
        "type": measured.type,
        "model": reading.model,
        "workload": measured.what,
        "measured_at": found.at.isoformat() if found.at else None,
        "files": list(reading.files),
        "completed": found.completed,
        "failed": found.failed,
        "metrics": _metrics(measured.metrics),
        "points": [
            {"concurrency": concurrency, "metrics": _metrics(metrics)}
            for concurrency, metrics in measured.points
        ],
        "sets": [
            {
                "dataset": one.dataset,
                "metric": one.metric,
                "value": one.value,
                "questions": one.questions,
            }
            for one in measured.sets
        ],
        "questions": [
            {
                name: row[name]
                for name in ("subset", "question_id", "question", "expected", "answer", "extracted")
            }
            | {"score": None if row["status"] else row["score"]}
            for row in measured.answers
        ],
        "remarks": list(found.remarks),
        "result": result_number(found.earlier) if found.earlier else None,
    }


def _metrics(metrics: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return name, value and unit; a share is from 0 to 1, as in exports."""
    return [
        {"name": name, "value": value, "unit": unit if unit != "%" else "share"}
        for name, value in stored_numbers(metrics).items()
        for unit in (METRICS[name].unit,)
    ]


def as_text(shown: Preview) -> str:
    """Return the preview for a terminal."""
    lines: list[str] = []
    for one in shown.found:
        version = one.version or "version not in the files"
        lines += [f"{', '.join(one.sources)}: {one.tool}, {version}"]
        lines += [f"  model: {one.model or 'not in the files'}"]
        lines += [f"  workload: {one.what}"]
        measured = f"{localtime(one.at):%Y-%m-%d %H:%M:%S %z}" if one.at else "not in the files"
        lines += [f"  measured: {measured}"]
        unit = "questions" if one.type == "evaluation" else "requests"
        known = "unknown" if one.completed is None else str(one.completed)
        lines += [f"  {unit}: {known} completed, {one.failed} failed"]
        lines += [f"  {each.name}: {each.value} {each.unit}".rstrip() for each in one.figures]
        if len(one.concurrencies) > 1:
            at = ", ".join(map(str, one.concurrencies))
            lines += [f"  concurrencies: {at}"]
        for score in one.sets:
            value = "no score" if score.value is None else f"{score.value:.2f}"
            lines += [f"  set {score.dataset}: {value} ({score.metric})"]
        if one.answers:
            lines += [f"  questions with answers: {one.answers}"]
        lines += [f"  note: {remark}" for remark in one.remarks]
        if one.earlier:
            lines += [f"  already imported: {result_number(one.earlier)}"]
            lines += [f"  declared: {one.declared}"] if one.declared else []
    lines += [f"{', '.join(one.files)}: refused. {one.reason}" for one in shown.refused]
    if shown.unused:
        lines += [f"not used: {', '.join(shown.unused)}"]
    return "\n".join(lines)
