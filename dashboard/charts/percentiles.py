"""Latency vs concurrency: p50 bold, p99 thin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.charts.figures import Figure, margins
from dashboard.charts.series import (
    COLOURS,
    DASHES,
    Series,
    concurrency_axis,
    drawn,
    error_bars,
    hollow,
    legend_of_marks,
    opening,
    said,
    tooltips,
    values,
)

# family -> unit
FAMILIES = {"ttft": "ms", "tpot": "ms", "itl": "ms", "latency": "s"}
_LABELS: dict[str, str | Promise] = {
    "ttft": "TTFT",
    "tpot": "TPOT",
    "itl": "ITL",
    "latency": gettext_lazy("latency"),
}


def family_label(family: str) -> str:
    """Return the short name of a family: "TTFT"."""
    return str(_LABELS[family])


def statistics(family: str) -> tuple[str, ...]:
    """Return the metrics of a family for a table of one concurrency: mean, p50, p90, p99."""
    return tuple(f"{family}_{name}_{FAMILIES[family]}" for name in ("mean", "p50", "p90", "p99"))


def figure(family: str, all_series: Sequence[Series]) -> Figure:
    """Return the figure: two lines per result, and p90 between them for a single result.

    Each result has the family's ``_p50_``, ``_p90_`` and ``_p99_`` by concurrency, in the unit of
    ``FAMILIES``; missing values are gaps. ``family`` is one of ``FAMILIES``.
    """
    unit = FAMILIES[family]
    data: list[dict[str, Any]] = []
    for index, series in enumerate(all_series):
        hover = f"%{{y:.3~g}} {unit}"
        data += drawn(index, series, f"{family}_p50_{unit}", f"{hover} p50")
        shown = ("p90", "p99") if len(all_series) == 1 else ("p99",)
        for statistic in shown:
            x, tail = values(series, f"{family}_{statistic}_{unit}")
            thin = {"color": COLOURS[index], "dash": DASHES[index], "width": 1}
            trace = {
                "type": "scatter",
                "mode": "lines+markers",
                "name": f"{series.name} {statistic}",
                "x": x,
                "y": tail,
                "line": thin,
                "marker": {"color": COLOURS[index], "size": 4},
                "opacity": 0.7,
            }
            data.append(
                {
                    **hollow(trace, series, x),
                    **said(series, x, f"{family}_{statistic}_{unit}", f"{hover} {statistic}"),
                    **error_bars(index, series, f"{family}_{statistic}_{unit}"),
                    **opening(series.results, x),
                }
            )
    layout = {
        **tooltips(all_series),
        **legend_of_marks(all_series),
        "showlegend": False,
        "margin": margins(right=14),
        "xaxis": concurrency_axis(_("concurrency"), all_series),
        "yaxis": {
            "title": {"text": f"{family_label(family)}, {unit}"},
            "rangemode": "tozero",
        },
    }
    return Figure(data, layout)
