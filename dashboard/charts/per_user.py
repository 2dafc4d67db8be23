"""Throughput vs output rate per user: of the whole engine, and per device with the frontier."""

from collections.abc import Callable, Sequence
from typing import Any

from django.utils.translation import gettext as _

from dashboard.charts import series as over
from dashboard.charts.figures import FAINT_INK, INK, Figure, axis, layout
from dashboard.charts.series import Series
from jobs.queries.results import provenance
from jobs.queries.results.curve import RATE
from jobs.queries.results.tradeoff import frontier

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


def interactivity(all_series: Sequence[Series]) -> Figure:
    """Return the output rate over the rate per user: up and right is better, labels at the points
    are concurrencies.

    Labels that overlap points or labels are moved or omitted; the tooltip always has the value.
    """
    rows_of = [_rows(series, lambda metrics: metrics.get(RATE)) for series in all_series]
    places = iter(label_places([row for rows in rows_of for row in rows]))
    hover = "%{hovertext}: %{y:.1f} tok/s, %{x:.1f} tok/s " + _("per user") + _EXTRA
    data = []
    for index, (series, rows) in enumerate(zip(all_series, rows_of, strict=True)):
        placed = [next(places) for _row in rows]
        labels = [str(row[0]) if place else "" for row, place in zip(rows, placed, strict=True)]
        trace = _trace(index, series, rows, hover)
        trace |= {
            "mode": "lines+markers+text",
            "text": labels,
            "textposition": [place or "top right" for place in placed],
            "textfont": {"size": 11, "color": FAINT_INK},
        }
        data.append(trace)
    return _figure(data, all_series, _("output, tok/s  →  better"))


def per_device(all_series: Sequence[Series]) -> Figure:
    """Return the rate per device over the rate per user: up and right is better. Results without a
    known number of devices have no points.

    The frontier joins the points that no other point of any result beats in both.
    """
    hover = _("concurrency") + " %{hovertext}: %{y:.2f} tok/s " + _("per device")
    hover += ", %{x:.1f} tok/s " + _("per user") + _EXTRA
    data, everything = [], list[tuple[float, float]]()
    for index, series in enumerate(all_series):
        rows = _device_rows(series)
        everything += [(x, y) for _concurrency, x, y in rows]
        data.append(_trace(index, series, rows, hover) | {"mode": "markers"})
    best = [everything[index] for index in frontier(everything)]
    if len(best) > 1:
        joined = {
            "type": "scatter",
            "mode": "lines",
            "name": _("Pareto frontier"),
            "x": [x for x, _y in best],
            "y": [y for _x, y in best],
            "line": {"color": INK, "dash": "dot", "width": 1.5},
            "hoverinfo": "skip",
        }
        data.insert(0, joined)
    return _figure(data, all_series, _("tok/s per device  →  better"))


def has_devices(all_series: Sequence[Series]) -> bool:
    return any(_device_rows(series) for series in all_series)


def _device_rows(series: Series) -> list[Row]:
    return _rows(series, lambda metrics: provenance.per_device(metrics.get(RATE), series.devices))


def _rows(series: Series, rate: Callable[[Any], float | None]) -> list[Row]:
    """Return (concurrency, rate per user, rate) of each point that has both."""
    return [
        (concurrency, x, y)
        for concurrency, metrics in series.points
        if (x := provenance.per_user(metrics)) is not None and (y := rate(metrics)) is not None
    ]


def _trace(index: int, series: Series, rows: Sequence[Row], hover: str) -> dict[str, Any]:
    at = [row[0] for row in rows]
    trace = over.line(index, series.name, [row[1] for row in rows], [row[2] for row in rows])
    return over.hollow(trace, series, at) | {
        "hovertext": [over.numbered(series, concurrency, RATE) for concurrency in at],
        "cliponaxis": False,  # label of the highest point
        "hovertemplate": hover,
        **over.opening(series.results, at),
    }


def _figure(data: list[dict[str, Any]], all_series: Sequence[Series], title: str) -> Figure:
    x = axis(_("tok/s per user (1 / TPOT p50)  →  better"), showgrid=True, rangemode="tozero")
    shown = layout(x, axis(title, rangemode="tozero"), **over.legend_of_marks(all_series))
    return Figure(data, shown)


def label_places(rows: Sequence[Row]) -> list[str]:
    """Return the position of each ``(number, x, y)`` label; "" without room."""
    scale = [
        pixels / (1.05 * (max((abs(row[axis]) for row in rows), default=0.0) or 1.0))
        for axis, pixels in enumerate(PLOT_PX, start=1)
    ]
    points = [(row[1] * scale[0], row[2] * scale[1]) for row in rows]
    taken: list[Box] = [(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    places = []
    for (number, _x, _y), (x, y) in zip(rows, points, strict=True):
        boxes = {name: label_box(x, y, len(str(number)), shift) for name, shift in PLACES.items()}
        free = (name for name, box in boxes.items() if not any(_meet(box, t) for t in taken))
        place = next(free, "")
        if place:
            taken.append(boxes[place])
        places.append(place)
    return places


def label_box(x: float, y: float, digits: int, shift: tuple[float, float]) -> Box:
    """Return the box of a label of ``digits`` digits for a point at ``x``, ``y`` (pixels)."""
    width, height = digits * _DIGIT_PX, _LINE_PX
    left = x + shift[0] * width + (_GAP_PX if shift[0] == 0 else -_GAP_PX if shift[0] == -1 else 0)
    bottom = y + shift[1] * height + (_GAP_PX if shift[1] >= 0 else -_GAP_PX)
    return left, bottom, left + width, bottom + height


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
