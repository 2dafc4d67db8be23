"""Pages about models."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from dashboard.rights import requires
from jobs.queries.models import model_page, model_rows


@require_GET
@requires("model.view")
def model_list(request: HttpRequest) -> HttpResponse:
    """The catalogue: what is prepared, compiled, served and measured of each model."""
    return render(request, "models/list.html", {"rows": model_rows()})


@require_GET
@requires("model.view")
def model_detail(request: HttpRequest, model_id: str) -> HttpResponse:
    """One model: weights and artifacts by host, deployments, results."""
    try:
        page = model_page(model_id)
    except KeyError as error:
        raise Http404(f"the catalogue has no {model_id}") from error
    return render(request, "models/detail.html", {"page": page, "model": page.row.model})


urlpatterns: list[URLPattern] = [
    path("", model_list, name="model-list"),
    path("<str:model_id>/", model_detail, name="model-detail"),
]
