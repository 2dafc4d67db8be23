"""History page: runs of one measurement over time, and what changed where the value moves."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from dashboard.charts import history as chart
from dashboard.pages.results.history_rows import history_csv, period_rows
from dashboard.pages.shared.marks import marks_of
from dashboard.security.permissions import requires
from jobs.base.numbers import number_from
from jobs.models import Result
from jobs.queries.comparison.history import MOST_RUNS, history


@require_GET
@requires("result.view")
def result_history(request: HttpRequest, result_id: int) -> HttpResponse:
    """Show the history of a result's measurement. ``?metric=`` and ``?concurrency=`` select the
    value, ``format=csv`` exports every run."""
    concurrency = number_from(request.GET.get("concurrency", ""))
    try:
        found = history(result_id, request.GET.get("metric", ""), concurrency)
    except Result.DoesNotExist as error:
        raise Http404("there is no such result") from error
    if request.GET.get("format") == "csv":
        return history_csv(found)
    query = f"metric={found.metric}"
    if found.concurrency is not None:
        query += f"&concurrency={found.concurrency}"
    context = {
        "history": found,
        "result": found.result,
        "rows": period_rows(found),
        "runs": sum(len(period.runs) for period in found.periods),
        "is_drawn": any(period.values for period in found.periods),
        "figure": chart.figure(found),
        "marks": marks_of([found.result]),
        "csv": f"?{query}&format=csv",
        "most": MOST_RUNS,
    }
    return render(request, "results/history.html", context)


urlpatterns: list[URLPattern] = [
    path("<result:result_id>/history/", result_history, name="result-history"),
]
