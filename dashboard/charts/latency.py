"""Latencies: percentiles over concurrency, and the distribution over single requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.charts.figures import (
    COLOURS,
    DASHES,
    FAINT_INK,
    SYMBOLS,
    Figure,
    axis,
    bars,
    layout,
    margins,
)
from dashboard.charts.series import Series, drawn, of_points, over_concurrency
from jobs.queries.results.curve import CurvePoint
from jobs.statistics import quantile_interval

# family -> (label, unit)
_FAMILIES: Mapping[str, tuple[str | Promise, str]] = {
    "ttft": ("TTFT", "ms"),
    "tpot": ("TPOT", "ms"),
    "itl": ("ITL", "ms"),
    "latency": (gettext_lazy("latency"), "s"),
}
# family -> time of a request
TIMES = {"ttft": "ttft_ms", "tpot": "tpot_ms", "latency": "latency_s"}
MOST_CURVES = len(COLOURS)
_MARKED = (0.5, 0.9, 0.99)
_SHARES = (*(percent / 100 for percent in range(1, 100)), 0.995, 0.999)
_LEGEND_ROW, _IN_A_ROW = 19, 3  # height in pixels; curves in a row of a wide window
_WIDE = 20  # from this ratio of the largest to the smallest value, the axis is logarithmic


def statistics(family: str) -> tuple[str, ...]:
    """Return the metrics of a family for a table of one concurrency: mean, p50, p90, p99."""
    return tuple(
        f"{family}_{name}_{_FAMILIES[family][1]}" for name in ("mean", "p50", "p90", "p99")
    )


def percentiles(family: str, all_series: Sequence[Series]) -> Figure:
    """Return a family over concurrency: p50 bold and p99 thin, of a single result also p90.

    Missing values are gaps.
    """
    unit = _FAMILIES[family][1]
    hover = f"%{{y:.3~g}} {unit}"
    data: list[dict[str, Any]] = []
    for index, series in enumerate(all_series):
        data += drawn(index, series, f"{family}_p50_{unit}", f"{hover} p50")
        for statistic in ("p90", "p99") if len(all_series) == 1 else ("p99",):
            thin = {
                "type": "scatter",
                "mode": "lines+markers",
                "name": f"{series.name} {statistic}",
                "line": {"color": COLOURS[index], "dash": DASHES[index], "width": 1},
                "marker": {"color": COLOURS[index], "size": 4},
                "opacity": 0.7,
            }
            metric = f"{family}_{statistic}_{unit}"
            data.append(of_points(index, series, metric, f"{hover} {statistic}", thin))
    return Figure(data, over_concurrency(all_series, _title(family)))


def _title(family: str) -> str:
    label, unit = _FAMILIES[family]
    return f"{label}, {unit}"


@dataclass(frozen=True, slots=True)
class Times:
    """Times of the completed requests at one concurrency, rising."""

    concurrency: int
    values: Sequence[float]


def times_of(family: str, points: Sequence[CurvePoint]) -> list[Times]:
    """Return the times of each point whose requests all have one; at most :data:`MOST_CURVES`,
    evenly chosen, the lowest and the highest concurrency among them."""
    times = [Times(point.concurrency, point.times.get(TIMES[family], ())) for point in points]
    found = [one for one in times if one.values]
    if len(found) <= MOST_CURVES:
        return found
    step = (len(found) - 1) / (MOST_CURVES - 1)
    return [found[round(step * place)] for place in range(MOST_CURVES)]


def distribution(family: str, all_times: Sequence[Times]) -> Figure:
    """Return the share of requests over time, with marks at p50, p90 and p99 and their 95 %
    intervals: a curve per concurrency. ``family`` is one of :data:`TIMES`."""
    unit = _FAMILIES[family][1]
    data = [_curve(index, times, unit) for index, times in enumerate(all_times)]
    lowest = min((times.values[0] for times in all_times), default=0.0)
    highest = max((times.values[-1] for times in all_times), default=0.0)
    is_wide = lowest > 0 and highest > _WIDE * lowest
    scale = {"type": "log"} if is_wide else {"rangemode": "tozero"}
    above = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 11}}
    line = {"color": FAINT_INK, "dash": "dot", "width": 1}
    return Figure(
        data,
        layout(
            axis(_title(family), showgrid=True, **scale),
            axis(_("requests, %"), range=[0, 101], tickvals=[0, 25, 50, 75, 90, 100]),
            showlegend=True,
            legend=above,
            margin=margins(top=26 + _LEGEND_ROW * ceil(len(all_times) / _IN_A_ROW)),
            meta={"by": "y"},
            shapes=[
                {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "line": line}
                | {"y0": 100 * share, "y1": 100 * share}
                for share in _MARKED
            ],
        ),
    )


def _curve(index: int, times: Times, unit: str) -> dict[str, object]:
    values, total, colour = times.values, len(times.values), COLOURS[index]
    # Shares that have a request of their own; others would repeat its neighbour.
    shares = [share for share in _SHARES if share in _MARKED or total >= 1 / (1 - share)]
    bounds = [quantile_interval(values, share) if share in _MARKED else None for share in shares]
    x = [*(values[max(0, ceil(round(share * total, 6)) - 1)] for share in shares), values[-1]]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": _("concurrency %(c)s (n = %(n)s)") % {"c": times.concurrency, "n": total},
        "x": x,
        "y": [*(round(100 * share, 1) for share in shares), 100.0],
        "line": {"color": colour, "dash": DASHES[index], "width": 2},
        "marker": {
            "color": colour,
            "symbol": SYMBOLS[index],
            "size": [*(8 if share in _MARKED else 0 for share in shares), 0],
        },
        "error_x": bars(zip(x, [*bounds, None], strict=True), colour),
        "hovertemplate": f"%{{y}} %: %{{x:.4~g}} {unit}<extra>%{{fullData.name}}</extra>",
    }
