"""Accuracy vs its price: throughput of paired benchmarks, tokens of an answer, token budgets."""

from collections.abc import Sequence
from math import ceil, floor, log2, log10
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.charts.figures import (
    BAND,
    COLOURS,
    DASHES,
    INK,
    POINT,
    SYMBOLS,
    Figure,
    axis,
    bars,
    layout,
    margins,
    note,
    scaled,
    upright,
)
from dashboard.text.formatting import number, percent
from dashboard.text.labels import result_name
from jobs.queries.results.token_use import BudgetPoint, BudgetUse
from jobs.queries.results.tradeoff import Origin, Pair

# Shape and colour by who measured what.
_MARKS: dict[Origin, tuple[str, str]] = {
    "ours": ("circle", COLOURS[0]),
    "external": ("square", COLOURS[1]),
    "imported": ("diamond", COLOURS[2]),
}
MOST_NAMED = 12  # more names would cover each other
_ROOM = 2.0  # per cent above and below all intervals
_EXTRA = "<extra>%{fullData.name}</extra>"
_THIN = {"thickness": 1.2, "width": 3}


def value_of(pair: Pair, axis: str) -> float | None:
    """Return the x value of a pair; None: it is not on that chart."""
    if axis == "tokens":
        return pair.tokens
    if pair.speed is None:
        return None
    return pair.speed.per_device if axis == "per_device" else pair.speed.rate


def tradeoff(pairs: Sequence[Pair], by: str) -> Figure:
    """Return accuracies with intervals. ``by``: "per_device" or "rate" of the paired benchmark, or
    "tokens" of an answer.

    A hollow point is simulated, disturbed or incomplete. Each opens the panel of its pair.
    """
    shown = [(pair, x) for pair in pairs if (x := value_of(pair, by)) is not None]
    titles = {
        "per_device": _("output tok/s per device  →  better"),
        "rate": _("output tok/s  →  better"),
        "tokens": _("output tokens per answer  ←  cheaper"),
    }
    names = {"ours": _("ours"), "external": _("external"), "imported": _("imported")}
    by_origin = {name: [one for one in shown if one[0].origin == name] for name in _MARKS}
    data = [_pairs(name, names[name], own) for name, own in by_origin.items() if own]
    # Small differences would vanish on an axis from 0 to 100.
    low = min((100 * pair.share.low for pair, _x in shown), default=0.0)
    high = max((100 * pair.share.high for pair, _x in shown), default=100.0)
    ends = [max(0.0, low - _ROOM), min(100.0 + _ROOM, high + _ROOM)]
    return Figure(
        data,
        layout(
            axis(titles[by], rangemode="tozero", showgrid=True),
            axis(_("accuracy, %"), range=ends),
            showlegend=len(data) > 1,
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            margin=margins(right=24, top=36),
        ),
    )


def _pairs(origin: Origin, name: str, shown: Sequence[tuple[Pair, float]]) -> dict[str, Any]:
    symbol, colour = _MARKS[origin]
    shares = [scaled(pair.share) for pair, _x in shown]
    runs = [pair.evaluation for pair, _x in shown]
    is_hollow = [run.simulated or not run.counts for run in runs]
    return {
        "type": "scatter",
        "mode": "markers+text" if len(shown) <= MOST_NAMED else "markers",
        "textposition": "middle left",
        "name": name,
        "x": [x for _pair, x in shown],
        "y": [share.value for share in shares],
        "text": list(map(result_name, runs)),
        "cliponaxis": False,
        "marker": {
            "color": colour,
            "symbol": [symbol + ("-open" if hollow else "") for hollow in is_hollow],
            "size": 9,
        },
        "error_y": bars([(share.value, share) for share in shares], colour, **_THIN),
        "customdata": [reverse("result-paired", args=[run.pk]) for run in runs],
        "meta": POINT,
        "hovertemplate": "%{text}: %{y:.2f} %, %{x:.4~g}" + _EXTRA,
    }


def budgets(uses: Sequence[tuple[str, BudgetUse]]) -> Figure:
    """Return the accuracy within token budgets: one line per ``(name, use)``, logarithmic axis.

    One result has its interval as a band, and a line at its own limit with the share of answers
    that it cut. Several have error bars at each doubling, and a mark where their limit was.
    """
    lines = [_line(index, name, use) for index, (name, use) in enumerate(uses)]
    ticks = _ticks([point.budget for _name, use in uses for point in points_of(use)])
    x = axis(_("token budget of an answer"), type="log", **ticks)
    shown = layout(x, axis(_("accuracy, %"), rangemode="tozero"), margin=margins(top=24))
    if len(uses) == 1:
        ((_name, use),) = uses
        return Figure([*_band(use), *lines], {**shown, **_limit(use)})
    for index, (_name, use) in enumerate(uses):
        # At powers of two: more would hide each other.
        shares = [
            (scaled(one.share).value, scaled(one.share) if is_doubling(one.budget) else None)
            for one in points_of(use)
        ]
        lines[index]["error_y"] = bars(shares, COLOURS[index], **_THIN)
    return Figure([*lines, *_limit_marks(uses)], shown)


def points_of(use: BudgetUse) -> Sequence[BudgetPoint]:
    """Return the curve up to the run's own limit, where it ends."""
    if not use.curve or not use.limit or use.longest > use.limit:
        return use.curve
    within = [point for point in use.curve if point.budget < use.limit]
    return [*within, BudgetPoint(use.limit, use.curve[-1].share)]


def is_doubling(budget: int) -> bool:
    return budget & (budget - 1) == 0


def _ticks(budgets: Sequence[int]) -> dict[str, Any]:
    """Return at most nine ticks at powers of two."""
    low, high = floor(log2(min(budgets, default=1))), ceil(log2(max(budgets, default=2)))
    step = max(1, ceil((high - low) / 8))
    ticks = [2**power for power in range(low, high + 1, step)]
    return {"tickvals": ticks, "ticktext": [number(tick) for tick in ticks]}


def _line(index: int, name: str, use: BudgetUse) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [point.budget for point in points_of(use)],
        "y": [scaled(point.share).value for point in points_of(use)],
        "line": {"color": COLOURS[index], "dash": DASHES[index], "width": 2, "shape": "hv"},
        "hovertemplate": "%{x:,d} tok: %{y:.2f} %" + _EXTRA,
    }


def _band(use: BudgetUse) -> list[dict[str, Any]]:
    base = {
        "type": "scatter",
        "mode": "lines",
        "x": [point.budget for point in points_of(use)],
        "line": {"width": 0, "color": COLOURS[0], "shape": "hv"},
        "hoverinfo": "skip",
    }
    shares = [scaled(point.share) for point in points_of(use)]
    low, high = [share.low for share in shares], [share.high for share in shares]
    return [
        {**base, "name": _("interval, low"), "y": low},
        {**base, "name": _("interval, high"), "y": high, "fill": "tonexty", "fillcolor": BAND},
    ]


def _limit_marks(uses: Sequence[tuple[str, BudgetUse]]) -> list[dict[str, Any]]:
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": _("%(name)s, own limit") % {"name": name},
            "x": [use.limit],
            "y": [scaled(use.curve[-1].share).value],
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
    text = _("limit %(limit)s, %(share)s %% cut")
    text %= {"limit": number(use.limit), "share": percent(use.cut_share)}
    at = log10(use.limit)  # of a logarithmic axis, which shapes are not
    own = note(text, xref="x", x=at, colour=INK)
    return {"shapes": [upright(use.limit, INK)], "annotations": [own]}
