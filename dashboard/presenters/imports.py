"""Recognised content of an import: for the preview, the command and the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from dashboard.text.formatting import full_moment
from dashboard.text.labels import metric_label, metric_text, result_name
from dashboard.text.messages import message
from jobs.catalog import MODELS
from jobs.imports import Recognised
from jobs.imports.base import Reading, Refusal
from jobs.metrics import METRICS
from jobs.models import Import, Result
from jobs.queries.results.workloads import own_workloads
from jobs.services import imports
from jobs.services.outcomes import shortfall
from jobs.services.outcomes.outcomes import stored_numbers


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
    texts: dict[str, tuple[str, str, str]] = {
        "device": (
            _("Device"),
            _("With the number of devices, also of several servers."),
            "8 × H800",
        ),
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
    options = {
        "model": [(model.id, model.name) for model in MODELS.values()],
        "workload": [(what, "") for what in own_workloads()],
    }
    return [
        Field(
            name,
            *(label, given.get(name, ""), errors.get(name, ""), hint, example),
            most=imports.TEXTS.get(name, 6),
            is_number=name in imports.NUMBERS,
            options=options.get(name, ()),
        )
        for name, (label, hint, example) in texts.items()
    ]


def declared_rows(row: Import) -> list[tuple[str, str]]:
    """Return label and value of what is declared of an import; without empty ones."""
    about = {name: str(value or "") for name, value in asdict(imports.about_row(row)).items()}
    fields = declared_fields(about, {})
    return [(one.label, one.value) for one in fields if one.value and one.name != "model"]


def declared_text(row: Import) -> str:
    """Return what is declared of an import, by whom and when; "" if nothing is."""
    if row.declared_at is None:
        return ""
    args = {
        "values": _(", ").join(f"{label}{_(': ')}{value}" for label, value in declared_rows(row)),
        "name": row.declared_by or "–",
        "at": full_moment(row.declared_at),
    }
    return _("%(values)s (declared by %(name)s on %(at)s)") % args


def measured_text(results: Sequence[Result]) -> str:
    """Return when results were measured, from the first to the last."""
    moments = sorted(one.measured_at for one in results if one.measured_at is not None)
    if not moments:
        return _("not in the files") if results else ""
    known = " – ".join(dict.fromkeys((full_moment(moments[0]), full_moment(moments[-1]))))
    undated = _(", ").join(result_name(one) for one in results if one.measured_at is None)
    return known + (_("; %(results)s: not in the files") % {"results": undated} if undated else "")


def declared_facts(results: Sequence[Result]) -> list[tuple[str, str]]:
    """Return label and text of what is declared of each import; of several, with its number."""
    found = [(one, one.imported) for one in results if one.imported is not None]
    title = _("Declared")
    return [
        (title if len(results) == 1 else f"{title} {result_name(one)}", declared_text(row))
        for one, row in found
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
        measured = f"{localtime(one.at):%Y-%m-%d %H:%M:%S %z}" if one.at else "not in the files"
        lines += [f"  measured: {measured}"]
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
            declared = declared_text(one.earlier)
            lines += [f"  declared: {declared}"] if declared else []
    lines += [f"{', '.join(one.files)}: refused. {one.reason}" for one in shown.refused]
    if shown.unused:
        lines += [f"not used: {', '.join(shown.unused)}"]
    return "\n".join(lines)
