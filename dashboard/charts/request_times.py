"""Distribution of the latencies of single requests: a cumulative curve per concurrency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from django.utils.translation import gettext as _

from dashboard.charts.figures import Figure, margins
from dashboard.charts.percentiles import FAMILIES, family_label
from dashboard.charts.series import COLOURS, DASHES, FAINT_INK, SYMBOLS
from jobs.queries.results.curve import CurvePoint
from jobs.statistics import quantile_interval

MOST_CURVES = len(COLOURS)
# Family -> time of a request.
TIMES = {"ttft": "ttft_ms", "tpot": "tpot_ms", "latency": "latency_s"}
_MARKED = (0.5, 0.9, 0.99)
_SHARES = (*(percent / 100 for percent in range(1, 100)), 0.995, 0.999)
_LEGEND_ROW, _IN_A_ROW = 19, 3  # height in pixels; curves in a row of a wide window
_WIDE = 20  # from this ratio of the largest to the smallest value, the axis is logarithmic


@dataclass(frozen=True, slots=True)
class Times:
    """Times of the completed requests at one concurrency, rising; ``runs``: of so many runs."""

    concurrency: int
    values: Sequence[float]
    runs: int


def times_of(family: str, points: Sequence[CurvePoint]) -> list[Times]:
    """Return the times of each point whose requests all have one; at most :data:`MOST_CURVES`,
    evenly chosen, the lowest and the highest concurrency among them."""
    found = []
    for point in points:
        values = point.times.get(TIMES[family])
        if values:
            found.append(Times(point.concurrency, values, len(point.runs)))
    if len(found) <= MOST_CURVES:
        return found
    step = (len(found) - 1) / (MOST_CURVES - 1)
    return [found[round(step * place)] for place in range(MOST_CURVES)]


def figure(family: str, all_times: Sequence[Times]) -> Figure:
    """Return the figure: share of requests over time, with marks at p50, p90 and p99 and their
    95 % intervals. ``family`` is one of :data:`TIMES`."""
    unit = FAMILIES[family]
    data = [_curve(index, times, unit) for index, times in enumerate(all_times)]
    lowest = min((times.values[0] for times in all_times), default=0.0)
    highest = max((times.values[-1] for times in all_times), default=0.0)
    is_wide = lowest > 0 and highest > _WIDE * lowest
    layout = {
        "showlegend": True,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"size": 11},
        },
        "hovermode": "closest",
        "margin": margins(top=26 + _LEGEND_ROW * ceil(len(all_times) / _IN_A_ROW)),
        "meta": {"by": "y"},
        "xaxis": {
            "title": {"text": f"{family_label(family)}, {unit}"},
            "showgrid": True,
            **({"type": "log"} if is_wide else {"rangemode": "tozero"}),
        },
        "yaxis": {
            "title": {"text": _("requests, %")},
            "range": [0, 101],
            "tickvals": [0, 25, 50, 75, 90, 100],
        },
        "shapes": [
            {
                "type": "line",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": 100 * share,
                "y1": 100 * share,
                "line": {"color": FAINT_INK, "dash": "dot", "width": 1},
            }
            for share in _MARKED
        ],
    }
    return Figure(data, layout)


def _curve(index: int, times: Times, unit: str) -> dict[str, object]:
    values, total = times.values, len(times.values)
    # Shares that have a request of their own; others would repeat its neighbour.
    shares = [share for share in _SHARES if share in _MARKED or total >= 1 / (1 - share)]
    bounds = [quantile_interval(values, share) if share in _MARKED else None for share in shares]
    x = [values[max(0, ceil(round(share * total, 6)) - 1)] for share in shares]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": _("concurrency %(c)s (n = %(n)s)") % {"c": times.concurrency, "n": total},
        "x": [*x, values[-1]],
        "y": [*(round(100 * share, 1) for share in shares), 100.0],
        "line": {"color": COLOURS[index], "dash": DASHES[index], "width": 2},
        "marker": {
            "color": COLOURS[index],
            "symbol": SYMBOLS[index],
            "size": [*(8 if share in _MARKED else 0 for share in shares), 0],
        },
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [*(b.high - at if b else None for b, at in zip(bounds, x, strict=True)), None],
            "arrayminus": [
                *(at - b.low if b else None for b, at in zip(bounds, x, strict=True)),
                None,
            ],
            "color": COLOURS[index],
            "thickness": 1.5,
        },
        "hovertemplate": f"%{{y}} %: %{{x:.4~g}} {unit}<extra>%{{fullData.name}}</extra>",
    }
