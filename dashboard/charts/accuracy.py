"""Accuracy by category with 95 % intervals; the square's size grows with the questions."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

from django.utils.translation import gettext as _

from dashboard.charts.figures import Figure
from dashboard.charts.series import COLOURS, INK, SYMBOLS
from jobs.queries.results.results import Category
from jobs.statistics import Interval

ROW_PX = 28
_FRAME_PX = 62
_NAME = 22  # letters that fit into the margin


def height(categories: Sequence[Category], pooled: Interval | None) -> int:
    """Return the height of :func:`figure` in pixels."""
    return _FRAME_PX + ROW_PX * (len(categories) + (pooled is not None))


def figure(categories: Sequence[Category], pooled: Interval | None) -> Figure:
    """Return a forest plot: one row per category, the whole set as a diamond below.

    Each category has its accuracy with interval, from 0 to 1, and its number of questions;
    ``pooled`` is the accuracy of the whole set. The figure is in per cent.
    """
    names = [category.name for category in categories]
    shares, counts = [c.share for c in categories], [c.questions for c in categories]
    data = [_row(_("accuracy"), names, shares, counts)]
    if pooled is not None:
        whole = _row(_("all"), [_("all")], [pooled], [0])
        whole["marker"] = {"color": INK, "symbol": "diamond", "size": 12}
        whole["error_x"]["color"] = INK
        data.append(whole)
    layout = {
        # Heading of the names in the table.
        "meta": {"rows": _("Data set") if any(c.is_set for c in categories) else _("Category")},
        "showlegend": False,
        "hovermode": "closest",
        "margin": {"l": 150, "r": 16, "t": 8, "b": 44},
        "xaxis": {
            "title": {"text": _("accuracy, %, with 95 % interval")},
            "range": [0, 100],
            "showgrid": True,
        },
        "yaxis": {
            "autorange": "reversed",
            # Full names as keys: names with equal shortened text stay separate rows.
            "tickvals": [name for trace in data for name in trace["y"]],
            "ticktext": [_short(name) for trace in data for name in trace["y"]],
            "showgrid": False,
            "fixedrange": True,
        },
    }
    return Figure(data, layout)


def _short(name: str) -> str:
    """Return a name cut in the middle, because names differ at the end (int8, fp16)."""
    return name if len(name) <= _NAME else f"{name[: _NAME // 2]}…{name[1 - _NAME // 2 :]}"


def _row(name: str, names: list[str], shares: list[Interval], counts: list[int]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [100 * share.value for share in shares],
        "y": names,
        "name": name,
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [100 * (share.high - share.value) for share in shares],
            "arrayminus": [100 * (share.value - share.low) for share in shares],
            "color": COLOURS[0],
            "thickness": 1.5,
            "width": 4,
        },
        "marker": {
            "color": COLOURS[0],
            "symbol": SYMBOLS[1],
            "size": [6 + min(8.0, sqrt(count)) for count in counts],
        },
        "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>",
    }
