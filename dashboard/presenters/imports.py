"""Recognised content of an import: for the preview, the command and the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from dashboard.text.labels import metric_label, metric_text, result_name
from dashboard.text.messages import message
from jobs.catalog import MODELS
from jobs.imports import Recognised
from jobs.imports.base import Reading, Refusal
from jobs.metrics import METRICS
from jobs.models import Import
from jobs.queries.results.workloads import own_workloads
from jobs.services import imports
from jobs.services.outcomes import shortfall
from jobs.services.outcomes.outcomes import stored_numbers

# Declared part -> label, hint and example of its field.
_DECLARED = {
    "device": (_("Device"), _("With the number of devices, also of several servers."), "8 × H800"),
    "devices": (_("Devices"), _("Empty: as in the text above."), ""),
    "model": (
        _("Model"),
        _("A model of the catalogue, or another name. Empty: as named in the files."),
        "",
    ),
    "precision": (_("Precision"), "", "fp8"),
    "engine": (_("Engine"), _("With its version."), "vLLM 0.7.2"),
    "tp": (_("Tensor parallel size (TP)"), "", ""),
    "pp": (_("Pipeline parallel size (PP)"), "", ""),
    "ep": (_("Expert parallel size (EP)"), "", ""),
    "workload": (
        _("Workload"),
        _("As on the results to compare with. Equal words are the same workload."),
        "random 1024 → 1024 tok",
    ),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """Metric with its value as pages show it."""

    name: str
    label: str
    value: str
    unit: str


@dataclass(frozen=True, slots=True)
class Field:
    """Field of what a person declares of an import. ``options``: (value, title)."""

    name: str
    label: str
    value: str
    error: str
    hint: str
    example: str
    most: int
    is_number: bool
    options: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A recognised result. ``earlier``: the import that has its files already. ``at``: start of the
    measurement; None: not in the files."""

    reading: Reading
    figures: Sequence[Figure]
    completed: int | None
    failed: int
    remarks: Sequence[str]
    earlier: Import | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Files without a result, with the reason."""

    files: Sequence[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Preview:
    """Content of an import before it is stored."""

    found: Sequence[Found]
    refused: Sequence[NotTaken]
    unused: Sequence[str]

    @property
    def new(self) -> list[Found]:
        """Return the results that are not imported yet."""
        return [one for one in self.found if one.earlier is None]

    @property
    def reasons(self) -> str:
        """Return why nothing can be imported, as one text."""
        return " ".join(one.reason for one in self.refused)


def preview(files: Mapping[str, bytes], recognised: Recognised) -> Preview:
    """Return what is in ``files``, with the imports that exist already."""
    return Preview(
        [_found(files, reading) for reading in recognised.readings],
        [_not_taken(refusal) for refusal in recognised.refusals],
        recognised.unused,
    )


def declared_fields(given: Mapping[str, str], errors: Mapping[str, str]) -> list[Field]:
    """Return the fields of a form, with what was entered and the errors."""
    options = {
        "model": [(model.id, model.name) for model in MODELS.values()],
        "workload": [(what, "") for what in own_workloads()],
    }
    return [
        Field(
            name,
            *(str(label), given.get(name, ""), errors.get(name, ""), str(hint), example),
            most=imports.TEXTS.get(name, 6),
            is_number=name in imports.NUMBERS,
            options=options.get(name, ()),
        )
        for name, (label, hint, example) in _DECLARED.items()
    ]


def declared_rows(row: Import) -> list[tuple[str, str]]:
    """Return label and value of what is declared of an import; without empty ones."""
    about = asdict(imports.about_row(row))
    return [
        (str(label), str(about[name]))
        for name, (label, _hint, _example) in _DECLARED.items()
        if about[name] and name != "model"
    ]


def _found(files: Mapping[str, bytes], reading: Reading) -> Found:
    measured = reading.measured
    missed, total = shortfall.of_measured(measured)
    if measured.type == "evaluation":
        scored = measured.metrics.get("questions")
        completed = None if scored is None else int(scored)
    else:
        completed = total - missed or None
    return Found(
        reading,
        [_figure(name, measured.metrics[name]) for name in METRICS if name in measured.metrics],
        completed,
        missed,
        [message(remark.id, remark.args) for remark in measured.remarks],
        imports.earlier(files, reading),
        imports.moment(reading.at),
    )


def _not_taken(refusal: Refusal) -> NotTaken:
    return NotTaken(refusal.files, message(refusal.reason.id, refusal.reason.args))


def _figure(name: str, value: float) -> Figure:
    text, unit = metric_text(name, value)
    return Figure(name, metric_label(name), text, unit)


def as_json(shown: Preview) -> dict[str, Any]:
    """Return the preview as JSON, with exact values: metrics, points, sets and questions."""
    return {
        "results": [_result(one) for one in shown.found],
        "refused": [{"files": list(one.files), "reason": one.reason} for one in shown.refused],
        "unused": list(shown.unused),
    }


def _result(found: Found) -> dict[str, Any]:
    reading, measured = found.reading, found.reading.measured
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
        "result": result_name(found.earlier.result) if found.earlier else None,
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
        reading = one.reading
        version = reading.version or "version not in the files"
        lines += [f"{', '.join(reading.sources)}: {reading.tool}, {version}"]
        lines += [f"  model: {reading.model or 'not in the files'}"]
        lines += [f"  workload: {reading.measured.what}"]
        unit = "questions" if reading.measured.type == "evaluation" else "requests"
        known = "unknown" if one.completed is None else str(one.completed)
        lines += [f"  {unit}: {known} completed, {one.failed} failed"]
        lines += [f"  {each.name}: {each.value} {each.unit}".rstrip() for each in one.figures]
        if len(reading.measured.points) > 1:
            at = ", ".join(str(concurrency) for concurrency, _metrics in reading.measured.points)
            lines += [f"  concurrencies: {at}"]
        for score in reading.measured.sets:
            value = "no score" if score.value is None else f"{score.value:.2f}"
            lines += [f"  set {score.dataset}: {value} ({score.metric})"]
        if reading.measured.answers:
            lines += [f"  questions with answers: {len(reading.measured.answers)}"]
        lines += [f"  note: {remark}" for remark in one.remarks]
        if one.earlier:
            lines += [f"  already imported: {result_name(one.earlier.result)}"]
    lines += [f"{', '.join(one.files)}: refused. {one.reason}" for one in shown.refused]
    if shown.unused:
        lines += [f"not used: {', '.join(shown.unused)}"]
    return "\n".join(lines)
