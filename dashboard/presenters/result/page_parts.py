"""Parts that the page of a result and its report share: title, columns of points, charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from dashboard.charts import per_device, percentiles, request_times, throughput
from dashboard.charts.figures import Figure
from dashboard.charts.series import Series
from dashboard.text.formatting import number
from dashboard.text.labels import metric_label, metric_text
from jobs.metrics import METRICS
from jobs.models import Result
from jobs.queries.results.curve import CurvePoint
from jobs.queries.results.repeats import spread
from jobs.queries.results.results import ResultPage

_POINT_COLUMNS = (
    *("output_tokens_per_s", "total_tokens_per_s", "requests_per_s"),
    *("ttft_p50_ms", "ttft_p90_ms", "ttft_p99_ms", "tpot_p50_ms", "tpot_p99_ms"),
    *("itl_p50_ms", "latency_p50_s", "latency_p99_s", "requests", "failed_requests"),
    *("input_tokens_mean", "output_tokens_mean"),
    *(name for name in METRICS if name.startswith("batch_latency_")),
    "iterations",
    *("engine_prefix_hits", "engine_kv_cache_peak", "engine_queue_mean_ms", "engine_preemptions"),
    *("power_mean_w", "energy_per_token_j"),
)


def page_title(page: ResultPage) -> str:
    """Return the page title: deployment or model with its main metric."""
    result = page.result
    name = result.measured
    if page.accuracy is not None:
        values = {
            "name": name,
            "right": int(result.metrics.get("correct", 0)),
            "questions": int(result.metrics["questions"]),
        }
        return _("%(name)s: %(right)s of %(questions)s questions correct") % values
    rate = result.metrics.get("output_tokens_per_s")
    seconds = result.metrics.get("batch_latency_mean_s")
    if rate is None and seconds is not None and page.points:
        number, unit = metric_text("batch_latency_mean_s", seconds)
        values = {"name": name, "n": page.points[0].concurrency, "time": f"{number} {unit}"}
        return _("%(name)s: batch of %(n)s in %(time)s") % values
    if rate is None:
        return _("%(name)s: measured") % {"name": name}
    number, unit = metric_text("output_tokens_per_s", rate)
    best = next((p for p in page.points if p.metrics.get("output_tokens_per_s") == rate), None)
    if best is None:
        return _("%(name)s: %(rate)s output") % {"name": name, "rate": f"{number} {unit}"}
    return _("%(name)s: %(rate)s output at concurrency %(concurrency)s") % {
        "name": name,
        "rate": f"{number} {unit}",
        "concurrency": best.concurrency,
    }


def point_columns(page: ResultPage) -> list[tuple[str, str]]:
    """Return the measured metrics of the points, each with its label."""
    result = page.result
    return [(name, _row_label(result, name)) for name in _POINT_COLUMNS if _has(page, name)]


def charts(page: ResultPage, drawn: Series) -> dict[str, Any]:
    """Return charts over concurrency; for one concurrency, tables instead of single dots."""
    families = [family for family in _wait_titles() if _has_family(page, family)]
    if len(drawn.points) == 1:
        tables = [(_wait_titles()[name], percentiles.statistics(name)) for name in families]
        return {"throughput": False, "waits": [], "wait_rows": tables}
    series = [drawn]
    return {
        "throughput": _has(page, "output_tokens_per_s") and throughput.figure(series),
        "waits": [
            (name, _wait_titles()[name], percentiles.figure(name, series)) for name in families
        ],
        "per_device": per_device.is_known(series) and per_device.figure(series),
    }


def spreads(points: Sequence[CurvePoint]) -> list[tuple[str, str, Figure, int]]:
    """Return the distributions of request times: name, title, figure, number of requests."""
    found = []
    for family, title in _wait_titles().items():
        times = request_times.times_of(family, points) if family in request_times.TIMES else []
        if times:
            drawn = request_times.figure(family, times)
            found.append((family, title, drawn, sum(len(one.values) for one in times)))
    return found


def repeated(page: ResultPage, metric: str) -> dict[str, Any]:
    """Return the mean of a metric over the repeats, at the concurrency of the best point."""
    best = page.result.metrics.get(metric)
    at = next((p.concurrency for p in page.points if p.metrics.get(metric) == best), None)
    repeats = spread(page.result, metric, at) if at is not None else None
    return {"spread": repeats, "spread_metric": metric, "spread_at": at}


def _row_label(result: Result, name: str) -> str:
    """Return the metric's label; for token lengths with the requested value."""
    asked = result.asked.get(name.removesuffix("_mean"))
    if asked is None or not name.endswith("_tokens_mean"):
        return metric_label(name)
    args = {"metric": metric_label(name), "asked": number(asked)}
    return _("%(metric)s (requested: %(asked)s)") % args


def _wait_titles() -> dict[str, str]:
    return {
        "ttft": _("Time to first token (TTFT)"),
        "tpot": _("Time per output token (TPOT)"),
        "itl": _("Inter-token latency (ITL)"),
        "latency": _("End-to-end latency"),
    }


def _has(page: ResultPage, metric: str) -> bool:
    return any(metric in point.metrics for point in page.points)


def _has_family(page: ResultPage, family: str) -> bool:
    """Return True when any percentile of the family was measured."""
    return any(_has(page, name) for name in METRICS if name.startswith(f"{family}_p"))
