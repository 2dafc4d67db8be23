"""How one result is drawn: the same hue, dash and symbol on a whole page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLOURS = ("$d1", "$d2", "$d3", "$d4", "$d5", "$d6")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "star", "hexagon")


@dataclass(frozen=True, slots=True)
class Series:
    """A result in a chart: its name, ``(concurrency, metrics)`` in the order to draw, its page."""

    name: str
    points: Sequence[tuple[int, Mapping[str, Any]]]
    address: str = ""


def line(index: int, name: str, x: Sequence[float], y: Sequence[float | None]) -> dict[str, Any]:
    """A trace of the ``index``-th series of a page, from 0 to 5."""
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


def values(series: Series, metric: str) -> tuple[list[int], list[float | None]]:
    """Concurrencies and the metric at each; None where it was not measured."""
    return [c for c, _ in series.points], [m.get(metric) for _, m in series.points]


def measured(all_series: Sequence[Series], metric: str) -> bool:
    """False where a chart of it would be empty."""
    return any(metric in m for series in all_series for _, m in series.points)


def concurrency_axis(title: str, all_series: Sequence[Series]) -> dict[str, Any]:
    """The x axis of measurements at several concurrencies: their values are its ticks."""
    ticks = sorted({c for series in all_series for c, _ in series.points})
    widest = max(ticks, default=1)
    margin = max(0.3, 0.06 * (widest - min(ticks, default=0)))
    return {
        "title": {"text": title},
        "tickvals": ticks,
        "range": [min(ticks, default=0) - margin, widest + margin],
    }
