"""Page of accuracy beside speed, and the panel of one of its points."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from dashboard.pages.results.facets import asked, chips
from dashboard.pages.results.tradeoff_rows import figures, pair_row
from dashboard.security.permissions import requires
from jobs.models import Result
from jobs.queries.results.tradeoff import pairs, tradeoff


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
        "rows": [pair_row(pair) for pair in found.pairs],
        "figures": figures(found),
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
    return render(request, "results/paired.html", {"row": pair_row(found[0])})


urlpatterns: list[URLPattern] = [
    path("tradeoff/", tradeoff_page, name="result-tradeoff"),
    path("<result:result_id>/paired/", paired_result, name="result-paired"),
]
