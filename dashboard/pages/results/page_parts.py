"""Parts that the page of a result and its report share: title, series, tables, charts."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.charts import curves as lines
from dashboard.charts.curves import CurveRun, Series
from dashboard.charts.figure_parts import COLOURS
from dashboard.pages.shared.comparison import BATCH, Chart
from dashboard.pages.shared.words import bounds_text
from dashboard.text.formatting import number, percent
from dashboard.text.labels import limit_words, metric_text, point_marks, result_name
from jobs.metrics import METRICS
from jobs.queries.results.conclusion import best_of
from jobs.queries.results.curve import RATE, CurvePoint, further_points, own_points, runs_of
from jobs.queries.results.provenance import counts, with_rates
from jobs.queries.results.results import ResultPage
from jobs.statistics import Interval

_TALL = 280  # pixels


def marks_of_points(page: ResultPage) -> dict[int, tuple[str, ...]]:
    """Return what limits the numbers of the page, by concurrency."""
    return point_marks((run, own_points(page, run)) for run in runs_of(page))


def page_title(page: ResultPage, points: Sequence[CurvePoint], in_unit: str = RATE) -> str:
    """Return model and main metric; a rate is the best mean of ``points``. Numbers that may not be
    quoted begin with the reason. ``in_unit``: the output rate in a unit, where it is known."""
    result, said = page.result, _said(page, points, in_unit)
    name = result.model_id or result.measured
    if not result.limits:
        return f"{name}{_(': ')}{said}"
    limits = limit_words(result.limits)
    return f"{limits[0].upper()}{limits[1:]}{_(': ')}{name}{_(', ')}{said}"


def _said(page: ResultPage, points: Sequence[CurvePoint], in_unit: str) -> str:
    result = page.result
    if page.accuracy is not None:
        values = {
            "share": percent(result.metrics.get("accuracy", page.accuracy.value)),
            "interval": bounds_text(page.accuracy),
            "right": int(result.metrics.get("correct", 0)),
            "questions": int(result.metrics["questions"]),
        }
        text = _("accuracy %(share)s %% %(interval)s, %(right)s of %(questions)s correct")
        return text % values
    known = with_rates(result.metrics, counts(result))
    chosen = in_unit if in_unit in known else RATE
    rate = known.get(chosen)
    seconds = result.metrics.get("batch_latency_mean_s")
    if rate is None and seconds is not None and page.points:
        time = _rate("batch_latency_mean_s", seconds)
        return _("batch of %(n)s in %(time)s") % {"n": page.points[0].concurrency, "time": time}
    if rate is None:
        return _("measured")
    if not points:
        values = {"rate": _rate(chosen, rate)}
        if asked := result.metrics.get("request_rate"):
            return _("%(rate)s output at %(asked)s req/s") % {**values, "asked": f"{asked:g}"}
        return _("%(rate)s output") % values
    best = best_of(points)
    if best is None:
        return _("too many requests failed")
    mean = best.mean(chosen) or 0.0
    values = {"rate": _rate(chosen, mean), "concurrency": best.concurrency}
    runs = len(best.values(chosen))
    if runs > 1:
        text = _("%(rate)s output at concurrency %(concurrency)s, mean of %(runs)s runs")
        return text % {**values, "runs": runs}
    return _("%(rate)s output at concurrency %(concurrency)s") % values


def _rate(name: str, value: float) -> str:
    return " ".join(metric_text(name, value))


def main_point(page: ResultPage, points: Sequence[CurvePoint]) -> CurvePoint:
    """Return the point that stands for the result: the best of ``points``, else that of its own
    metrics, over its runs. Results without points have one of their metrics, at 0."""
    best = best_of(points)
    if best is not None:
        return best
    metrics = with_rates(page.result.metrics, counts(page.result))
    name = BATCH if BATCH in metrics else RATE
    own = (one.concurrency for one in page.points if one.metrics.get(name) == metrics.get(name))
    at = next(own, None)
    rows = [row for run in runs_of(page) for c, row in own_points(page, run) if c == at]
    return CurvePoint(at or 0, rows or [metrics])


def charts(
    page: ResultPage, points: Sequence[CurvePoint], rate: str = RATE, *, has_others: bool = False
) -> list[Chart]:
    """Return charts over concurrency, the most telling first; none for one concurrency. ``rate``:
    the output rate in a unit. ``has_others``: with the latest other runs at other concurrencies, a
    series a run, one a colour."""
    series = [_curve(page, points)]
    for run, rows in further_points(page)[: len(COLOURS) - 1] if has_others else ():
        results, marks = {at: run.pk for at, _metrics in rows}, point_marks([(run, rows)])
        name = result_name(run)
        series.append(Series(name, rows, results=results, marks=marks))
    if len({concurrency for one in series for concurrency, _metrics in one.points}) < 2:
        return []
    found, unit = [], {"unit": metric_text(rate, 0.5)[1]}
    has_rate = lines.measured(series, rate)
    if has_rate:
        label = _("Output in %(unit)s vs concurrency") % unit
        figure = lines.throughput(series, rate)
        found.append(Chart("throughput", _("Throughput vs concurrency"), figure, label))
    shares = _("● p50, ✚ p90, ✖ p99") if len(series) == 1 else _("● p50, ✖ p99")
    for name, title in wait_titles(page, drawn=True).items():
        found.append(Chart(name, title, lines.percentiles(name, series), title, shares))
    if has_rate and _has(page, "tpot_p50_ms"):
        label = _("Output in %(unit)s vs tok/s per user") % unit
        several = len(series) > 1
        figure = lines.interactivity(series, rate, has_frontier=several)
        note = lines.interactivity_note(has_frontier=several)
        found.append(Chart("interactivity", _("Throughput vs interactivity"), figure, label, note))
    return found


def _curve(page: ResultPage, points: Sequence[CurvePoint]) -> Series:
    """Return means with their intervals, and single runs as dots; without a limit of the
    concurrency only the result's own points."""
    own, runs = [(point.concurrency, point.metrics) for point in page.points], runs_of(page)
    more: dict[str, Any] = {
        "results": {concurrency: page.result.pk for concurrency, _metrics in own},
        "marks": marks_of_points(page),
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
            CurveRun(result_name(run), own_points(page, run), is_disturbed=False, result=run.pk)
            for run in runs
        ]
    return Series(name, means, intervals=intervals, **more)


def spreads(page: ResultPage, points: Sequence[CurvePoint]) -> list[Chart]:
    """Return the distributions of request times."""
    found = []
    for family, title in _wait_titles().items():
        times = lines.times_of(family, points) if family in lines.TIMES else []
        if times:
            drawn, n = lines.distribution(family, times), sum(len(one.values) for one in times)
            shown = ngettext(
                "%(n)s request; marks: p50, p90, p99", "%(n)s requests; marks: p50, p90, p99", n
            )
            title = _("%(title)s of single requests") % {"title": title}
            caption = shown % {"n": number(n)}
            if page.result.incomplete:
                caption += _(", ") + _("failed ones left out")
            found.append(Chart(f"spread-{family}", title, drawn, title, caption, _TALL))
    return found


def wait_titles(page: ResultPage, *, drawn: bool = False) -> dict[str, str]:
    """Return the titles of measured latencies, by family. ``drawn``: of those with a percentile."""
    part = "_p" if drawn else "_"
    return {
        family: title
        for family, title in _wait_titles().items()
        if any(name.startswith(family + part) and _has(page, name) for name in METRICS)
    }


def _wait_titles() -> dict[str, str]:
    return {
        "ttft": _("Time to first token (TTFT)"),
        "tpot": _("Time per output token (TPOT)"),
        "itl": _("Inter-token latency (ITL)"),
        "latency": _("End-to-end latency"),
    }


def _has(page: ResultPage, metric: str) -> bool:
    return any(metric in point.metrics for point in page.points)
