"""Pages of all models: fleet, with speed and accuracy on each stack; trade-off of throughput,
interactivity and accuracy."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.charts import accuracy as chart
from dashboard.charts.figure_parts import Figure
from dashboard.charts.systems import HEIGHT, Named, pareto
from dashboard.pages.results.results import DAYS, asked, chips
from dashboard.pages.shared import units
from dashboard.pages.shared.failures import form_address
from dashboard.pages.shared.marks import NO_MARKS, Marks, all_flags, picture_lines
from dashboard.pages.shared.places import LANDING, LANDINGS, landing
from dashboard.security.permissions import allowed, requires
from dashboard.security.request import keep_choice
from dashboard.text.formatting import counted, day_text, measured
from dashboard.text.labels import limit_words, phrase, result_place
from jobs.base.numbers import number_from
from jobs.metrics import UNITS, Unit, rate_in
from jobs.models import Result
from jobs.queries.catalogue import OnHost
from jobs.queries.fleet import Fleet, FleetCell, FleetRow, FleetValue, Stale, fleet, whole_days
from jobs.queries.results.curve import RATE
from jobs.queries.results.listing import NONE, Filters, organised
from jobs.queries.results.provenance import counts, with_rates
from jobs.queries.results.systems import System, Systems, systems
from jobs.queries.results.tradeoff import Pair, Tradeoff, pairs, tradeoff

_KINDS = {Result.Type.BENCHMARK: "benchmark", Result.Type.EVALUATION: "evaluate"}


@requires("result.view", "GET")
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
        "rows": _rows(found, unit),
        "units": unit,
        "days": days,
        "day_choices": DAYS,
        "may_launch": allowed(request.user, "job.launch"),
    }
    return render(request, "results/fleet.html", context)


def _rows(found: Fleet, unit: units.Choice) -> list[tuple[FleetRow, list[list[dict[str, Any]]]]]:
    """Return the rows with speed and accuracy on each stack; an empty list: no such combination.
    ``at``: concurrency. ``about``: parallelism, workload and place. ``address``: form that measures
    the value; "" for a current value, or without a form. ``of``: value and model, for screen
    readers."""
    cells = (cell for row in found.rows for cell in row.cells)
    values = [value for cell in cells for value in (cell.speed, cell.accuracy) if value]
    added = organised([value.result for value in values], with_tags=False)
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


@requires("result.view", "GET")
def tradeoff_page(request: HttpRequest) -> HttpResponse:
    """Show the throughput of systems over their interactivity, and evaluations beside the fastest
    benchmark of their engine; ``?what=``: the questions. ``keep`` opens *Results* with this page,
    or with the list again."""
    if (view := request.GET.get("keep")) in LANDINGS:
        answer = redirect(view)
        keep_choice(answer, LANDING, view)
        return answer
    read = asked(request.GET)
    found = tradeoff(read.filters, request.GET.get("what", ""))
    compared, unit = _in_unit(read.filters, request.GET.get(units.PER, ""), found)
    names = _names(compared.rows, with_model=len(request.GET.getlist("model")) != 1)
    named = [(name, one, _tips(one)) for name, one in zip(names, compared.rows, strict=True)]
    kept = request.GET.copy()
    kept.pop("what", None)
    context = {
        "compared": compared,
        "named": named,
        "pareto": pareto(named, unit.word),
        "height": HEIGHT,
        "chosen_model": request.GET.get("model", ""),
        "best": _best(named),
        "pictured": picture_lines(one.result for one in compared.rows if one.best and one.result),
        "is_landing": landing(request) == "result-tradeoff",
        "found": found,
        "rows": [_pair(pair, unit) for pair in found.pairs],
        "figures": _figures(found, unit),
        "units": unit,
        "chosen": chips(request.GET, read),
        "kept": [(name, value) for name, values in kept.lists() for value in values],
    }
    return render(request, "results/tradeoff.html", context)


def _in_unit(filters: Filters, asked: str, found: Tradeoff) -> tuple[Systems, units.Choice]:
    """Return the systems in the unit that an address asks for, else per card, which engines of
    others have too; the total if none has cards."""
    default: Unit = "card"
    compared = systems(filters, rate_in(default))
    if not any(one.result for one in compared.rows):
        default = "total"
    unit = units.choice(asked or default, _benchmarks(found.pairs), default=default)
    return (compared if unit.unit == "card" else systems(filters, unit.rate)), unit


def _best(named: Sequence[Named]) -> dict[str, Any] | None:
    """Return the number of systems on a frontier, and of how many; of a single frontier also its
    two ends, each as (name, system, point). None without a frontier."""
    front = [(name, one, point) for name, one, _tips in named for point in one.best]
    works = {one.work for _name, one, _point in front}
    if not works:
        return None
    rivals = [one for _name, one, _tips in named if one.work in works]
    ends = {
        "most": max(front, key=lambda end: end[2].rate),
        "fastest": max(front, key=lambda end: end[2].per_user),
    }
    counts = {"count": sum(bool(one.best) for one in rivals), "of": len(rivals)}
    return counts | (ends if len(works) == 1 else {"works": len(works)})


def _names(found: Sequence[System], *, with_model: bool) -> list[str]:
    """Return short names of systems: what differs of precision, parallelism and workload, and the
    place."""
    parts = [
        (one.result.label, one.result.parallelism, one.result.what) if one.result else ("",) * 3
        for one in found
    ]
    differs = [len({part for part in column if part}) > 1 for column in zip(*parts, strict=True)]
    names = []
    for one, own in zip(found, parts, strict=True):
        words = [one.model_id] if with_model else []
        words += [phrase(part) for part, is_own in zip(own, differs, strict=True) if is_own]
        names.append(_(", ").join(filter(None, [*words, _place(one)])))
    return names


def _place(one: System) -> str:
    if one.result is None:
        published = one.published
        return f"{published.device}, {day_text(published.published_on)}" if published else ""
    return one.result.endpoint.name if one.result.endpoint else result_place(one.result)


def _tips(one: System) -> list[str]:
    """Return what the tooltip says of each point: concurrency, workload, date, flags."""
    if one.published or one.result is None:
        return [_("published")]
    result = one.result
    day = day_text(result.measured_at) if result.measured_at else ""
    about = [phrase(result.what), day, limit_words(result.limits)]
    at = _("concurrency %(n)s")
    return [
        _(", ").join(filter(None, [at % {"n": point.concurrency}, *about])) for point in one.points
    ]


@requires("result.view", "GET")
def paired_result(request: HttpRequest, result_id: int) -> HttpResponse:
    """Show the two measurements of a point, evaluation and benchmark, as a panel of the chart."""
    rows = Result.objects.select_related("host", "deployment", "endpoint", "imported")
    found = pairs(rows.filter(pk=result_id, type=Result.Type.EVALUATION))
    if not found:
        raise Http404("the result has no accuracy")
    speed = found[0].speed
    known = [(one, speed.metrics.get(rate_in(one))) for one in UNITS] if speed else []
    rates = [(units.word(one), measured(rate)) for one, rate in known if rate is not None]
    row = _pair(found[0], units.choice("", []))
    return render(request, "results/paired.html", {"row": row, "rates": rates})


def _benchmarks(found: Sequence[Pair]) -> list[Result]:
    return list(dict.fromkeys(pair.speed.benchmark for pair in found if pair.speed))


def _pair(pair: Pair, unit: units.Choice) -> dict[str, Any]:
    """Return a pair in words, "" where not known; ``pairing``: why both belong together."""
    speed = pair.speed
    rate = speed.metrics.get(unit.rate) if speed else None
    words = {
        "engine": _("same endpoint") if pair.origin == "external" else _("same deployment"),
        "identity": _("other deployment, equal settings"),
        "stated": _("same model and device, as stated"),
    }
    return {
        "pair": pair,
        "rate": "" if rate is None else measured(rate),
        "tokens": "" if pair.tokens is None else counted(pair.tokens),
        "pairing": words[speed.pairing] if speed else _("no benchmark of this engine"),
    }


def _figures(found: Tradeoff, unit: units.Choice) -> list[tuple[str, str, Figure]]:
    """Return (id, title, figure) of the charts that have points."""
    charts = (
        ("rate", _("Accuracy vs throughput, %(unit)s") % {"unit": unit.word}, unit.rate),
        ("tokens", _("Accuracy vs output tokens"), chart.TOKENS),
    )
    return [
        (f"tradeoff-{name}", title, chart.tradeoff(found.pairs, axis))
        for name, title, axis in charts
        if any(chart.value_of(pair, axis) is not None for pair in found.pairs)
    ]


urlpatterns: list[URLPattern] = [
    path("fleet/", fleet_page, name="result-fleet"),
    path("tradeoff/", tradeoff_page, name="result-tradeoff"),
    path("<result:result_id>/paired/", paired_result, name="result-paired"),
]
