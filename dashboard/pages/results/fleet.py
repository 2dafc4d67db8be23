"""Fleet page: speed and accuracy of each model on each stack, with the forms that measure them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from dashboard.pages.shared.marks import NO_MARKS, Marks, all_flags
from dashboard.pages.shared.remedies import form_address
from dashboard.security.permissions import allowed, requires
from dashboard.text.labels import phrase, result_place
from jobs.base.numbers import number_from
from jobs.models import Result
from jobs.queries.fleet import Fleet, FleetCell, FleetRow, FleetValue, Stale, fleet, whole_days
from jobs.queries.models import OnHost
from jobs.queries.results.organised import NONE, Organised, organised

DAYS = (7, 30, 90)
_KINDS = {Result.Type.BENCHMARK: "benchmark", Result.Type.EVALUATION: "evaluate"}


@require_GET
@requires("result.view")
def fleet_page(request: HttpRequest) -> HttpResponse:
    """Show the fleet; results older than ``?days=`` are stale."""
    days = whole_days(number_from(request.GET.get("days", "")))
    found = fleet(days)
    context = {
        "fleet": found,
        "rows": _rows(found),
        "days": days,
        "day_choices": DAYS,
        "may_launch": allowed(request.user, "job.launch"),
    }
    return render(request, "results/fleet.html", context)


def _rows(found: Fleet) -> list[tuple[FleetRow, list[list[dict[str, Any]]]]]:
    """Return the rows with the values of each stack; an empty list: no such combination."""
    cells = (cell for row in found.rows for cell in row.cells)
    values = [value for cell in cells for value in (cell.speed, cell.accuracy) if value]
    added = organised([value.result for value in values], with_tags=False)
    why = {one for value in values for one in value.stale}
    texts = _Texts({one: stale_text(one, found.days) for one in why})
    return [
        (row, [_cell(row, cell, added, texts) if cell.is_known else [] for cell in row.cells])
        for row in found.rows
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
) -> list[dict[str, Any]]:
    """Return speed and accuracy; ``value`` is None where one is missing.

    ``at``: concurrency of the value. ``about``: parallelism, workload and place. ``address``: form
    that measures the value; "" when the value is current, or when no form measures it. ``step``:
    text of the button to the form. ``of``: value and model, for screen readers.
    """
    shown = []
    for (result_type, title), value in zip(texts.titles, (cell.speed, cell.accuracy), strict=True):
        is_due = value is None or bool(value.stale)
        address, step = _measures(cell, result_type, value, texts) if is_due else ("", "")
        item: dict[str, Any] = {
            "title": title,
            "value": value,
            "mark": NO_MARKS,
            "address": address,
            "step": step,
            "of": texts.comma.join((title, row.model_id)),
        }
        if value:
            result = value.result
            about = (result.parallelism, phrase(result.what), result_place(result))
            item |= {
                "at": texts.at % {"n": value.concurrency} if value.concurrency else "",
                "about": texts.comma.join(filter(None, about)),
                "mark": Marks(added.get(result.pk, NONE), value.verdict),
                "flags": all_flags(result),
                "stale": [texts.stale[one] for one in value.stale],
            }
        shown.append(item)
    return shown


def _measures(
    cell: FleetCell, result_type: Result.Type, value: FleetValue | None, texts: _Texts
) -> tuple[str, str]:
    """Return the form that measures a value, and the text of its button."""
    served, artifact = cell.deployment, cell.artifact
    job = value.result.job if value is not None else None
    if value is not None and job is not None and value.result.deployment_id is None:
        return form_address(job), texts.measure
    if served is not None:
        if job is not None and job.host_id == served.host_id:
            return form_address(job, deployment=str(served.pk)), texts.measure
        query = urlencode({"host": served.host.name, "deployment": served.pk})
        return f"{reverse('launch-form', args=[_KINDS[result_type]])}?{query}", texts.measure
    if artifact is not None:
        query = urlencode({"host": artifact.host.name, "artifact": artifact.pk})
        kind = OnHost(artifact.host).server
        return f"{reverse('launch-form', args=[kind])}?{query}", texts.deploy
    known = value or cell.speed or cell.accuracy
    if known is not None and known.result.deployment is not None:
        return form_address(known.result.deployment.job), texts.deploy
    return "", ""


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


urlpatterns: list[URLPattern] = [
    path("fleet/", fleet_page, name="result-fleet"),
]
