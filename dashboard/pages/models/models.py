"""Pages about models."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from dashboard.pages.models.model_fit import TOKENS, fit_rows
from dashboard.pages.results.published import row_of
from dashboard.security.permissions import allowed, requires
from jobs.catalog import MODELS
from jobs.launch.pipelines import pipelines_of
from jobs.queries.models import model_page, model_rows
from jobs.queries.results.published import published_comparisons


@require_GET
@requires("model.view")
def model_list(request: HttpRequest) -> HttpResponse:
    """The catalogue: what is prepared, compiled, served and measured of each model."""
    context = {
        "rows": model_rows(),
        "problems": MODELS.problems,
        "may_change": allowed(request.user, "model.change"),
    }
    return render(request, "models/list.html", context)


@require_GET
@requires("model.view")
def model_detail(request: HttpRequest, model_id: str) -> HttpResponse:
    """One model: weights and artifacts by host, deployments, results."""
    try:
        page = model_page(model_id)
    except KeyError as error:
        raise Http404(f"the catalogue has no {model_id}") from error
    model = page.row.model
    context = {
        "page": page,
        "model": model,
        "pipelines": pipelines_of(model),
        "fits": fit_rows(model) if model.package is None else [],
        "fit_tokens": TOKENS,
        "fits_word": _("fits"),
        "fits_not_word": _("does not fit"),
        "is_added": MODELS.is_added(model_id),
        "may_change": allowed(request.user, "model.change"),
        "published": [row_of(comparison) for comparison in published_comparisons(model)],
    }
    return render(request, "models/detail.html", context)


urlpatterns: list[URLPattern] = [
    path("", model_list, name="model-list"),
    path("<str:model_id>/", model_detail, name="model-detail"),
]
