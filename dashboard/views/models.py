"""Pages about models."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from dashboard.rights import requires


@require_GET
@requires("model.view")
def model_list(request: HttpRequest) -> HttpResponse:
    """The catalogue."""
    return HttpResponse()


@require_GET
@requires("model.view")
def model_detail(request: HttpRequest, model_id: str) -> HttpResponse:
    """One model."""
    return HttpResponse()


urlpatterns: list[URLPattern] = [
    path("", model_list, name="model-list"),
    path("<str:model_id>/", model_detail, name="model-detail"),
]
