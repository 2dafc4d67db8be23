"""Page of one point of a benchmark, which charts show as a panel."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from dashboard.pages.results.page_parts import short_part
from dashboard.pages.shared.provenance import part_title
from dashboard.security.permissions import requires
from dashboard.text.labels import metric_label, metric_text
from jobs.models import Result
from jobs.plans import step_script
from jobs.queries.results.curve import PointPage, point_page

_SHOWN = (
    *("output_tokens_per_s", "total_tokens_per_s", "requests_per_s"),
    *("ttft_p50_ms", "ttft_p90_ms", "ttft_p99_ms", "tpot_p50_ms", "tpot_p90_ms", "tpot_p99_ms"),
    *("itl_p50_ms", "itl_p99_ms", "latency_p50_s", "latency_p99_s"),
    *("batch_latency_mean_s", "energy_per_token_j", "requests", "failed_requests"),
)
_GROUPS = ("measurement", "model", "engine", "host")
_LONGEST = 80


@require_GET
@requires("result.view")
def result_point(request: HttpRequest, result_id: int, concurrency: int) -> HttpResponse:
    """Show a point: numbers with intervals, command, environment, links to job, log and result."""
    try:
        page = point_page(result_id, concurrency)
    except Result.DoesNotExist as error:
        raise Http404(f"the result has no point at {concurrency}") from error
    result, step = page.result, page.step
    names = [name for name in _SHOWN if page.own.mean(name) is not None]
    context = {
        "page": page,
        "result": result,
        "concurrency": concurrency,
        "rows": [_row(page, name) for name in names],
        "command": step_script(step, result.job.values or {}) if step and result.job else "",
        "environment": [
            (part_title(name), None if value is None else short_part(name, value, _LONGEST))
            for group in _GROUPS
            for name, value in result.parts.get(group, {}).items()
        ],
    }
    return render(request, "results/point.html", context)


def _row(page: PointPage, name: str) -> dict[str, Any]:
    """Return a metric: value of this run, mean over the runs, 95 % interval; "" without one. With
    one run, a percentile has the interval of its requests."""
    own, mean = (
        "" if value is None else " ".join(filter(None, metric_text(name, value)))
        for value in (page.own.mean(name), page.all_runs.mean(name))
    )
    found, interval = page.all_runs.interval(name), ""
    if found is not None:
        low, high = (metric_text(name, bound)[0] for bound in (found.low, found.high))
        interval = f"[{low}, {high}]"
    return {"label": metric_label(name), "own": own, "mean": mean, "interval": interval}


urlpatterns: list[URLPattern] = [
    path("<result:result_id>/points/<int:concurrency>/", result_point, name="result-point"),
]
