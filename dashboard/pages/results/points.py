"""Page of one point of a benchmark, which charts show as a panel."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from dashboard.pages.results.point import environment_rows, point_command, point_rows
from dashboard.security.permissions import requires
from jobs.models import Result
from jobs.queries.results.points import point_page


@require_GET
@requires("result.view")
def result_point(request: HttpRequest, result_id: int, concurrency: int) -> HttpResponse:
    """Show a point: numbers with intervals, command, environment, links to job, log and result."""
    try:
        page = point_page(result_id, concurrency)
    except Result.DoesNotExist as error:
        raise Http404(f"the result has no point at {concurrency}") from error
    context = {
        "page": page,
        "result": page.result,
        "concurrency": concurrency,
        "rows": point_rows(page),
        "command": point_command(page),
        "environment": environment_rows(page.result),
    }
    return render(request, "results/point.html", context)


urlpatterns: list[URLPattern] = [
    path("<result:result_id>/points/<int:concurrency>/", result_point, name="result-point"),
]
