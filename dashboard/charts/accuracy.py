"""Share of right answers by category, with 95 % intervals; a larger square is more questions."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import plotly.graph_objects as go
from django.utils.translation import gettext as _

from dashboard.charts.series import COLOURS, INK, SYMBOLS
from jobs.queries.results.results import Category
from jobs.queries.statistics import Interval

ROW_PX = 28
_FRAME_PX = 62
_NAME = 22  # letters that the margin has room for


def height(categories: Sequence[Category], pooled: Interval | None) -> int:
    """Pixels that :func:`figure` needs: a row each."""
    return _FRAME_PX + ROW_PX * (len(categories) + (pooled is not None))


def figure(categories: Sequence[Category], pooled: Interval | None) -> go.Figure:
    """A forest: a row a category, the whole set as a diamond below them.

    Rows in: a category's share of right answers with its interval, each from 0 to 1, and how many
    questions it has; ``pooled`` is that of the whole set. The figure is in per cent.
    """
    names = [category.name for category in categories]
    shares, counts = [c.share for c in categories], [c.questions for c in categories]
    data = [_row(_("right"), names, shares, counts)]
    if pooled is not None:
        whole = _row(_("all"), [_("all")], [pooled], [0])
        whole["marker"] = {"color": INK, "symbol": "diamond", "size": 12}
        whole["error_x"]["color"] = INK
        data.append(whole)
    layout = {
        # For the table: what a row is.
        "meta": {"rows": _("Data set") if any(c.is_set for c in categories) else _("Category")},
        "showlegend": False,
        "hovermode": "closest",
        "margin": {"l": 150, "r": 16, "t": 8, "b": 44},
        "xaxis": {
            "title": {"text": _("right, %, with the 95 % interval")},
            "range": [0, 100],
            "showgrid": True,
        },
        "yaxis": {
            "autorange": "reversed",
            # By their whole names: two that are cut to the same letters are two rows.
            "tickvals": [name for trace in data for name in trace["y"]],
            "ticktext": [_short(name) for trace in data for name in trace["y"]],
            "showgrid": False,
            "fixedrange": True,
        },
    }
    return go.Figure(data, layout)


def _short(name: str) -> str:
    """A name that is cut in its middle, so that int8 and fp16 at its end stay apart."""
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
