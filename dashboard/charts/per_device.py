"""Throughput per device vs per user, with the Pareto frontier over all results."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from dashboard.charts.figures import Figure, margins
from dashboard.charts.series import INK, Series, hollow, legend_of_marks, line, numbered, opening
from jobs.queries.results.devices import per_device, per_user
from jobs.queries.results.pareto import frontier

RATE = "output_tokens_per_s"


def figure(all_series: Sequence[Series]) -> Figure:
    """Return the figure: up and right is better. Results without a known number of devices have no
    points.

    A point needs ``output_tokens_per_s`` and ``tpot_p50_ms`` at a concurrency, which the tooltip
    names. The frontier joins the points that no other point of any result beats in both.
    """
    data, everything = [], list[tuple[float, float]]()
    for index, series in enumerate(all_series):
        rows = points(series)
        everything += [(x, y) for _concurrency, x, y in rows]
        trace = line(index, series.name, [row[1] for row in rows], [row[2] for row in rows])
        trace = hollow(trace, series, [row[0] for row in rows])
        data.append(
            trace
            | {
                "mode": "markers",
                "hovertext": [numbered(series, row[0], RATE) for row in rows],
                "cliponaxis": False,
                "hovertemplate": _("concurrency")
                + " %{hovertext}: %{y:.2f} tok/s "
                + _("per device")
                + ", %{x:.1f} tok/s "
                + _("per user")
                + "<extra>%{fullData.name}</extra>",
                **opening(series.results, [row[0] for row in rows]),
            }
        )
    best = [everything[index] for index in frontier(everything)]
    if len(best) > 1:
        data.insert(
            0,
            {
                "type": "scatter",
                "mode": "lines",
                "name": _("Pareto frontier"),
                "x": [x for x, _y in best],
                "y": [y for _x, y in best],
                "line": {"color": INK, "dash": "dot", "width": 1.5},
                "hoverinfo": "skip",
            },
        )
    layout = {
        **legend_of_marks(all_series),
        "showlegend": False,
        "hovermode": "closest",
        "margin": margins(),
        "xaxis": {
            "title": {"text": _("tok/s per user (1 / TPOT p50)  →  better")},
            "showgrid": True,
            "rangemode": "tozero",
        },
        "yaxis": {
            "title": {"text": _("tok/s per device  →  better")},
            "rangemode": "tozero",
        },
    }
    return Figure(data, layout)


def points(series: Series) -> list[tuple[int, float, float]]:
    """Return (concurrency, per user, per device) of each point that has both."""
    rows = []
    for concurrency, metrics in series.points:
        x, y = per_user(metrics), per_device(metrics.get(RATE), series.devices)
        if x is not None and y is not None:
            rows.append((concurrency, x, y))
    return rows


def is_known(all_series: Sequence[Series]) -> bool:
    """Return False when the chart would be empty."""
    return any(points(series) for series in all_series)
