"""Fleet: speed and accuracy of all models on each stack."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.pages.results.results import DAYS
from dashboard.pages.shared import units
from dashboard.pages.shared.failures import form_address
from dashboard.pages.shared.marks import NO_MARKS, Marks, all_flags
from dashboard.security.permissions import allowed, requires
from dashboard.text.labels import phrase, result_place
from jobs.base.numbers import number_from
from jobs.models import Deployment, Result
from jobs.queries.catalogue import OnHost
from jobs.queries.fleet import (
    Fleet,
    FleetCell,
    FleetRow,
    FleetValue,
    Stale,
    fleet,
    left_out,
    whole_days,
)
from jobs.queries.hosts import is_away
from jobs.queries.results.curve import RATE
from jobs.queries.results.listing import NONE, organised
from jobs.queries.results.provenance import counts, with_rates

_KINDS = {Result.Type.BENCHMARK: "benchmark", Result.Type.EVALUATION: "evaluate"}


@requires("result.view", "GET")
@units.with_unit
def fleet_page(request: HttpRequest) -> HttpResponse:
    """Show the fleet; results older than ``?days=`` are stale."""
    days = whole_days(number_from(request.GET.get("days", "")))
    found = fleet(days)
    cells = (cell for row in found.rows for cell in row.cells)
    unit = units.choice(
        request.GET.get(units.PER, ""), [cell.speed.result for cell in cells if cell.speed]
    )
    context = {
        "fleet": found,
        "title": _title(found),
        "rows": _rows(found, unit),
        "units": unit,
        "days": days,
        "day_choices": DAYS,
        "may_launch": allowed(request.user, "job.launch"),
        "not_listed": "" if found.rows else _not_listed(),
        "ready_form": "" if found.rows else ready_form(),
    }
    return render(request, "results/fleet.html", context)


def _title(found: Fleet) -> str:
    """Return what needs attention: "… by model: 2 stale, 3 missing of 12 values"."""
    n = 2 * sum(cell.is_known for row in found.rows for cell in row.cells)
    counted = (
        (_("%(n)s regressed"), found.regressed),
        (_("%(n)s stale"), found.stale),
        (_("%(n)s missing"), found.missing),
    )
    told = [text % {"n": number} for text, number in counted if number]
    if not n:
        return _("No result to list by model yet")
    if not told:
        return _("Speed and accuracy by model: all %(n)s values current") % {"n": n}
    return _("Speed and accuracy by model: %(told)s of %(n)s values") % {
        "told": _(", ").join(told),
        "n": n,
    }


def _not_listed() -> str:
    """Return why results are not listed: "1 imported, 9 without a known stack"."""
    found = left_out()
    words = (_("%(n)s imported"), _("%(n)s external"), _("%(n)s without a known stack"))
    counted = [text % {"n": n} for text, n in zip(words, found, strict=True) if n]
    text = ngettext(
        "%(n)s result is not listed: %(why)s.", "%(n)s results are not listed: %(why)s.", sum(found)
    )
    return text % {"n": sum(found), "why": _(", ").join(counted)} if counted else ""


def ready_form() -> str:
    """Return the form that benchmarks a ready deployment, rather one on a real host; "": none."""
    rows = Deployment.objects.filter(state=Deployment.State.READY).select_related("host")
    ready = (one for one in rows.order_by("-pk") if not is_away(one.host))
    served = min(ready, key=lambda one: one.host.is_simulated, default=None)
    if served is None:
        return ""
    query = urlencode({"host": served.host.name, "deployment": served.pk})
    return f"{reverse('launch-form', args=['benchmark'])}?{query}"


def _rows(
    found: Fleet, unit: units.ChosenUnit
) -> list[tuple[FleetRow, list[list[dict[str, Any]]]]]:
    """Return the rows with speed and accuracy on each stack; an empty list: no such combination.
    ``at``: concurrency. ``about``: parallelism, workload and place. ``address``: form that measures
    the value; "" for a current value, or without a form. ``of``: value and model, for screen
    readers."""
    cells = (cell for row in found.rows for cell in row.cells)
    values = [value for cell in cells for value in (cell.speed, cell.accuracy) if value]
    added = organised([value.result for value in values])
    # Texts of many cells, each translated once a page.
    stale = {one: stale_text(one, found.days) for value in values for one in value.stale}
    titles = ((Result.Type.BENCHMARK, _("Speed")), (Result.Type.EVALUATION, _("Accuracy")))
    comma, at, steps = _(", "), _("concurrency %(n)s"), (_("Measure"), _("Deploy"))

    def shown(row: FleetRow, cell: FleetCell) -> list[dict[str, Any]]:
        items = []
        for (kind, title), value in zip(titles, (cell.speed, cell.accuracy), strict=True):
            is_due = value is None or bool(value.stale)
            address, is_deploy = _form(cell, kind, value) if is_due else ("", False)
            item: dict[str, Any] = {
                "title": title,
                "value": value,
                "mark": NO_MARKS,
                "address": address,
                "step": steps[is_deploy],
                "of": comma.join((title, row.model_id)),
            }
            if value:
                result, item["metric"] = value.result, value.metric
                item["number"] = value.value
                if value.metric == RATE:
                    item["metric"] = unit.rate
                    metrics = with_rates(result.metrics, counts(result))
                    item["number"] = metrics.get(unit.rate)
                about = (result.parallelism, phrase(result.what), result_place(result))
                item |= {
                    "at": at % {"n": value.concurrency} if value.concurrency else "",
                    "about": comma.join(filter(None, about)),
                    "mark": Marks(added.get(result.pk, NONE), value.verdict),
                    "flags": all_flags(result),
                    "stale": [stale[one] for one in value.stale],
                }
            items.append(item)
        return items

    return [
        (row, [shown(row, cell) if cell.is_known else [] for cell in row.cells])
        for row in found.rows
    ]


def _form(cell: FleetCell, kind: Result.Type, value: FleetValue | None) -> tuple[str, bool]:
    """Return the form that measures a value, and True if it deploys the model first."""
    served, artifact = cell.deployment, cell.artifact
    job = value.result.job if value is not None else None
    if value is not None and job is not None and value.result.deployment_id is None:
        return form_address(job), False
    if served is not None:
        if job is not None and job.host_id == served.host_id:
            return form_address(job, deployment=str(served.pk)), False
        query = urlencode({"host": served.host.name, "deployment": served.pk})
        return f"{reverse('launch-form', args=[_KINDS[kind]])}?{query}", False
    if artifact is not None:
        query = urlencode({"host": artifact.host.name, "artifact": artifact.pk})
        return f"{reverse('launch-form', args=[OnHost(artifact.host).server])}?{query}", True
    known = value or cell.speed or cell.accuracy
    if known is not None and known.result.deployment is not None:
        return form_address(known.result.deployment.job), True
    return "", False


def stale_text(stale: Stale, days: int) -> str:
    if stale.why == "age":
        text = ngettext("older than %(n)s day", "older than %(n)s days", days)
        return text % {"n": days}
    if stale.why == "driver":
        return _("driver was %(was)s, is %(now)s") % {"was": stale.was, "now": stale.now}
    if stale.why == "environment":
        return _("environment %(name)s was reinstalled") % {"name": stale.was}
    return _("image %(name)s was replaced") % {"name": stale.was}


urlpatterns: list[URLPattern] = [path("fleet/", fleet_page, name="result-fleet")]
