"""Single requests of a benchmark as CSV, where its tool wrote them."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from dashboard.pages.results.request_export import requests_csv
from dashboard.security.permissions import requires
from jobs.models import Result


@require_GET
@requires("result.view")
def result_requests(request: HttpRequest, result_id: int) -> HttpResponse:
    """Export the completed requests of each concurrency with their times."""
    rows = Result.objects.select_related("host", "deployment", "endpoint", "created_by")
    try:
        return requests_csv(rows.get(pk=result_id))
    except Result.DoesNotExist as error:
        raise Http404("there is no such result") from error


urlpatterns: list[URLPattern] = [
    path("<result:result_id>/requests.csv", result_requests, name="result-requests"),
]
