"""Results in charts, one colour, dash and symbol per page: rates and latencies over concurrency,
throughput over the rate per user."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from math import ceil
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.charts import figure_parts as fig
from dashboard.charts.figure_parts import COLOURS, DASHES, Figure, axis
from dashboard.text.labels import metric_text
from jobs.queries.results import provenance
from jobs.queries.results.curve import RATE, CurvePoint
from jobs.queries.results.tradeoff import frontier
from jobs.statistics import Interval, quantile_interval

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
_THIN = {"p90": "cross", "p99": "x"}  # marks of a percentile, which no series has
_MARKED = (0.5, 0.9, 0.99)
_SHARES = (*(percent / 100 for percent in range(1, 100)), 0.995, 0.999)
_LEGEND_ROW, _IN_A_ROW = 19, 3  # height in pixels; curves in a row of a wide window
_CLOSEST = 0.05  # of the axis, between two of its labels
_WIDE = 20  # from this ratio of the largest to the smallest value, the axis is logarithmic
Points = Sequence[tuple[int, Mapping[str, Any]]]
# (load, value, its interval) of a search.
LoadPoints = Sequence[tuple[float, float | None, Interval | None]]


class CurveRun(NamedTuple):
    """Run of a group: name, points, False where it counts, id of its result; None: no page."""

    name: str
    points: Points
    is_disturbed: bool
    result: int | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Result in a chart: name, ``(concurrency, metrics)`` in drawing order.

    ``results``: id of the result whose point opens a panel, by concurrency. For a group, ``points``
    are means, ``intervals`` their 95 % intervals by (concurrency, metric), and ``runs`` the single
    runs. ``marks``: what limits a point, by concurrency: such points are hollow, as are runs that
    do not count.
    """

    name: str
    points: Points
    results: Mapping[int, int] = field(default_factory=dict)
    marks: Mapping[int, Sequence[str]] = field(default_factory=dict)
    intervals: Mapping[tuple[int, str], Interval] = field(default_factory=dict)
    runs: Sequence[CurveRun] = ()

    def values(self, metric: str) -> tuple[list[int], list[float | None]]:
        """Return concurrencies and the metric at each; None: not measured."""
        return [c for c, _m in self.points], [m.get(metric) for _c, m in self.points]


def throughput(all_series: Sequence[Series], rate: str = RATE) -> Figure:
    """Return the output rate over concurrency: one line per result, y axis from zero. ``rate``:
    its metric, of all or in a unit."""
    data = [
        trace
        for index, series in enumerate(all_series)
        for trace in drawn(index, series, rate, f"%{{y:.4~g}} {_unit(rate)}")
    ]
    title = _("output, %(unit)s") % {"unit": _unit(rate)}
    return Figure(data, over_concurrency(all_series, title))


def _unit(rate: str) -> str:
    return metric_text(rate, 0.5)[1]


def over_concurrency(all_series: Sequence[Series], title: str) -> dict[str, Any]:
    """Return the layout of lines over concurrency, with measured values as ticks."""
    ticks = sorted({c for series in all_series for c, _m in series.points})
    least, widest = min(ticks, default=0), max(ticks, default=1)
    margin = max(0.3, 0.06 * (widest - least))
    named = _apart(ticks, _CLOSEST * (widest - least))
    x = axis(_("concurrency"), tickvals=named, tickangle=0, range=[least - margin, widest + margin])
    more = {**legend_of_marks(all_series), "margin": fig.margins(right=14)}
    shown = fig.layout(x, axis(title, rangemode="tozero"), **more)
    # Runs have a tooltip of the nearest value: all values of a concurrency would be up to 200.
    if not any(series.runs for series in all_series):
        del shown["hovermode"]
    return shown


def _apart(values: Sequence[int], least: float) -> list[int]:
    """Return ascending values without those whose labels would cover the label of a larger one."""
    kept: list[int] = []
    for value in reversed(values):
        if not kept or kept[-1] - value >= least:
            kept.append(value)
    return kept[::-1]


def over_loads(name: str, title: str, points: LoadPoints, limit: float | None = None) -> Figure:
    """Return a metric over the loads of a search, with intervals; ``title``: of the loads.
    ``limit``: of a service level, a dashed line."""
    loads, y, bounds = (list(column) for column in zip(*points, strict=True))
    trace = line(0, name, loads, y)
    if any(bounds):
        trace["error_y"] = fig.bars(zip(y, bounds, strict=True), COLOURS[0])
    data = [trace]
    if limit is not None:
        ends = [min(loads), max(loads)]
        dashed = {"color": COLOURS[1], "dash": "dash", "width": 1}
        data.append(fig.scatter(_("limit"), "lines", ends, [limit, limit], line=dashed))
    x = axis(title, tickvals=loads)
    return Figure(data, fig.layout(x, axis(name, rangemode="tozero"), margin=fig.margins(right=14)))


def line(index: int, name: str, x: Sequence[float], y: Sequence[float | None]) -> dict[str, Any]:
    """Return a trace of series ``index`` of a page, from 0 to 7; None in ``y`` is a gap."""
    line = {"color": COLOURS[index], "dash": DASHES[index], "width": 2}
    marker = {"color": COLOURS[index], "symbol": fig.SYMBOLS[index], "size": 8}
    return fig.scatter(name, "lines+markers", list(x), list(y), line=line, marker=marker)


def drawn(index: int, series: Series, metric: str, hover: str) -> list[dict[str, Any]]:
    """Return the traces of a metric over concurrency: a line, and for a group error bars and a dot
    per run. ``hover``: what a tooltip says of a value."""
    trace = of_points(index, series, metric, hover, line(index, series.name, (), ()))
    return [trace, *([_dots(index, series.runs, metric, hover)] * bool(series.runs))]


def of_points(
    index: int, series: Series, metric: str, hover: str, trace: dict[str, Any]
) -> dict[str, Any]:
    x, y = series.values(metric)
    trace = hollow({**trace, "x": x, "y": y}, series, x) | opening(series.results, x)
    if series.runs or series.marks:
        trace["hovertext"] = numbered(series, x, metric)
        hover = f"%{{hovertext}}: {hover}<extra>%{{fullData.name}}</extra>"
    bounds = [series.intervals.get((concurrency, metric)) for concurrency in x]
    if any(bounds):
        trace["error_y"] = fig.bars(zip(y, bounds, strict=True), COLOURS[index])
    return {**trace, "hovertemplate": hover}


def hollow(trace: dict[str, Any], series: Series, concurrencies: Sequence[int]) -> dict[str, Any]:
    if not series.marks:
        return trace
    symbol = trace["marker"].get("symbol", fig.SYMBOLS[0])
    symbols = [f"{symbol}-open" if at in series.marks else symbol for at in concurrencies]
    return {**trace, "marker": {**trace["marker"], "symbol": symbols}}


def legend_of_marks(all_series: Sequence[Series]) -> dict[str, Any]:
    """Return the layout with what hollow points mean, as a text of the picture itself: saved images
    have no page around them."""
    words = [word for series in all_series for marks in series.marks.values() for word in marks]
    if not words:
        return {}
    text = _("hollow: %(marks)s") % {"marks": _(", ").join(dict.fromkeys(words))}
    return {"annotations": [fig.note(text)]}


def numbered(series: Series, concurrencies: Sequence[int], metric: str) -> list[str]:
    """Return each concurrency with its marks; of a group "4, mean of 3 runs", of those with the
    metric there."""
    points = chain.from_iterable(run.points for run in series.runs)
    counts = Counter(at for at, metrics in points if metrics.get(metric) is not None)
    words = {at: [str(at), *series.marks.get(at, ())] for at in concurrencies}
    for at, own in words.items() if series.runs else ():
        n = counts[at]
        text = _("mean of %(n)s runs") if n > 1 else ngettext("%(n)s run", "%(n)s runs", n)
        own.insert(1, text % {"n": n})
    return [_(", ").join(words[at]) for at in concurrencies]


def opening(results: Mapping[int, int], concurrencies: Sequence[int]) -> dict[str, Any]:
    """Return what makes the points of a trace open their panels; "" for a point without one."""
    if not results:
        return {}
    addresses = [point_address(results[c], c) if c in results else "" for c in concurrencies]
    return {"customdata": addresses, "meta": fig.POINT}


def point_address(result: int, concurrency: int) -> str:
    before, between, after = _point_parts()
    return f"{before}{result}{between}{concurrency}{after}"


@cache
def _point_parts() -> tuple[str, str, str]:
    """Return the parts of a point's address around its numbers: charts have up to 2,400 points."""
    numbers = 123456789, 987654321
    before, rest = reverse("result-point", args=numbers).split(str(numbers[0]))
    between, after = rest.split(str(numbers[1]))
    return before, between, after


def _dots(index: int, runs: Sequence[CurveRun], metric: str, hover: str) -> dict[str, Any]:
    """Return the runs of a group as one trace, which a browser draws faster; its points have the
    names."""
    points = [
        (run, concurrency, metrics[metric])
        for run in runs
        for concurrency, metrics in run.points
        if metric in metrics
    ]
    symbols = ["circle-open" if run.is_disturbed else "circle" for run, *_rest in points]
    x, y = (
        [concurrency for _run, concurrency, _value in points],
        [value for *_rest, value in points],
    )
    return fig.scatter(
        *("", "markers", x, y),
        text=[run.name for run, *_rest in points],
        marker={"color": COLOURS[index], "symbol": symbols, "size": 5},
        opacity=0.8,
        showlegend=False,  # saved images: the group's line is in the legend
        hovertemplate=f"%{{x}}: {hover}<extra>%{{text}}</extra>",
        customdata=[
            "" if run.result is None else point_address(run.result, concurrency)
            for run, concurrency, _value in points
        ],
        meta=fig.POINT,
    )


def measured(all_series: Sequence[Series], metric: str) -> bool:
    return any(metric in m for series in all_series for _c, m in series.points)


def statistics(family: str) -> tuple[str, ...]:
    """Return the metrics of a family for a table of one concurrency: mean, p50, p90, p99."""
    return tuple(
        f"{family}_{name}_{_FAMILIES[family][1]}" for name in ("mean", "p50", "p90", "p99")
    )


def percentiles(family: str, all_series: Sequence[Series]) -> Figure:
    """Return a family over concurrency: p50 bold and p99 thin, of a single result also p90, each
    with marks of its own."""
    unit = _FAMILIES[family][1]
    hover = f"%{{y:.3~g}} {unit}"
    data: list[dict[str, Any]] = []
    for index, series in enumerate(all_series):
        data += drawn(index, series, f"{family}_p50_{unit}", f"{hover} p50")
        for statistic in ("p90", "p99") if len(all_series) == 1 else ("p99",):
            thin = fig.scatter(
                *(f"{series.name} {statistic}", "lines+markers", (), ()),
                line={"color": COLOURS[index], "dash": DASHES[index], "width": 1},
                marker={"color": COLOURS[index], "symbol": _THIN[statistic], "size": 6},
                opacity=0.7,
            )
            metric = f"{family}_{statistic}_{unit}"
            data.append(of_points(index, series, metric, f"{hover} {statistic}", thin))
    return Figure(data, over_concurrency(all_series, _title(family)))


def _title(family: str) -> str:
    label, unit = _FAMILIES[family]
    return f"{label}, {unit}"


class Times(NamedTuple):
    """Times of the completed requests at one concurrency, rising."""

    concurrency: int
    values: Sequence[float]


def times_of(family: str, points: Sequence[CurvePoint]) -> list[Times]:
    """Return the times of each point whose requests all have one; at most :data:`MOST_CURVES`,
    evenly chosen, the lowest and the highest concurrency among them."""
    times = [
        Times(point.concurrency, point.requests.times.get(TIMES[family], ())) for point in points
    ]
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
    line = {"color": fig.FAINT_INK, "dash": "dot", "width": 1}
    return Figure(
        data,
        fig.layout(
            axis(_title(family), showgrid=True, **scale),
            axis(_("requests, %"), range=[0, 101], tickvals=[0, 25, 50, 75, 90, 100]),
            showlegend=True,
            legend=above,
            margin=fig.margins(top=26 + _LEGEND_ROW * ceil(len(all_times) / _IN_A_ROW)),
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
    name = _("concurrency %(c)s (n = %(n)s)") % {"c": times.concurrency, "n": total}
    trace = line(index, name, x, [*(round(100 * share, 1) for share in shares), 100.0])
    trace["marker"]["size"] = [*(8 if share in _MARKED else 0 for share in shares), 0]
    return trace | {
        "error_x": fig.bars(zip(x, [*bounds, None], strict=True), colour),
        "hovertemplate": f"%{{y}} %: %{{x:.4~g}} {unit}<extra>%{{fullData.name}}</extra>",
    }


# Positions of a label next to its point, best first: offset of the box right of and above the
# point, as shares of the box.
PLACES = {
    "top right": (0.0, 0.0),
    "bottom right": (0.0, -1.0),
    "top left": (-1.0, 0.0),
    "bottom left": (-1.0, -1.0),
    "top center": (-0.5, 0.2),
    "bottom center": (-0.5, -1.2),
}
PLOT_PX = (260, 170)  # narrowest chart on a desktop page
_DIGIT_PX, _LINE_PX, _GAP_PX = 7, 13, 4
_EXTRA = "<extra>%{fullData.name}</extra>"
Box = tuple[float, float, float, float]  # left, bottom, right, top
Row = tuple[int, float, float]  # concurrency, x, y
Label = tuple[int | str, float, float]  # number or name, x, y


def interactivity(
    all_series: Sequence[Series], rate: str = RATE, *, has_frontier: bool = False
) -> Figure:
    """Return the output rate over the rate per user, labelled with concurrencies. ``has_frontier``:
    a line joins the points that no other point beats in both. ``rate``: its metric, of all or in a
    unit.

    Labels that overlap points or labels are moved or omitted; the tooltip always has the value.
    """
    rows_of = [_rows(series, rate) for series in all_series]
    everything = [row for rows in rows_of for row in rows]
    places = iter(label_places(everything))
    hover = f"%{{hovertext}}: %{{y:.4~g}} {_unit(rate)}, %{{x:.4~g}} tok/s "
    hover += _("per user") + _EXTRA
    line = frontier_line([row[1:] for row in everything])
    data = [line] if has_frontier and len(line["x"]) > 1 else []
    for index, (series, rows) in enumerate(zip(all_series, rows_of, strict=True)):
        placed = [next(places) for _row in rows]
        labels = [str(row[0]) if place else "" for row, place in zip(rows, placed, strict=True)]
        trace = _trace(index, series, rows, hover)
        trace |= {
            "mode": "lines+markers+text",
            "text": labels,
            "textposition": [place or "top right" for place in placed],
            "textfont": {"size": 11, "color": fig.FAINT_INK},
        }
        data.append(trace)
    x = axis(_("tok/s per user (1 / TPOT p50)  →  better"), showgrid=True, rangemode="tozero")
    y = axis(_("%(unit)s  →  better") % {"unit": _unit(rate)}, rangemode="tozero")
    return Figure(data, fig.layout(x, y, **legend_of_marks(all_series)))


def interactivity_note(*, has_frontier: bool) -> str:
    """Return what the chart shows, as a caption."""
    texts = [_("labels: concurrency"), *([_("dotted: Pareto frontier")] if has_frontier else [])]
    return _("; ").join(texts)


def frontier_line(points: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return the line through those points that no other of them beats in both."""
    best = [points[index] for index in frontier(points)]
    x, y = [x for x, _y in best], [y for _x, y in best]
    look = {"line": {"color": fig.INK, "dash": "dot", "width": 1.5}, "hoverinfo": "skip"}
    return fig.scatter(_("Pareto frontier"), "lines", x, y, **look)


def _rows(series: Series, rate: str) -> list[Row]:
    """Return (concurrency, rate per user, rate) of each point that has both."""
    return [
        (concurrency, x, y)
        for concurrency, metrics in series.points
        if (x := provenance.per_user(metrics)) is not None and (y := metrics.get(rate)) is not None
    ]


def _trace(index: int, series: Series, rows: Sequence[Row], hover: str) -> dict[str, Any]:
    at = [row[0] for row in rows]
    trace = line(index, series.name, [row[1] for row in rows], [row[2] for row in rows])
    return hollow(trace, series, at) | {
        "hovertext": numbered(series, at, RATE),
        "cliponaxis": False,  # label of the highest point
        "hovertemplate": hover,
        **opening(series.results, at),
    }


def label_places(labels: Sequence[Label], size: tuple[int, int] = PLOT_PX) -> list[str]:
    """Return the position of each label; "" without room in a plot of ``size`` pixels. A label ""
    is a point that others avoid."""
    scale = [
        pixels / (1.05 * (max(map(abs, values), default=0.0) or 1.0))
        for pixels, values in zip(
            size, ([x for _, x, _y in labels], [y for *_, y in labels]), strict=True
        )
    ]
    points = [(x * scale[0], y * scale[1]) for _text, x, y in labels]
    taken: list[Box] = [(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    places = []
    for (text, _x, _y), (x, y) in zip(labels, points, strict=True):
        boxes = {name: label_box(x, y, len(str(text)), shift) for name, shift in PLACES.items()}
        free = (
            name
            for name, (left, bottom, right, top) in boxes.items()
            if all(right <= t[0] or t[2] <= left or top <= t[1] or t[3] <= bottom for t in taken)
            if left >= 0 and right <= size[0]
        )
        place = next(free, "") if text != "" else ""
        if place:
            taken.append(boxes[place])
        places.append(place)
    return places


def label_box(x: float, y: float, length: int, shift: tuple[float, float]) -> Box:
    """Return the box of a label of ``length`` characters for a point at ``x``, ``y`` (pixels)."""
    width, height = length * _DIGIT_PX, _LINE_PX
    left = x + shift[0] * width + (_GAP_PX if shift[0] == 0 else -_GAP_PX if shift[0] == -1 else 0)
    bottom = y + shift[1] * height + (_GAP_PX if shift[1] >= 0 else -_GAP_PX)
    return left, bottom, left + width, bottom + height
