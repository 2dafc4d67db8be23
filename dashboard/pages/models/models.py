"""Pages about models: the catalogue, and one model with its memory per die."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from dashboard.pages.results.published import row_of
from dashboard.security.permissions import allowed, requires
from dashboard.text.formatting import number
from jobs.catalog import MODELS, ZooModel
from jobs.catalog.limits import Fit, fits
from jobs.launch.pipelines import pipelines_of
from jobs.queries.models import model_page, model_rows
from jobs.queries.results.published import published_comparisons

_TOKENS = 32768  # in the KV cache
_TPS = (1, 2, 4, 8, 16, 32)


@requires("model.view", "GET")
def model_list(request: HttpRequest) -> HttpResponse:
    context = {
        "rows": model_rows(),
        "problems": MODELS.problems,
        "may_change": allowed(request.user, "model.change"),
    }
    return render(request, "models/list.html", context)


@requires("model.view", "GET")
def model_detail(request: HttpRequest, model_id: str) -> HttpResponse:
    try:
        page = model_page(model_id)
    except KeyError as error:
        raise Http404(f"the catalogue has no {model_id}") from error
    model = page.row.model
    context = {
        "page": page,
        "model": model,
        "pipelines": pipelines_of(model),
        "fits": _fits(model) if model.package is None else [],
        "fit_tokens": _TOKENS,
        "fits_word": _("fits"),
        "fits_not_word": _("does not fit"),
        "is_added": MODELS.is_added(model_id),
        "may_change": allowed(request.user, "model.change"),
        "published": [row_of(comparison) for comparison in published_comparisons(model)],
    }
    return render(request, "models/detail.html", context)


def _fits(model: ZooModel) -> list[tuple[Fit, str, str, str]]:
    """Return every precision of a deployment path at each tp there, with GB of one die: weights,
    KV cache, free."""
    found: dict[tuple[str, int], Fit] = {}
    for way in model.paths.values():
        offered = [tp for tp in _TPS if tp in way.tp]
        for fit in fits(model, tokens=_TOKENS, tps=offered, precisions=list(way.precisions)):
            found.setdefault((fit.precision, fit.tp), fit)

    def gb(count: int) -> str:
        return number(count / 1e9, 1)

    return [
        (fit, gb(fit.weights_bytes), gb(fit.kv_bytes), gb(fit.free_bytes)) for fit in found.values()
    ]


urlpatterns: list[URLPattern] = [
    path("", model_list, name="model-list"),
    path("<str:model_id>/", model_detail, name="model-detail"),
]
