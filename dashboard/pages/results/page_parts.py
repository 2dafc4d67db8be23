"""Parts that the page of a result and its report share: title, series, tables, charts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from dashboard.charts import curves as lines
from dashboard.charts.curves import Run, Series, has_devices, per_device
from dashboard.charts.figure_parts import COLOURS, Figure
from dashboard.text.formatting import number
from dashboard.text.labels import metric_label, metric_text, point_marks, result_name
from jobs.metrics import METRICS
from jobs.models import Result
from jobs.queries.results.conclusion import best_of
from jobs.queries.results.curve import RATE, CurvePoint, further_points, own_points, runs_of
from jobs.queries.results.provenance import device_count
from jobs.queries.results.repeats import headline
from jobs.queries.results.results import Mean, ResultPage, mean_of, point_rows
from jobs.statistics import Interval

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


def marks_of_points(page: ResultPage) -> dict[int, tuple[str, ...]]:
    """Return what limits the numbers of the page, by concurrency."""
    return point_marks((run, own_points(page, run)) for run in runs_of(page))


class RepeatTable(NamedTuple):
    """``concurrencies`` are the columns, only None for an evaluation; ``means`` are over the
    undisturbed runs."""

    metric: str
    concurrencies: Sequence[int | None]
    rows: Sequence[tuple[Result, Sequence[float | None], bool]]
    means: Sequence[Mean]


def repeat_table(page: ResultPage) -> RepeatTable | None:
    """Return the table, None without repeats. The result itself is the first row."""
    if not page.repeats:
        return None
    metric = headline(page.result.type, page.result.metrics)
    columns: list[tuple[Result, dict[int | None, Any]]] = []
    for run in (page.result, *page.repeats):
        points: Sequence[tuple[int | None, Mapping[str, Any]]] = point_rows(run)
        if run.type == Result.Type.EVALUATION:
            points = [(None, run.metrics)]
        columns.append((run, {at: metrics[metric] for at, metrics in points if metric in metrics}))
    (_own, first), *others = columns
    shared = [at for at in first if any(at in values for _run, values in others)]
    rows = [(run, [values.get(at) for at in shared], run is page.result) for run, values in columns]
    counted = [values for run, values in columns if run.counts]
    means = [
        mean_of(page.result, metric, [values[at] for values in counted if at in values])
        for at in shared
    ]
    return RepeatTable(metric, shared, rows, means)


def page_title(page: ResultPage, points: Sequence[CurvePoint]) -> str:
    """Return deployment or model with its main metric; a rate is the best mean of ``points``."""
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
    """Return the metrics of this run at the best concurrency; of all requests those of the run."""
    best = best_of(points)
    own = (p.metrics for p in page.points if best and p.concurrency == best.concurrency)
    return {**page.result.metrics, **next(own, {})}


def point_columns(page: ResultPage) -> list[tuple[str, str]]:
    columns = []
    for name in _POINT_COLUMNS:
        label, asked = metric_label(name), page.result.asked.get(name.removesuffix("_mean"))
        if asked is not None and name.endswith("_tokens_mean"):
            args = {"metric": label, "asked": number(asked)}
            label = _("%(metric)s (requested: %(asked)s)") % args
        if _has(page, name):
            columns.append((name, label))
    return columns


def charts(
    page: ResultPage, points: Sequence[CurvePoint], *, has_others: bool = False
) -> dict[str, Any]:
    """Return charts over concurrency; for one concurrency tables. ``has_others``: with the latest
    other runs at other concurrencies, a series a run, one a colour."""
    waits = {
        family: title
        for family, title in _wait_titles().items()
        if any(name.startswith(f"{family}_p") and _has(page, name) for name in METRICS)
    }
    devices = device_count(page.result)  # a part of the identity
    series = [_curve(page, points)]
    for run, rows in further_points(page)[: len(COLOURS) - 1] if has_others else ():
        results, marks = {at: run.pk for at, _metrics in rows}, point_marks([(run, rows)])
        name = result_name(run)
        series.append(Series(name, rows, results=results, marks=marks, devices=devices))
    if len({concurrency for one in series for concurrency, _metrics in one.points}) == 1:
        tables = [(title, lines.statistics(name)) for name, title in waits.items()]
        return {"throughput": False, "waits": [], "wait_rows": tables}
    return {
        "throughput": _has(page, RATE) and lines.throughput(series),
        "waits": [(name, title, lines.percentiles(name, series)) for name, title in waits.items()],
        "per_device": has_devices(series) and per_device(series),
    }


def _curve(page: ResultPage, points: Sequence[CurvePoint]) -> Series:
    """Return means with their intervals, and single runs as dots; without a limit of the
    concurrency only the result's own points."""
    own, runs = [(point.concurrency, point.metrics) for point in page.points], runs_of(page)
    more: dict[str, Any] = {
        "results": {concurrency: page.result.pk for concurrency, _metrics in own},
        "marks": marks_of_points(page),
        "devices": device_count(page.result),
    }
    name = result_name(page.result)
    if not points or any(not concurrency for concurrency, _metrics in own):
        return Series(name, own, **more)
    means: list[tuple[int, dict[str, float]]] = []
    intervals: dict[tuple[int, str], Interval] = {}
    for point in points:
        names = list(dict.fromkeys(name for run in point.runs for name in run))
        values = {name: mean for name in names if (mean := point.mean(name)) is not None}
        means.append((point.concurrency, values))
        for metric in names:
            if (interval := point.interval(metric)) is not None:
                intervals[point.concurrency, metric] = interval
    if len(runs) > 1:
        name += f" × {len(runs)}"
        more["runs"] = [
            Run(result_name(run), own_points(page, run), is_disturbed=False, result=run.pk)
            for run in runs
        ]
    return Series(name, means, intervals=intervals, **more)


def spreads(points: Sequence[CurvePoint]) -> list[tuple[str, str, Figure, int]]:
    """Return the distributions of request times: name, title, figure, number of requests."""
    found = []
    for family, title in _wait_titles().items():
        times = lines.times_of(family, points) if family in lines.TIMES else []
        if times:
            drawn = lines.distribution(family, times)
            found.append((family, title, drawn, sum(len(one.values) for one in times)))
    return found


def repeated(page: ResultPage, points: Sequence[CurvePoint], metric: str) -> dict[str, Any]:
    """Return the mean of a metric over the runs of the best point; none with one run."""
    best, own = best_of(points), page.result.metrics.get(metric)
    same = (p.concurrency for p in page.points if p.metrics.get(metric) == own)
    at = best.concurrency if best else next(same, None)
    rows = (row for run in runs_of(page) for row in own_points(page, run) if row[0] == at)
    found = mean_of(page.result, metric, [float(row[metric]) for _at, row in rows if metric in row])
    spread = found if found.runs > 1 else None
    return {"spread": spread, "spread_metric": metric, "spread_at": at}


def _wait_titles() -> dict[str, str]:
    return {
        "ttft": _("Time to first token (TTFT)"),
        "tpot": _("Time per output token (TPOT)"),
        "itl": _("Inter-token latency (ITL)"),
        "latency": _("End-to-end latency"),
    }


def _has(page: ResultPage, metric: str) -> bool:
    return any(metric in point.metrics for point in page.points)
