"""Curve of a result with its repeats as a series of charts."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.charts.series import Run, Series
from dashboard.text.labels import result_name
from jobs.models import Result
from jobs.queries.results.benchmark_curve import runs_of
from jobs.queries.results.curve import CurvePoint
from jobs.queries.results.devices import device_count
from jobs.queries.results.results import ResultPage, point_rows


def curve_series(page: ResultPage, points: Sequence[CurvePoint]) -> Series:
    """Return the means over the runs with their intervals, and the single runs as dots.

    Points without a limit of the concurrency have no curve: then only the result's own points.
    """
    result, runs = page.result, runs_of(page)
    own = [(point.concurrency, point.metrics) for point in page.points]
    devices = device_count(result)
    # A point opens the panel of this run; where only a repeat measured it, of that one.
    results = {c: run.pk for run in reversed(runs) for c, _metrics in point_rows(run)}
    if not points or any(not concurrency for concurrency, _metrics in own):
        return Series(result_name(result), own, results=results, devices=devices)
    names = [list(dict.fromkeys(name for run in point.runs for name in run)) for point in points]
    means = [
        (
            point.concurrency,
            {name: mean for name in known if (mean := point.mean(name)) is not None},
        )
        for point, known in zip(points, names, strict=True)
    ]
    intervals = {
        (point.concurrency, name): interval
        for point, known in zip(points, names, strict=True)
        for name in known
        if (interval := point.interval(name)) is not None
    }
    is_repeated = len(runs) > 1
    return Series(
        result_name(result) + (f" × {len(runs)}" if is_repeated else ""),
        means,
        intervals=intervals,
        results=results,
        runs=[_dots(run) for run in runs] if is_repeated else (),
        devices=devices,
    )


def _dots(run: Result) -> Run:
    return Run(result_name(run), point_rows(run), is_disturbed=False, result=run.pk)
