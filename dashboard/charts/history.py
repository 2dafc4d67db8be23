"""History of a measurement: single runs, means of its periods, and marks of what changed."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from dashboard.charts.figures import Figure, margins
from dashboard.charts.series import COLOURS, FAINT_INK, INK, POINT, point_address
from dashboard.text.labels import metric_label, metric_text, result_name
from jobs.metrics import METRICS
from jobs.models import Result
from jobs.queries.comparison.history import History, Period

_MARKS = {"better": "var(--ok)", "worse": "var(--bad)"}
_TICKS = [
    {"dtickrange": [None, 43_200_000], "value": "%m-%d %H:%M"},
    {"dtickrange": [43_200_000, "M12"], "value": "%Y-%m-%d"},
    {"dtickrange": ["M12", None], "value": "%Y"},
]


def figure(history: History) -> Figure:
    """Return the figure over time: a dot per run, hollow if it does not count, a diamond with its
    95 % interval per period, and a numbered line where the identity changed.

    Shares are per cent. Periods without a value have a line only.
    """
    scale = 100.0 if METRICS[history.metric].unit == "%" else 1.0
    unit = metric_text(history.metric, 1.0)[1]
    traces = [_dots(history, scale, unit)]
    if any(len(period.values) > 1 or period.interval for period in history.periods):
        traces.append(_means(history, scale, unit))
    changes = [period for period in history.periods if period.parts]
    layout = {
        "showlegend": False,
        "hovermode": "closest",
        "margin": margins(left=56, top=26),
        "xaxis": {
            "type": "date",
            "title": {"text": _("Created")},
            "nticks": 6,
            "tickformatstops": _TICKS,
            "showgrid": False,
        },
        # Of shares, small changes would vanish on an axis from 0.
        "yaxis": {
            "title": {"text": _title(history, unit)},
            **({"rangemode": "normal"} if scale > 1 else {}),
        },
        "shapes": [_line(period) for period in changes],
        "annotations": [_number(period) for period in changes],
    }
    return Figure(traces, layout)


def _title(history: History, unit: str) -> str:
    label = metric_label(history.metric)
    return f"{label}, {unit}" if unit else label


def _dots(history: History, scale: float, unit: str) -> dict[str, Any]:
    runs = [
        (run, value * scale)
        for period in history.periods
        for run in period.runs
        if (value := history.value(run)) is not None
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": _("run"),
        "x": [_time(run) for run, _value in runs],
        "y": [value for _run, value in runs],
        "text": [result_name(run) for run, _value in runs],
        "customdata": [_address(history, run) for run, _value in runs],
        "meta": POINT if history.concurrency is not None else None,
        "marker": {
            "color": COLOURS[0],
            "symbol": ["circle" if run.counts else "circle-open" for run, _value in runs],
            "size": 7,
        },
        "opacity": 0.85,
        "hovertemplate": f"%{{text}}: %{{y:.4~g}} {unit}<br>%{{x|%Y-%m-%d %H:%M}}<extra></extra>",
    }


def _means(history: History, scale: float, unit: str) -> dict[str, Any]:
    shown = [(period, period.mean) for period in history.periods if period.mean is not None]
    bounds = [(period.interval, mean) for period, mean in shown]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": _("mean"),
        "x": [_middle(period) for period, _mean in shown],
        "y": [mean * scale for _period, mean in shown],
        "text": [str(len(period.values)) for period, _mean in shown],
        "line": {"color": INK, "dash": "dot", "width": 1},
        "marker": {"color": INK, "symbol": "diamond", "size": 7},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [(one.high - mean) * scale if one else None for one, mean in bounds],
            "arrayminus": [(mean - one.low) * scale if one else None for one, mean in bounds],
            "color": INK,
            "thickness": 1.5,
        },
        "hovertemplate": _("mean of %(n)s runs") % {"n": "%{text}"}
        + f": %{{y:.4~g}} {unit}<extra></extra>",
    }


def _address(history: History, run: Result) -> str:
    """Return the page of a run's point; of an evaluation, that of its result."""
    if history.concurrency is None:
        return reverse("result-detail", args=[run.pk])
    return point_address(run.pk, history.concurrency)


def _time(run: Result) -> str:
    """Return the time in the viewer's zone, as Plotly takes it: without an offset."""
    return f"{localtime(run.created_at):%Y-%m-%d %H:%M:%S}"


def _middle(period: Period) -> str:
    counted = [run.created_at for run in period.runs if run.counts]
    middle = counted[0] + (counted[-1] - counted[0]) / 2
    return f"{localtime(middle):%Y-%m-%d %H:%M:%S}"


def _colour(period: Period) -> str:
    verdict = period.change.verdict if period.change else ""
    return _MARKS.get(verdict, FAINT_INK)


def _line(period: Period) -> dict[str, Any]:
    at = _time(period.runs[0])
    line = {"color": _colour(period), "dash": "dash", "width": 1}
    return {"type": "line", "xref": "x", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1} | {
        "line": line
    }


def _number(period: Period) -> dict[str, Any]:
    return {
        "x": _time(period.runs[0]),
        "y": 1,
        "xref": "x",
        "yref": "paper",
        "yanchor": "bottom",
        "text": str(period.number),
        "showarrow": False,
        "font": {"size": 11, "color": _colour(period)},
    }
