"""Content of an import before it is stored, and the form of what a person declares of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard.text.formatting import full_moment
from dashboard.text.labels import result_name
from jobs.catalog import MODELS
from jobs.metrics.measured import SetScore
from jobs.models import Import, Result
from jobs.queries.results.listing import own_workloads
from jobs.services import imports

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
class ImportedFigure:
    """Metric with its value as pages show it."""

    name: str
    label: str
    value: str
    unit: str


@dataclass(frozen=True, slots=True)
class Found:
    """A recognised result. ``earlier``: number of the result that has its files already, and
    ``declared``, what is declared of that. ``at``: start of the measurement; None: not in the
    files. ``answers``: their number."""

    tool: str
    version: str
    type: str
    model: str
    what: str
    sources: Sequence[str]
    files: Sequence[str]
    concurrencies: Sequence[int]
    answers: int
    sets: Sequence[SetScore]
    figures: Sequence[ImportedFigure]
    completed: int | None
    failed: int
    remarks: Sequence[str]
    earlier: int | None
    declared: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Files without a result, with the reason."""

    files: Sequence[str]
    reason: str


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """Content of an import before it is stored."""

    found: Sequence[Found]
    refused: Sequence[NotTaken]
    unused: Sequence[str]

    @property
    def new(self) -> list[Found]:
        return [one for one in self.found if one.earlier is None]

    @property
    def reasons(self) -> str:
        return " ".join(one.reason for one in self.refused)


def declared_fields(given: Mapping[str, str], errors: Mapping[str, str]) -> list[dict[str, Any]]:
    options = {
        "model": [(model.id, model.name) for model in MODELS.values()],
        "workload": [(what, "") for what in own_workloads()],
    }
    return [
        {
            "name": name,
            "label": label,
            "hint": hint,
            "example": example,
            "value": given.get(name, ""),
            "error": errors.get(name, ""),
            "most": imports.TEXTS.get(name, 6),
            "is_number": name in imports.NUMBERS,
            "options": options.get(name, ()),
        }
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


def declared_text(row: Import, *, has_people: bool = True) -> str:
    """Return what is declared of an import, by whom and when; "" if nothing is."""
    if row.declared_at is None:
        return ""
    values = (f"{label}{gettext(': ')}{value}" for label, value in declared_rows(row))
    args = {"name": row.declared_by or "–", "at": full_moment(row.declared_at)}
    args["values"] = gettext(", ").join(values)
    if not has_people:
        return gettext("%(values)s (declared on %(at)s)") % args
    return gettext("%(values)s (declared by %(name)s on %(at)s)") % args


def measured_text(results: Sequence[Result]) -> str:
    moments = sorted(one.measured_at for one in results if one.measured_at is not None)
    if not moments:
        return gettext("not in the files") if results else ""
    known = " – ".join(dict.fromkeys((full_moment(moments[0]), full_moment(moments[-1]))))
    undated = [result_name(one) for one in results if one.measured_at is None]
    if not undated:
        return known
    text = gettext("; %(results)s: not in the files")
    return known + text % {"results": gettext(", ").join(undated)}


def declared_facts(results: Sequence[Result], *, has_people: bool = True) -> list[tuple[str, str]]:
    """Return label and text of what is declared of each import; of several, with its number."""
    title = gettext("Declared")
    return [
        (
            title if len(results) == 1 else f"{title} {result_name(one)}",
            declared_text(one.imported, has_people=has_people),
        )
        for one in results
        if one.imported is not None
    ]
