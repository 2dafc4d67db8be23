"""Style of a result in charts: one colour, dash and symbol per page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.queries.statistics import Interval

# Colour tokens of static/css/tokens.css, one per series of a page.
COLOURS = (*(f"var(--d{number})" for number in range(1, 8)), "var(--ink-2)")
INK, FAINT_INK, BAND = "var(--ink)", "var(--ink-3)", "var(--band)"
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "2px 6px", "8px 2px")
SYMBOLS = (
    *("circle", "square", "diamond", "triangle-up", "star", "hexagon"),
    *("triangle-down", "pentagon"),
)
Points = Sequence[tuple[int, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Series:
    """Result in a chart: name, ``(concurrency, metrics)`` in drawing order, URL of its page.

    For a group, ``points`` are means, ``intervals`` their 95 % intervals by (concurrency, metric),
    and ``runs`` are (name, points, disturbed) per run. Disturbed and incomplete runs are drawn
    hollow. ``devices``: number of devices that the engine used; None: unknown.
    """

    name: str
    points: Points
    address: str = ""
    disturbed: bool = False
    intervals: Mapping[tuple[int, str], Interval] = field(default_factory=dict)
    runs: Sequence[tuple[str, Points, bool]] = ()
    devices: int | None = None


def line(index: int, name: str, x: Sequence[float], y: Sequence[float | None]) -> dict[str, Any]:
    """Return a trace of series ``index`` of a page, from 0 to 7, as data for ``go.Figure``.

    ``x`` and ``y`` have equal lengths; None in ``y`` is a gap.
    """
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


def drawn(index: int, series: Series, metric: str) -> list[dict[str, Any]]:
    """Return the traces of a metric over concurrency: a line, and for a group error bars and a dot
    per run."""
    x, y = values(series, metric)
    trace = line(index, series.name, x, y)
    if series.disturbed:
        trace["marker"]["symbol"] += "-open"
    bars = error_bars(index, series, metric)
    return [trace | bars, *(_dots(index, run, metric) for run in series.runs)]


def error_bars(index: int, series: Series, metric: str) -> dict[str, Any]:
    """Return the error bars of a trace of a metric over concurrency; empty without intervals.

    An interval may lie beside the shown value, as that of a percentile over all requests: bars
    have no negative length.
    """
    x, y = values(series, metric)
    bounds = [series.intervals.get((concurrency, metric)) for concurrency in x]
    if not any(bounds):
        return {}
    pairs = [
        (at, one) if at is not None else (0.0, None) for at, one in zip(y, bounds, strict=True)
    ]
    return {
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, one.high - at) if one else None for at, one in pairs],
            "arrayminus": [max(0.0, at - one.low) if one else None for at, one in pairs],
            "color": COLOURS[index],
            "thickness": 1.5,
        }
    }


def _dots(index: int, run: tuple[str, Points, bool], metric: str) -> dict[str, Any]:
    name, points, is_disturbed = run
    pairs = [(concurrency, m[metric]) for concurrency, m in points if metric in m]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [concurrency for concurrency, _value in pairs],
        "y": [value for _concurrency, value in pairs],
        "marker": {
            "color": COLOURS[index],
            "symbol": "circle-open" if is_disturbed else "circle",
            "size": 5,
        },
        "opacity": 0.8,
        "showlegend": False,  # saved images: the group's line is in the legend
    }


def values(series: Series, metric: str) -> tuple[list[int], list[float | None]]:
    """Return concurrencies and the metric at each; None: not measured."""
    return [c for c, _ in series.points], [m.get(metric) for _, m in series.points]


def measured(all_series: Sequence[Series], metric: str) -> bool:
    """Return False when a chart of the metric would be empty."""
    return any(metric in m for series in all_series for _, m in series.points)


def concurrency_axis(title: str, all_series: Sequence[Series]) -> dict[str, Any]:
    """Return the x axis over concurrencies, with measured values as ticks."""
    ticks = sorted({c for series in all_series for c, _ in series.points})
    widest = max(ticks, default=1)
    margin = max(0.3, 0.06 * (widest - min(ticks, default=0)))
    return {
        "title": {"text": title},
        "tickvals": ticks,
        "range": [min(ticks, default=0) - margin, widest + margin],
    }
