"""History of a measurement: single runs, means of its periods, and marks of what changed."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.charts import figure_parts as fig
from dashboard.charts.curves import point_address
from dashboard.charts.figure_parts import COLOURS, Figure, clock, scaled
from dashboard.text.labels import metric_label, metric_text, result_name
from jobs.metrics import METRICS
from jobs.queries.comparison.history import History

_MARKS = {"better": "var(--ok)", "worse": "var(--bad)"}
_TICKS = [
    {"dtickrange": [None, 43_200_000], "value": "%m-%d %H:%M"},
    {"dtickrange": [43_200_000, "M12"], "value": "%Y-%m-%d"},
    {"dtickrange": ["M12", None], "value": "%Y"},
]


def figure(history: History) -> Figure:
    """Return the figure over time: a dot per run, hollow if it does not count, a diamond with its
    95 % interval per period, and a numbered line where the identity changed."""
    scale = 100.0 if METRICS[history.metric].unit == "%" else 1.0
    unit, label = metric_text(history.metric, 1.0)[1], metric_label(history.metric)
    traces = [_dots(history, scale, unit)]
    if any(len(period.values) > 1 or period.interval for period in history.periods):
        traces.append(_means(history, scale, unit))
    shapes, annotations = [], []
    for period in history.periods:
        if period.parts:
            verdict = period.change.verdict if period.change else ""
            at, colour = clock(period.runs[0].created_at), _MARKS.get(verdict, fig.FAINT_INK)
            shapes.append(fig.upright(at, colour))
            number = fig.note(str(period.number), x=at, xref="x", xanchor="auto", colour=colour)
            annotations.append(number)
    # Of shares, small changes would vanish on an axis from 0.
    mode = {"rangemode": "normal"} if scale > 1 else {}
    return Figure(
        traces,
        fig.layout(
            fig.axis(_("Measured"), type="date", nticks=6, tickformatstops=_TICKS, showgrid=False),
            fig.axis(f"{label}, {unit}" if unit else label, **mode),
            margin=fig.margins(left=56, top=26),
            shapes=shapes,
            annotations=annotations,
        ),
    )


def _dots(history: History, scale: float, unit: str) -> dict[str, Any]:
    at = history.concurrency
    runs = [
        (run, value * scale)
        for period in history.periods
        for run in period.runs
        if (value := history.values.get(run.pk)) is not None
    ]
    times, values = (
        [clock(run.created_at) for run, _value in runs],
        [value for _run, value in runs],
    )
    symbols = ["circle" if run.counts else "circle-open" for run, _value in runs]
    return fig.scatter(
        *(_("run"), "markers", times, values),
        text=[result_name(run) for run, _value in runs],
        # Pages of points; of an evaluation, that of its result.
        customdata=[
            reverse("result-detail", args=[run.pk]) if at is None else point_address(run.pk, at)
            for run, _value in runs
        ],
        meta=fig.POINT if at is not None else None,
        marker={"color": COLOURS[0], "symbol": symbols, "size": 7},
        opacity=0.85,
        hovertemplate=f"%{{text}}: %{{y:.4~g}} {unit}<br>%{{x|%Y-%m-%d %H:%M}}<extra></extra>",
    )


def _means(history: History, scale: float, unit: str) -> dict[str, Any]:
    shown = [(one, one.mean * scale) for one in history.periods if one.mean is not None]
    bounds = [(mean, scaled(one.interval, scale) if one.interval else None) for one, mean in shown]
    text = _("mean of %(n)s runs") % {"n": "%{text}"}
    times = []
    for period, _mean in shown:
        counted = [run.created_at for run in period.runs if run.counts]
        times.append(clock(counted[0] + (counted[-1] - counted[0]) / 2))
    means = [mean for _period, mean in shown]
    return fig.scatter(
        *(_("mean"), "lines+markers", times, means),
        text=[str(len(period.values)) for period, _mean in shown],
        line={"color": fig.INK, "dash": "dot", "width": 1},
        marker={"color": fig.INK, "symbol": "diamond", "size": 7},
        error_y=fig.bars(bounds, fig.INK),
        hovertemplate=f"{text}: %{{y:.4~g}} {unit}<extra></extra>",
    )
