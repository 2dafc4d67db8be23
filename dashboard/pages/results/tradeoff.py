"""Trade-off: throughput of systems over their interactivity; accuracy beside speed."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.charts import accuracy as chart
from dashboard.charts.figure_parts import Figure
from dashboard.charts.systems import HEIGHT, Named, pareto
from dashboard.pages.results.fleet import ready_form
from dashboard.pages.results.results import asked, chips
from dashboard.pages.shared import units
from dashboard.pages.shared.marks import picture_lines
from dashboard.pages.shared.places import LANDING, LANDINGS, landing
from dashboard.security.permissions import requires
from dashboard.security.request import keep_choice
from dashboard.text.formatting import counted, day_text, measured
from dashboard.text.labels import limit_words, phrase, result_place
from jobs.metrics import UNITS, Unit, rate_in
from jobs.models import Result
from jobs.queries.results.systems import System, Systems, systems
from jobs.queries.results.tradeoff import EvaluationPair, Tradeoff, pairs, tradeoff

_MOST_LINES = 16  # of a saved picture


@requires("result.view", "GET")
@partial(units.with_unit, default=None)
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
    compared = systems(read.filters, units.asked(request.GET.get(units.PER, "")))
    paired = dict.fromkeys(pair.speed.benchmark for pair in found.pairs if pair.speed)
    unit = units.choice(compared.unit, paired, default=compared.default)
    names = system_names(compared.rows, with_model=len(request.GET.getlist("model")) != 1)
    named = [(name, one, _tips(one)) for name, one in zip(names, compared.rows, strict=True)]
    kept = request.GET.copy()
    kept.pop("what", None)
    context = {
        "compared": compared,
        "named": named,
        "pareto": _pictured(pareto(named, unit.word), _of_systems(compared.rows)),
        "height": HEIGHT,
        "chosen_model": request.GET.get("model", ""),
        "best": _best(named),
        "missing": _missing(compared, unit),
        "ready_form": "" if compared.rows and _best(named) else ready_form(),
        "is_landing": landing(request) == "result-tradeoff",
        "found": found,
        "rows": [_pair(pair, unit) for pair in found.pairs],
        "figures": _figures(found, unit),
        "units": unit,
        "chosen": chips(request.GET, read),
        "kept": [(name, value) for name, values in kept.lists() for value in values],
    }
    return render(request, "results/tradeoff.html", context)


def _missing(found: Systems, unit: units.ChosenUnit) -> str:
    """Return why systems are not drawn: "4 without a known tok/s per card, 1 without TPOT"."""
    older = found.left_out - found.without_rate - found.without_tpot
    counted = (
        (_("%(n)s without a known %(unit)s"), found.without_rate),
        (_("%(n)s without TPOT"), found.without_tpot),
        (_("%(n)s older"), older),
    )
    return _(", ").join(text % {"n": n, "unit": unit.word} for text, n in counted if n)


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


def system_names(found: Sequence[System], *, with_model: bool) -> list[str]:
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
        return f"{published.device}, {day_text(published.measured_on)}" if published else ""
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
    found = pair_of(result_id)
    rates = [(units.word(one), measured(rate)) for one, rate in rates_of(found).items()]
    row = _pair(found, units.choice("", []))
    return render(request, "results/paired.html", {"row": row, "rates": rates})


def pair_of(result_id: int) -> EvaluationPair:
    """Return an evaluation with its benchmark. Raises ``Http404``: the result has no accuracy."""
    rows = Result.objects.select_related("host", "deployment", "endpoint", "imported")
    found = pairs(rows.filter(pk=result_id, type=Result.Type.EVALUATION))
    if not found:
        raise Http404("the result has no accuracy")
    return found[0]


def rates_of(pair: EvaluationPair) -> dict[Unit, float]:
    """Return the output rate of a pair's benchmark in each known unit."""
    known = pair.speed.metrics if pair.speed else {}
    rates = {unit: known.get(rate_in(unit)) for unit in UNITS}
    return {unit: rate for unit, rate in rates.items() if rate is not None}


def _of_systems(rows: Sequence[System]) -> list[str]:
    """Return what a saved picture says of each system, those on a frontier first."""
    ordered = sorted(rows, key=lambda one: not one.best)
    lines = picture_lines(one.result for one in ordered if one.result)
    published = [(one.model_id, one.published) for one in ordered if one.published]
    return lines + [
        _(", ").join((model, row.device, _("published"), day_text(row.measured_on), row.source))
        for model, row in published
    ]


def _pictured(figure: Figure, lines: Sequence[str]) -> Figure:
    """Return a figure with the lines of its saved picture: each chart of the page has its own."""
    shown, more = lines[:_MOST_LINES], len(lines) - _MOST_LINES
    if more > 0:
        text = ngettext("%(n)s more: see the address", "%(n)s more: see the address", more)
        shown = [*shown, text % {"n": more}]
    meta = {**figure.layout.get("meta", {}), "pictured": shown}
    return replace(figure, layout={**figure.layout, "meta": meta})


def _pair(pair: EvaluationPair, unit: units.ChosenUnit) -> dict[str, Any]:
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


def _figures(found: Tradeoff, unit: units.ChosenUnit) -> list[tuple[str, str, Figure]]:
    """Return (id, title, figure) of the charts that have points."""
    both = ((pair.evaluation, pair.speed.benchmark if pair.speed else None) for pair in found.pairs)
    lines = picture_lines(dict.fromkeys(one for pair in both for one in pair if one))
    charts = (
        ("rate", _("Accuracy vs throughput, %(unit)s") % {"unit": unit.word}, unit.rate),
        ("tokens", _("Accuracy vs output tokens"), chart.TOKENS),
    )
    return [
        (f"tradeoff-{name}", title, _pictured(chart.tradeoff(found.pairs, axis), lines))
        for name, title, axis in charts
        if any(chart.value_of(pair, axis) is not None for pair in found.pairs)
    ]


urlpatterns: list[URLPattern] = [
    path("tradeoff/", tradeoff_page, name="result-tradeoff"),
    path("<result:result_id>/paired/", paired_result, name="result-paired"),
]
