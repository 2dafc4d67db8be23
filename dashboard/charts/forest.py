"""Differences of accuracy by data set with 95 % intervals, and the margin as a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from dashboard.charts.figures import Figure
from dashboard.charts.series import BAND, COLOURS, INK, SYMBOLS
from jobs.statistics import Interval

ROW_PX = 28
_FRAME_PX = 62
_NAME = 22  # letters that fit into the margin
_AIR = 1.15  # of the widest interval


@dataclass(frozen=True, slots=True)
class Difference:
    """Row of the chart: a data set, several, or all questions (``is_whole``); from 0 to 1."""

    name: str
    gap: Interval
    is_whole: bool = False


def height(rows: Sequence[Difference]) -> int:
    """Return the height of :func:`figure` in pixels."""
    return _FRAME_PX + ROW_PX * len(rows)


def figure(rows: Sequence[Difference], margin: float) -> Figure:
    """Return a forest plot in points: a row each, all questions as a diamond below.

    A whole interval inside of the band means *equivalent*.
    """
    sets, whole = [one for one in rows if not one.is_whole], [one for one in rows if one.is_whole]
    data = [_trace(_("difference"), sets, COLOURS[0], SYMBOLS[1], 9)] if sets else []
    data += [_trace(_("all questions"), whole, INK, "diamond", 12)] if whole else []
    ends = [abs(end) for one in rows for end in (one.gap.low, one.gap.high)]
    most = 100 * _AIR * max([margin, *ends])
    layout = {
        "meta": {"rows": _("Data set")},
        "showlegend": False,
        "hovermode": "closest",
        "margin": {"l": 150, "r": 16, "t": 8, "b": 44},
        "xaxis": {
            "title": {"text": _("difference, points")},
            "range": [-most, most],
            "showgrid": True,
            "zeroline": True,
            "zerolinecolor": INK,
        },
        "yaxis": {
            "autorange": "reversed",
            # Full names as keys: names with equal shortened text stay separate rows.
            "tickvals": [one.name for one in rows],
            "ticktext": [_short(one.name) for one in rows],
            "showgrid": False,
            "fixedrange": True,
        },
        "shapes": [
            {
                "type": "rect",
                "layer": "below",
                "xref": "x",
                "yref": "paper",
                "x0": -100 * margin,
                "x1": 100 * margin,
                "y0": 0,
                "y1": 1,
                "fillcolor": BAND,
                "line": {"width": 0},
            }
        ],
    }
    return Figure(data, layout)


def _short(name: str) -> str:
    """Return a name cut in the middle, because names differ at the end."""
    return name if len(name) <= _NAME else f"{name[: _NAME // 2]}…{name[1 - _NAME // 2 :]}"


def _trace(
    name: str, rows: Sequence[Difference], colour: str, symbol: str, size: int
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [_points(one.gap.value) for one in rows],
        "y": [one.name for one in rows],
        "name": name,
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [_points(one.gap.high - one.gap.value) for one in rows],
            "arrayminus": [_points(one.gap.value - one.gap.low) for one in rows],
            "color": colour,
            "thickness": 1.5,
            "width": 4,
        },
        "marker": {"color": colour, "symbol": symbol, "size": size},
        "hovertemplate": "%{y}: %{x:+.2f}<extra></extra>",
    }


def _points(share: float) -> float:
    return round(100 * share, 6)
