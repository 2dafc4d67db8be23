"""Accuracy of evaluations over throughput or over tokens, each with its 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.charts.figures import Figure, margins
from dashboard.charts.series import COLOURS, POINT
from dashboard.text.labels import result_name
from jobs.queries.results.tradeoff import Origin, Pair
from jobs.statistics import Interval

# Shape and colour by who measured what.
_MARKS: dict[Origin, tuple[str, str]] = {
    "ours": ("circle", COLOURS[0]),
    "external": ("square", COLOURS[1]),
    "imported": ("diamond", COLOURS[2]),
}
MOST_NAMED = 12  # more names would cover each other
_ROOM = 2.0  # per cent above and below all intervals


def value_of(pair: Pair, axis: str) -> float | None:
    """Return the x value of a pair; None: it is not on that chart."""
    if axis == "tokens":
        return pair.tokens
    if pair.speed is None:
        return None
    return pair.speed.per_device if axis == "per_device" else pair.speed.rate


def figure(pairs: Sequence[Pair], axis: str) -> Figure:
    """Return the figure. ``axis``: "per_device" or "rate" of the paired benchmark, or "tokens" of
    an answer.

    A hollow point is simulated, disturbed or incomplete. Each opens the panel of its pair.
    """
    shown = [(pair, x) for pair in pairs if (x := value_of(pair, axis)) is not None]
    titles = {
        "per_device": _("output tok/s per device  →  better"),
        "rate": _("output tok/s  →  better"),
        "tokens": _("output tokens per answer  ←  cheaper"),
    }
    names = {"ours": _("ours"), "external": _("external"), "imported": _("imported")}
    data = [
        _trace(origin, names[origin], [one for one in shown if one[0].origin == origin])
        for origin in _MARKS
        if any(pair.origin == origin for pair, _x in shown)
    ]
    layout = {
        "showlegend": len(data) > 1,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hovermode": "closest",
        "margin": margins(right=24, top=36),
        "xaxis": {"title": {"text": titles[axis]}, "rangemode": "tozero", "showgrid": True},
        "yaxis": {
            "title": {"text": _("accuracy, %")},
            "range": _range([pair.share for pair, _x in shown]),
        },
    }
    return Figure(data, layout)


def _range(shares: Sequence[Interval]) -> list[float]:
    """Return the range of accuracies: small differences would vanish on an axis from 0 to 100."""
    low = min((100 * share.low for share in shares), default=0.0)
    high = max((100 * share.high for share in shares), default=100.0)
    return [max(0.0, low - _ROOM), min(100.0 + _ROOM, high + _ROOM)]


def _trace(origin: Origin, name: str, shown: Sequence[tuple[Pair, float]]) -> dict[str, Any]:
    symbol, colour = _MARKS[origin]
    shares = [pair.share for pair, _x in shown]
    return {
        "type": "scatter",
        "mode": "markers+text" if len(shown) <= MOST_NAMED else "markers",
        "textposition": "middle left",
        "name": name,
        "x": [x for _pair, x in shown],
        "y": [round(100 * share.value, 4) for share in shares],
        "text": [result_name(pair.evaluation) for pair, _x in shown],
        "cliponaxis": False,
        "marker": {
            "color": colour,
            "symbol": [symbol + ("-open" if _is_hollow(pair) else "") for pair, _x in shown],
            "size": 9,
        },
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [round(100 * (share.high - share.value), 4) for share in shares],
            "arrayminus": [round(100 * (share.value - share.low), 4) for share in shares],
            "color": colour,
            "thickness": 1.2,
            "width": 3,
        },
        "customdata": [reverse("result-paired", args=[pair.evaluation.pk]) for pair, _x in shown],
        "meta": POINT,
        "hovertemplate": "%{text}: %{y:.2f} %, %{x:.4~g}<extra>%{fullData.name}</extra>",
    }


def _is_hollow(pair: Pair) -> bool:
    return pair.evaluation.simulated or not pair.evaluation.counts
