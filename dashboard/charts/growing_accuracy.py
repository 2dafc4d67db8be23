"""Accuracy of a running evaluation over time, with its 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from dashboard.charts.figures import Figure
from dashboard.charts.live import CLOCK_TICKS, MAX_POINTS, Series, milliseconds
from dashboard.charts.series import BAND, COLOURS
from jobs.queries.jobs.points import Sample
from jobs.services.intake.scores import counts_of
from jobs.statistics import wilson

NAMES = ("low", "high", "accuracy")


def series(samples: Sequence[Sample], interval_from: float | None = 0.0) -> dict[str, Series]:
    """Return the points for :func:`figure` in per cent, by series name.

    ``samples``: counts of the run by time (seconds since the epoch), oldest first. A sample without
    scored questions has no point. At most ``MAX_POINTS`` points are returned, always with the last.
    The interval starts at ``interval_from`` (seconds since the epoch); None: no interval yet.
    """
    lines: dict[str, Series] = {name: {"t": [], "y": []} for name in NAMES}
    counted = [(at, counts_of(values)) for at, values in samples]
    scored = [sample for sample in counted if sample[1]["scored"] >= 1]
    # Thin out from the end: the last point is the result and always stays.
    step = -(-len(scored) // MAX_POINTS) or 1
    kept = [sample for place, sample in enumerate(reversed(scored)) if place % step == 0]
    for at, counts in reversed(kept):
        share = wilson(counts["right"], int(counts["scored"]))
        has_interval = interval_from is not None and at >= interval_from
        shown = {"accuracy": share.value}
        shown |= {"low": share.low, "high": share.high} if has_interval else {}
        for name, value in shown.items():
            lines[name]["t"].append(milliseconds(at))
            lines[name]["y"].append(round(100 * value, 3))
    return lines


def figure() -> Figure:
    """Return the empty figure, per cent over time. The page appends points.

    Each trace's ``meta`` is its series name.
    """
    edge = {"width": 0, "color": COLOURS[0], "shape": "hv"}
    data = [
        _trace("low", _("interval, low"), edge),
        _trace("high", _("interval, high"), edge)
        | {"fill": "tonexty", "fillcolor": BAND, "hoverinfo": "skip"},
        _trace("accuracy", _("accuracy"), {"width": 2, "color": COLOURS[0], "shape": "hv"})
        | {"mode": "lines+markers", "marker": {"size": 4, "color": COLOURS[0]}},
    ]
    layout = {
        "showlegend": False,
        "hovermode": "x unified",
        "margin": {"l": 44, "r": 12, "t": 8, "b": 26},
        "xaxis": {"type": "date", "nticks": 5, "tickformatstops": CLOCK_TICKS},
        "yaxis": {
            "title": {"text": _("accuracy, %")},
            "nticks": 5,
            "autorangeoptions": {"minallowed": 0, "maxallowed": 100},
        },
    }
    return Figure(data, layout)


def _trace(name: str, title: str, line: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [],
        "y": [],
        "name": title,
        "meta": name,
        "line": line,
        "hovertemplate": "%{y:.1f} %",
    }
