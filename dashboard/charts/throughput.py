"""Throughput vs concurrency."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from dashboard.charts.figures import Figure
from dashboard.charts.series import Series, concurrency_axis, drawn

METRIC = "output_tokens_per_s"


def figure(all_series: Sequence[Series]) -> Figure:
    """Return the figure: one line per result, y axis from zero.

    Each result has ``output_tokens_per_s`` by concurrency.
    """
    data = []
    for index, series in enumerate(all_series):
        hover = {"hovertemplate": "%{y:.1f} tok/s"}
        data += [trace | hover for trace in drawn(index, series, METRIC)]
    layout = {
        "showlegend": False,
        "margin": {"l": 46, "r": 14, "t": 12, "b": 40},
        "xaxis": concurrency_axis(_("concurrency"), all_series),
        "yaxis": {"title": {"text": _("output, tok/s")}, "rangemode": "tozero"},
    }
    return Figure(data, layout)
