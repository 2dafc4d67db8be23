"""Output rate against requests in flight."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from django.utils.translation import gettext as _

from dashboard.charts.series import Series, concurrency_axis, drawn

METRIC = "output_tokens_per_s"


def figure(all_series: Sequence[Series]) -> go.Figure:
    """One line a result; zero is in the picture.

    Rows in: of each result ``output_tokens_per_s`` at each concurrency (requests in flight).
    """
    data = []
    for index, series in enumerate(all_series):
        hover = {"hovertemplate": "%{y:.1f} tok/s"}
        data += [trace | hover for trace in drawn(index, series, METRIC)]
    layout = {
        "showlegend": False,
        "margin": {"l": 46, "r": 14, "t": 12, "b": 40},
        "xaxis": concurrency_axis(_("requests in flight"), all_series),
        "yaxis": {"title": {"text": _("output, tok/s")}, "rangemode": "tozero"},
    }
    return go.Figure(data, layout)
