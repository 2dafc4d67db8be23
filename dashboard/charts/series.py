"""Results in charts: one colour, dash and symbol per page; their rates over concurrency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.charts.figures import (
    COLOURS,
    DASHES,
    POINT,
    SYMBOLS,
    Figure,
    axis,
    bars,
    layout,
    margins,
    note,
)
from jobs.queries.results.curve import RATE
from jobs.statistics import Interval

Points = Sequence[tuple[int, Mapping[str, Any]]]


class Run(NamedTuple):
    """Run of a group: name, points, False where it counts, id of its result; None: no page."""

    name: str
    points: Points
    is_disturbed: bool
    result: int | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Result in a chart: name, ``(concurrency, metrics)`` in drawing order.

    ``results``: id of the result whose point opens a panel, by concurrency. For a group, ``points``
    are means, ``intervals`` their 95 % intervals by (concurrency, metric), and ``runs`` are the
    single runs. ``marks``: what limits a point, by concurrency: such points are hollow, as are runs
    that do not count. ``devices``: number of devices that the engine used; None: unknown.
    """

    name: str
    points: Points
    results: Mapping[int, int] = field(default_factory=dict)
    marks: Mapping[int, Sequence[str]] = field(default_factory=dict)
    intervals: Mapping[tuple[int, str], Interval] = field(default_factory=dict)
    runs: Sequence[Run] = ()
    devices: int | None = None

    def values(self, metric: str) -> tuple[list[int], list[float | None]]:
        """Return concurrencies and the metric at each; None: not measured."""
        return [c for c, _m in self.points], [m.get(metric) for _c, m in self.points]


def throughput(all_series: Sequence[Series]) -> Figure:
    """Return the output rate over concurrency: one line per result, y axis from zero."""
    data = [
        trace
        for index, series in enumerate(all_series)
        for trace in drawn(index, series, RATE, "%{y:.1f} tok/s")
    ]
    return Figure(data, over_concurrency(all_series, _("output, tok/s")))


def over_concurrency(all_series: Sequence[Series], title: str) -> dict[str, Any]:
    """Return the layout of lines over concurrency, with measured values as ticks."""
    ticks = sorted({c for series in all_series for c, _m in series.points})
    least, widest = min(ticks, default=0), max(ticks, default=1)
    margin = max(0.3, 0.06 * (widest - least))
    x = axis(_("concurrency"), tickvals=ticks, range=[least - margin, widest + margin])
    more = {**legend_of_marks(all_series), "margin": margins(right=14)}
    shown = layout(x, axis(title, rangemode="tozero"), **more)
    # Runs have a tooltip of the nearest value: all values of a concurrency would be up to 200.
    if not any(series.runs for series in all_series):
        del shown["hovermode"]
    return shown


def line(index: int, name: str, x: Sequence[float], y: Sequence[float | None]) -> dict[str, Any]:
    """Return a trace of series ``index`` of a page, from 0 to 7; None in ``y`` is a gap."""
    colour = COLOURS[index]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": list(x),
        "y": list(y),
        "line": {"color": colour, "dash": DASHES[index], "width": 2},
        "marker": {"color": colour, "symbol": SYMBOLS[index], "size": 8},
    }


def drawn(index: int, series: Series, metric: str, hover: str) -> list[dict[str, Any]]:
    """Return the traces of a metric over concurrency: a line, and for a group error bars and a dot
    per run. ``hover``: what a tooltip says of a value."""
    trace = of_points(index, series, metric, hover, line(index, series.name, (), ()))
    return [trace, *([_dots(index, series.runs, metric, hover)] * bool(series.runs))]


def of_points(
    index: int, series: Series, metric: str, hover: str, trace: dict[str, Any]
) -> dict[str, Any]:
    """Return a trace with the points of a metric: hollow, tooltips, error bars, panels."""
    x, y = series.values(metric)
    trace = hollow({**trace, "x": x, "y": y}, series, x) | opening(series.results, x)
    if series.runs or series.marks:
        trace["hovertext"] = [numbered(series, concurrency, metric) for concurrency in x]
        hover = f"%{{hovertext}}: {hover}<extra>%{{fullData.name}}</extra>"
    bounds = [series.intervals.get((concurrency, metric)) for concurrency in x]
    if any(bounds):
        trace["error_y"] = bars(zip(y, bounds, strict=True), COLOURS[index])
    return {**trace, "hovertemplate": hover}


def hollow(trace: dict[str, Any], series: Series, concurrencies: Sequence[int]) -> dict[str, Any]:
    """Return a trace with the points that have marks hollow."""
    if not series.marks:
        return trace
    symbol = trace["marker"].get("symbol", SYMBOLS[0])
    symbols = [f"{symbol}-open" if at in series.marks else symbol for at in concurrencies]
    return {**trace, "marker": {**trace["marker"], "symbol": symbols}}


def legend_of_marks(all_series: Sequence[Series]) -> dict[str, Any]:
    """Return the layout with what hollow points mean, as a text of the picture itself: saved images
    have no page around them."""
    words = [word for series in all_series for marks in series.marks.values() for word in marks]
    if not words:
        return {}
    text = _("hollow: %(marks)s") % {"marks": _(", ").join(dict.fromkeys(words))}
    return {"annotations": [note(text)]}


def numbered(series: Series, concurrency: int, metric: str) -> str:
    """Return the concurrency of a point; of a group "4, mean of 3 runs", of those with the metric
    there; with its marks."""
    marks = series.marks.get(concurrency, ())
    if not series.runs:
        return _(", ").join((str(concurrency), *marks))
    n = sum(
        at == concurrency and metrics.get(metric) is not None
        for run in series.runs
        for at, metrics in run.points
    )
    text = _("mean of %(n)s runs") if n > 1 else ngettext("%(n)s run", "%(n)s runs", n)
    return _(", ").join((str(concurrency), text % {"n": n}, *marks))


def opening(results: Mapping[int, int], concurrencies: Sequence[int]) -> dict[str, Any]:
    """Return what makes the points of a trace open their panels; "" for a point without one."""
    if not results:
        return {}
    addresses = [point_address(results[c], c) if c in results else "" for c in concurrencies]
    return {"customdata": addresses, "meta": POINT}


def point_address(result: int, concurrency: int) -> str:
    """Return the page of a point: its number, command, environment and log."""
    before, between, after = _point_parts()
    return f"{before}{result}{between}{concurrency}{after}"


@cache
def _point_parts() -> tuple[str, str, str]:
    """Return the parts of a point's address around its numbers: charts have up to 2,400 points."""
    numbers = 123456789, 987654321
    before, rest = reverse("result-point", args=numbers).split(str(numbers[0]))
    between, after = rest.split(str(numbers[1]))
    return before, between, after


def _dots(index: int, runs: Sequence[Run], metric: str, hover: str) -> dict[str, Any]:
    """Return the runs of a group as one trace: a trace takes a browser longer than its points.

    It has no name: the texts of its points are their runs.
    """
    points = [
        (run, concurrency, metrics[metric])
        for run in runs
        for concurrency, metrics in run.points
        if metric in metrics
    ]
    symbols = ["circle-open" if run.is_disturbed else "circle" for run, *_rest in points]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "",
        "text": [run.name for run, *_rest in points],
        "x": [concurrency for _run, concurrency, _value in points],
        "y": [value for *_rest, value in points],
        "marker": {"color": COLOURS[index], "symbol": symbols, "size": 5},
        "opacity": 0.8,
        "showlegend": False,  # saved images: the group's line is in the legend
        "hovertemplate": f"%{{x}}: {hover}<extra>%{{text}}</extra>",
        "customdata": [
            "" if run.result is None else point_address(run.result, concurrency)
            for run, concurrency, _value in points
        ],
        "meta": POINT,
    }


def measured(all_series: Sequence[Series], metric: str) -> bool:
    """Return False when a chart of the metric would be empty."""
    return any(metric in m for series in all_series for _c, m in series.points)
