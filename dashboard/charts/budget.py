"""Accuracy vs token budget: answers within the budget and correct, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log2, log10
from typing import Any

from django.utils.translation import gettext as _

from dashboard.charts.figures import Figure, margins
from dashboard.charts.series import BAND, COLOURS, DASHES, INK, SYMBOLS
from dashboard.text.formatting import number, percent
from jobs.queries.results.token_use import BudgetPoint, BudgetUse

_EXTRA = "<extra>%{fullData.name}</extra>"


def figure(uses: Sequence[tuple[str, BudgetUse]]) -> Figure:
    """Return the figure: one line per ``(name, budget use)``, the budgets on a logarithmic axis.

    One result has its interval as a band, and a line at its own limit with the share of answers
    that it cut. Several have error bars at each doubling, and a mark where their limit was.
    """
    lines = [_line(index, name, use) for index, (name, use) in enumerate(uses)]
    layout: dict[str, Any] = {
        "showlegend": False,
        "hovermode": "closest",
        "margin": margins(top=24),
        "xaxis": {
            "type": "log",
            "title": {"text": _("token budget of an answer")},
            **_ticks([point.budget for _name, use in uses for point in points_of(use)]),
        },
        "yaxis": {"title": {"text": _("accuracy, %")}, "rangemode": "tozero"},
    }
    if len(uses) != 1:
        bars = [_bars(index, use) for index, (_name, use) in enumerate(uses)]
        traces = [line | bar for line, bar in zip(lines, bars, strict=True)]
        return Figure([*traces, *_limit_marks(uses)], layout)
    ((_name, use),) = uses
    return Figure([*_band(use), *lines], {**layout, **_limit(use)})


def points_of(use: BudgetUse) -> Sequence[BudgetPoint]:
    """Return the curve up to the run's own limit, where it ends."""
    if not use.curve or not use.limit or use.longest > use.limit:
        return use.curve
    within = [point for point in use.curve if point.budget < use.limit]
    return [*within, BudgetPoint(use.limit, use.curve[-1].share)]


def _ticks(budgets: Sequence[int]) -> dict[str, Any]:
    """Return at most nine ticks at powers of two."""
    low, high = floor(log2(min(budgets, default=1))), ceil(log2(max(budgets, default=2)))
    step = max(1, ceil((high - low) / 8))
    ticks = [2**power for power in range(low, high + 1, step)]
    return {"tickvals": ticks, "ticktext": [number(tick) for tick in ticks]}


def _shown(share: float) -> float:
    """Return a share in per cent, without digits that no question could cause."""
    return round(100 * share, 4)


def _line(index: int, name: str, use: BudgetUse) -> dict[str, Any]:
    colour = COLOURS[index]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [point.budget for point in points_of(use)],
        "y": [_shown(point.share.value) for point in points_of(use)],
        "line": {"color": colour, "dash": DASHES[index], "width": 2, "shape": "hv"},
        "hovertemplate": "%{x:,d} tok: %{y:.2f} %" + _EXTRA,
    }


def _band(use: BudgetUse) -> list[dict[str, Any]]:
    edge = {"width": 0, "color": COLOURS[0], "shape": "hv"}
    base = {
        "type": "scatter",
        "mode": "lines",
        "x": [point.budget for point in points_of(use)],
        "line": edge,
        "hoverinfo": "skip",
    }
    low = [_shown(point.share.low) for point in points_of(use)]
    high = [_shown(point.share.high) for point in points_of(use)]
    return [
        {**base, "name": _("interval, low"), "y": low},
        {**base, "name": _("interval, high"), "y": high, "fill": "tonexty", "fillcolor": BAND},
    ]


def _bars(index: int, use: BudgetUse) -> dict[str, Any]:
    """Return error bars at powers of two: more would hide each other."""
    shown = [point if is_doubling(point.budget) else None for point in points_of(use)]
    return {
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [_shown(one.share.high - one.share.value) if one else None for one in shown],
            "arrayminus": [
                _shown(one.share.value - one.share.low) if one else None for one in shown
            ],
            "color": COLOURS[index],
            "thickness": 1.2,
            "width": 3,
        }
    }


def is_doubling(budget: int) -> bool:
    """Return True for a power of two."""
    return budget & (budget - 1) == 0


def _limit_marks(uses: Sequence[tuple[str, BudgetUse]]) -> list[dict[str, Any]]:
    """Return a mark for each result at its own limit, on its line."""
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": _("%(name)s, own limit") % {"name": name},
            "x": [use.limit],
            "y": [_shown(use.curve[-1].share.value)],
            "text": [percent(use.cut_share)],
            "marker": {"color": COLOURS[index], "symbol": SYMBOLS[index], "size": 9},
            "hovertemplate": "%{x:,d} tok: %{text} % " + _("of answers cut") + _EXTRA,
        }
        for index, (name, use) in enumerate(uses)
        if use.limit and use.curve
    ]


def _limit(use: BudgetUse) -> dict[str, Any]:
    if not use.limit:
        return {}
    words = _("limit %(limit)s, %(share)s %% cut")
    line = {"color": INK, "dash": "dash", "width": 1}
    return {
        "shapes": [
            {"type": "line", "yref": "paper", "x0": use.limit, "x1": use.limit, "y0": 0, "y1": 1}
            | {"line": line}
        ],
        "annotations": [
            {
                "xref": "x",
                "x": log10(use.limit),  # of a logarithmic axis, which shapes are not
                "yref": "paper",
                "y": 1,
                "xanchor": "right",
                "yanchor": "bottom",
                "text": words % {"limit": number(use.limit), "share": percent(use.cut_share)},
                "showarrow": False,
                "font": {"size": 11, "color": INK},
            }
        ],
    }
