"""What all get against what one gets: output rate over the rate that a single user sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from dashboard.charts.series import Series, line


def figure(all_series: Sequence[Series]) -> dict[str, Any]:
    """Up and right is better; the numbers at the points are requests in flight."""
    data = []
    for index, series in enumerate(all_series):
        rows = [
            (concurrency, 1000 / metrics["tpot_p50_ms"], metrics["output_tokens_per_s"])
            for concurrency, metrics in series.points
            if metrics.get("tpot_p50_ms") and metrics.get("output_tokens_per_s") is not None
        ]
        trace = line(index, series.name, [row[1] for row in rows], [row[2] for row in rows])
        data.append(
            trace
            | {
                "mode": "lines+markers+text",
                "text": [str(row[0]) for row in rows],
                "textposition": "top right",
                "cliponaxis": False,  # the number of the highest point
                "textfont": {"size": 11, "color": "$ink-3"},
                "hovertemplate": "%{text}: %{y:.1f} tok/s, %{x:.1f} tok/s "
                + _("a user")
                + "<extra>%{fullData.name}</extra>",
            }
        )
    return {
        "data": data,
        "layout": {
            "showlegend": False,
            "hovermode": "closest",
            "margin": {"l": 50, "r": 20, "t": 14, "b": 40},
            "xaxis": {
                "title": {"text": _("tok/s a user (1 / TPOT p50)  →  better")},
                "showgrid": True,
                "rangemode": "tozero",
            },
            "yaxis": {"title": {"text": _("output, tok/s  →  better")}, "rangemode": "tozero"},
        },
    }
