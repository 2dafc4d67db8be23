"""Parts that the page of a result and its report share: title, columns of points, charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from dashboard.charts import latency
from dashboard.charts.figures import Figure
from dashboard.charts.per_user import has_devices, per_device
from dashboard.charts.series import Series, throughput
from dashboard.text.formatting import number
from dashboard.text.labels import metric_label, metric_text
from jobs.metrics import METRICS
from jobs.models import Result
from jobs.queries.results.benchmark_curve import own_points, runs_of
from jobs.queries.results.conclusion import best_of
from jobs.queries.results.curve import RATE, CurvePoint
from jobs.queries.results.repeats import Spread
from jobs.queries.results.results import ResultPage
from jobs.statistics import mean, mean_interval

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


def page_title(page: ResultPage, points: Sequence[CurvePoint]) -> str:
    """Return the page title: deployment or model with its main metric.

    A rate is that of the best of ``points``, the mean over its runs: the one that the conclusion
    names.
    """
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
    if not points:
        return _("%(name)s: %(rate)s output") % {"name": name, "rate": _rate(rate)}
    best = best_of(points)
    if best is None:
        return _("%(name)s: too many requests failed") % {"name": name}
    values = {"name": name, "rate": _rate(best.rate), "concurrency": best.concurrency}
    runs = len(best.values(RATE))
    if runs > 1:
        text = _("%(name)s: %(rate)s output at concurrency %(concurrency)s, mean of %(runs)s runs")
        return text % {**values, "runs": runs}
    return _("%(name)s: %(rate)s output at concurrency %(concurrency)s") % values


def _rate(value: float) -> str:
    return " ".join(metric_text(RATE, value))


def peak(page: ResultPage, points: Sequence[CurvePoint]) -> Mapping[str, Any]:
    """Return the metrics of this run at the concurrency of the best point; of all requests those of
    the run."""
    best = best_of(points)
    own = (p.metrics for p in page.points if best and p.concurrency == best.concurrency)
    return {**page.result.metrics, **next(own, {})}


def point_columns(page: ResultPage) -> list[tuple[str, str]]:
    """Return the measured metrics of the points, each with its label."""
    result = page.result
    return [(name, _row_label(result, name)) for name in _POINT_COLUMNS if _has(page, name)]


def charts(page: ResultPage, drawn: Series, further: Sequence[Series] = ()) -> dict[str, Any]:
    """Return charts over concurrency; for one concurrency, tables instead of single dots.

    ``further``: other runs at other concurrencies, which stand apart.
    """
    families = [family for family in _wait_titles() if _has_family(page, family)]
    series = [drawn, *further]
    if len({concurrency for one in series for concurrency, _metrics in one.points}) == 1:
        tables = [(_wait_titles()[name], latency.statistics(name)) for name in families]
        return {"throughput": False, "waits": [], "wait_rows": tables}
    return {
        "throughput": _has(page, "output_tokens_per_s") and throughput(series),
        "waits": [
            (name, _wait_titles()[name], latency.percentiles(name, series)) for name in families
        ],
        "per_device": has_devices(series) and per_device(series),
    }


def spreads(points: Sequence[CurvePoint]) -> list[tuple[str, str, Figure, int]]:
    """Return the distributions of request times: name, title, figure, number of requests."""
    found = []
    for family, title in _wait_titles().items():
        times = latency.times_of(family, points) if family in latency.TIMES else []
        if times:
            drawn = latency.distribution(family, times)
            found.append((family, title, drawn, sum(len(one.values) for one in times)))
    return found


def repeated(page: ResultPage, points: Sequence[CurvePoint], metric: str) -> dict[str, Any]:
    """Return the mean of a metric over the runs of the best point; none with one run."""
    best, own = best_of(points), page.result.metrics.get(metric)
    same = (p.concurrency for p in page.points if p.metrics.get(metric) == own)
    at = best.concurrency if best else next(same, None)
    rows = (row for run in runs_of(page) for row in own_points(page, run) if row[0] == at)
    values = [float(metrics[metric]) for _at, metrics in rows if metric in metrics]
    found = None
    if len(values) > 1:
        found = Spread(len(values), mean(values), mean_interval(values))
    return {"spread": found, "spread_metric": metric, "spread_at": at}


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
