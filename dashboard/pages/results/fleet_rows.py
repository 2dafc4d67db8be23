"""Fleet page: cells in words, and the form that measures each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.pages.shared.marks import NO_MARKS, Flag, Marks, all_flags
from dashboard.pages.shared.remedies import form_address
from dashboard.text.labels import phrase, result_place
from jobs.models import Deployment, Result
from jobs.queries.fleet import Fleet, FleetCell, FleetRow, FleetValue, Stale
from jobs.queries.models import OnHost
from jobs.queries.results.organised import NONE, Organised

_KINDS = {Result.Type.BENCHMARK: "benchmark", Result.Type.EVALUATION: "evaluate"}


@dataclass(frozen=True, slots=True)
class Shown:
    """Value of a cell; ``value`` None: missing.

    ``at``: concurrency of the value. ``about``: parallelism, workload and place. ``address``: form
    that measures the value; "" when the value is current, or when no form measures it. ``step``:
    text of the button to the form. ``of``: value and model, for screen readers.
    """

    type: str
    title: str
    value: FleetValue | None
    at: str
    about: str
    mark: Marks
    flags: Sequence[Flag]
    stale: Sequence[str]
    address: str
    step: str
    of: str


@dataclass(frozen=True, slots=True)
class ShownRow:
    """Model and precision, with the values of each stack; an empty list: no such combination."""

    row: FleetRow
    cells: Sequence[Sequence[Shown]]


def rows_of(fleet: Fleet, added: dict[int, Organised]) -> list[ShownRow]:
    """Return the rows of the page; ``added`` has what people added, by result id."""
    why = {one for value in _values(fleet) for one in value.stale}
    texts = _Texts({one: stale_text(one, fleet.days) for one in why})
    return [
        ShownRow(
            row,
            [_cell(row, cell, added, texts) if cell.is_known else () for cell in row.cells],
        )
        for row in fleet.rows
    ]


def results_of(fleet: Fleet) -> list[Result]:
    """Return the results of all cells."""
    return [value.result for value in _values(fleet)]


def _values(fleet: Fleet) -> list[FleetValue]:
    return [
        value
        for row in fleet.rows
        for cell in row.cells
        for value in (cell.speed, cell.accuracy)
        if value is not None
    ]


class _Texts:
    """Texts of many cells, each translated once a page; ``stale`` by the cause."""

    def __init__(self, stale: Mapping[Stale, str]) -> None:
        self.stale = stale
        self.titles = ((Result.Type.BENCHMARK, _("Speed")), (Result.Type.EVALUATION, _("Accuracy")))
        self.comma, self.measure, self.deploy = _(", "), _("Measure"), _("Deploy")
        self.at = _("concurrency %(n)s")


def _cell(
    row: FleetRow, cell: FleetCell, added: dict[int, Organised], texts: _Texts
) -> Sequence[Shown]:
    shown = []
    values = (cell.speed, cell.accuracy)
    for (result_type, title), value in zip(texts.titles, values, strict=True):
        is_due = value is None or bool(value.stale)
        address, step = _measures(cell, result_type, value, texts) if is_due else ("", "")
        mark = Marks(added.get(value.result.pk, NONE), value.verdict) if value else NO_MARKS
        stale = [texts.stale[one] for one in value.stale] if value else []
        stamps = all_flags(value.result) if value else []
        of = texts.comma.join((title, row.model_id))
        at = texts.at % {"n": value.concurrency} if value and value.concurrency else ""
        about = _about(value.result, texts.comma) if value else ""
        shown.append(
            Shown(result_type, title, value, at, about, mark, stamps, stale, address, step, of)
        )
    return shown


def _about(result: Result, comma: str) -> str:
    return comma.join(filter(None, (result.parallelism, phrase(result.what), result_place(result))))


def _measures(
    cell: FleetCell, result_type: str, value: FleetValue | None, texts: _Texts
) -> tuple[str, str]:
    """Return the form that measures a value, and the text of its button."""
    served = cell.deployment
    job = value.result.job if value is not None else None
    if value is not None and job is not None and value.result.deployment_id is None:
        return form_address(job), texts.measure
    if served is not None:
        return _on(served, result_type, value), texts.measure
    if cell.artifact is not None:
        query = urlencode({"host": cell.artifact.host.name, "artifact": cell.artifact.pk})
        kind = OnHost(cell.artifact.host).server
        return f"{reverse('launch-form', args=[kind])}?{query}", texts.deploy
    known = value or cell.speed or cell.accuracy
    if known is not None and known.result.deployment is not None:
        return form_address(known.result.deployment.job), texts.deploy
    return "", ""


def _on(served: Deployment, result_type: str, value: FleetValue | None) -> str:
    job = value.result.job if value is not None else None
    if job is not None and job.host_id == served.host_id:
        return form_address(job, deployment=str(served.pk))
    query = urlencode({"host": served.host.name, "deployment": served.pk})
    return f"{reverse('launch-form', args=[_KINDS[Result.Type(result_type)]])}?{query}"


def stale_text(stale: Stale, days: int) -> str:
    """Return why a value is stale."""
    if stale.why == "age":
        text = ngettext("older than %(n)s day", "older than %(n)s days", days)
        return text % {"n": days}
    if stale.why == "driver":
        return _("driver was %(was)s, is %(now)s") % {"was": stale.was, "now": stale.now}
    if stale.why == "environment":
        return _("environment %(name)s was reinstalled") % {"name": stale.was}
    return _("image %(name)s was replaced") % {"name": stale.was}
