"""Page of accuracy beside speed, and the panel of one of its points."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from dashboard.charts import tradeoff as chart
from dashboard.charts.figures import Figure
from dashboard.pages.results.facets import asked, chips
from dashboard.security.permissions import requires
from dashboard.text.formatting import counted, measured
from jobs.models import Result
from jobs.queries.results.tradeoff import Pair, Tradeoff, pairs, tradeoff


@require_GET
@requires("result.view")
def tradeoff_page(request: HttpRequest) -> HttpResponse:
    """Show evaluations beside the fastest benchmark of their engine.

    The filters are those of the list of results; ``?what=`` selects the questions.
    """
    read = asked(request.GET)
    found = tradeoff(read.filters, request.GET.get("what", ""))
    kept = request.GET.copy()
    kept.pop("what", None)
    context = {
        "found": found,
        "rows": [_row(pair) for pair in found.pairs],
        "figures": _figures(found),
        "chosen": chips(request.GET, read),
        "kept": [(name, value) for name, values in kept.lists() for value in values],
    }
    return render(request, "results/tradeoff.html", context)


@require_GET
@requires("result.view")
def paired_result(request: HttpRequest, result_id: int) -> HttpResponse:
    """Show the two measurements of a point: evaluation and benchmark."""
    rows = Result.objects.select_related("host", "deployment", "endpoint", "imported")
    found = pairs(rows.filter(pk=result_id, type=Result.Type.EVALUATION))
    if not found:
        raise Http404("the result has no accuracy")
    return render(request, "results/paired.html", {"row": _row(found[0])})


def _row(pair: Pair) -> dict[str, Any]:
    """Return a pair in words, "" where not known; ``pairing``: why both belong together."""
    speed = pair.speed
    each = speed.per_device if speed else None
    words = {
        "engine": _("same endpoint") if pair.origin == "external" else _("same deployment"),
        "identity": _("other deployment, equal settings"),
        "stated": _("same model and device, as stated"),
    }
    return {
        "pair": pair,
        "per_device": "" if each is None else measured(each),
        "rate": measured(speed.rate) if speed else "",
        "tokens": "" if pair.tokens is None else counted(pair.tokens),
        "pairing": words[speed.pairing] if speed else _("no benchmark of this engine"),
    }


def _figures(found: Tradeoff) -> list[tuple[str, str, Figure]]:
    """Return (id, title, figure) of the charts that add points."""
    titles = {
        "per_device": _("Accuracy vs throughput per device"),
        "rate": _("Accuracy vs throughput"),
        "tokens": _("Accuracy vs output tokens"),
    }
    drawn = {
        axis: sum(chart.value_of(pair, axis) is not None for pair in found.pairs) for axis in titles
    }
    if drawn["rate"] == drawn["per_device"]:
        drawn["rate"] = 0
    return [
        (f"tradeoff-{axis}", title, chart.tradeoff(found.pairs, axis))
        for axis, title in titles.items()
        if drawn[axis]
    ]


urlpatterns: list[URLPattern] = [
    path("tradeoff/", tradeoff_page, name="result-tradeoff"),
    path("<result:result_id>/paired/", paired_result, name="result-paired"),
]
