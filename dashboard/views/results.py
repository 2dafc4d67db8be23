"""Pages about results."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from dashboard.rights import requires


@require_GET
@requires("result.view")
def result_list(request: HttpRequest) -> HttpResponse:
    """All results."""
    return HttpResponse()


@require_GET
@requires("result.view")
def result_detail(request: HttpRequest, result_id: int) -> HttpResponse:
    """One result."""
    return HttpResponse()


urlpatterns: list[URLPattern] = [
    path("", result_list, name="result-list"),
    path("<int:result_id>/", result_detail, name="result-detail"),
]
