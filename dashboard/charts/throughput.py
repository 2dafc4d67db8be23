"""Throughput vs concurrency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from dashboard.charts.figures import Figure, margins
from dashboard.charts.series import Series, concurrency_axis, drawn, legend_of_marks, tooltips

METRIC = "output_tokens_per_s"


def figure(all_series: Sequence[Series]) -> Figure:
    """Return the figure: one line per result, y axis from zero.

    Each result has ``output_tokens_per_s`` by concurrency.
    """
    data: list[dict[str, Any]] = []
    for index, series in enumerate(all_series):
        data += drawn(index, series, METRIC, "%{y:.1f} tok/s")
    layout = {
        **tooltips(all_series),
        **legend_of_marks(all_series),
        "showlegend": False,
        "margin": margins(right=14),
        "xaxis": concurrency_axis(_("concurrency"), all_series),
        "yaxis": {"title": {"text": _("output, tok/s")}, "rangemode": "tozero"},
    }
    return Figure(data, layout)
