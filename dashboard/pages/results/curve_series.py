"""Curve of a result with its repeats, and points of other runs, as series of charts."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.charts.figures import COLOURS
from dashboard.charts.series import Run, Series
from dashboard.text.labels import point_marks, result_name
from jobs.models import Result
from jobs.queries.results.benchmark_curve import further_points, own_points, runs_of
from jobs.queries.results.curve import CurvePoint
from jobs.queries.results.devices import device_count
from jobs.queries.results.results import ResultPage


def curve_series(page: ResultPage, points: Sequence[CurvePoint]) -> Series:
    """Return the means over the runs with their intervals, and the single runs as dots.

    Points without a limit of the concurrency have no curve: then only the result's own points.
    """
    result, runs = page.result, runs_of(page)
    own = [(point.concurrency, point.metrics) for point in page.points]
    devices = device_count(result)
    results = {concurrency: result.pk for concurrency, _metrics in own}
    marks = marks_of_points(page)
    if not points or any(not concurrency for concurrency, _metrics in own):
        return Series(result_name(result), own, results=results, marks=marks, devices=devices)
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
        marks=marks,
        runs=[_dots(page, run) for run in runs] if is_repeated else (),
        devices=devices,
    )


def marks_of_points(page: ResultPage) -> dict[int, tuple[str, ...]]:
    """Return what limits the numbers of the page, by concurrency."""
    return point_marks((run, own_points(page, run)) for run in runs_of(page))


def further_series(page: ResultPage) -> list[Series]:
    """Return the points of other runs at concurrencies that this result did not measure, a series a
    run: the latest, as many as there are colours."""
    return [
        Series(
            result_name(run),
            points,
            results={concurrency: run.pk for concurrency, _metrics in points},
            marks=point_marks([(run, points)]),
            devices=device_count(page.result),  # a part of the identity
        )
        for run, points in further_points(page)[: len(COLOURS) - 1]
    ]


def _dots(page: ResultPage, run: Result) -> Run:
    return Run(result_name(run), own_points(page, run), is_disturbed=False, result=run.pk)
