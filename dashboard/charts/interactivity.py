"""Throughput vs interactivity: total output rate over the output rate per user."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from dashboard.charts.figures import Figure, margins
from dashboard.charts.series import (
    FAINT_INK,
    Series,
    hollow,
    legend_of_marks,
    line,
    numbered,
    opening,
)
from jobs.queries.results.devices import per_user

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
Box = tuple[float, float, float, float]  # left, bottom, right, top


def figure(all_series: Sequence[Series]) -> Figure:
    """Return the figure: up and right is better, labels at the points are concurrencies.

    A point needs ``tpot_p50_ms`` (ms per token; its inverse is tok/s per user) and
    ``output_tokens_per_s`` at a concurrency.

    Labels that overlap points or labels are moved or omitted; the tooltip always has the value.
    """
    rows_of = [_rows(series) for series in all_series]
    places = iter(label_places([row for rows in rows_of for row in rows]))
    data = []
    for index, (series, rows) in enumerate(zip(all_series, rows_of, strict=True)):
        trace = line(index, series.name, [row[1] for row in rows], [row[2] for row in rows])
        trace = hollow(trace, series, [row[0] for row in rows])
        placed = [next(places) for _row in rows]
        numbers = [str(row[0]) for row in rows]
        data.append(
            trace
            | {
                "mode": "lines+markers+text",
                "text": [n if place else "" for n, place in zip(numbers, placed, strict=True)],
                "textposition": [place or "top right" for place in placed],
                "hovertext": [numbered(series, row[0], "output_tokens_per_s") for row in rows],
                "cliponaxis": False,  # label of the highest point
                "textfont": {"size": 11, "color": FAINT_INK},
                "hovertemplate": "%{hovertext}: %{y:.1f} tok/s, %{x:.1f} tok/s "
                + _("per user")
                + "<extra>%{fullData.name}</extra>",
                **opening(series.results, [row[0] for row in rows]),
            }
        )
    layout = {
        **legend_of_marks(all_series),
        "showlegend": False,
        "hovermode": "closest",
        "margin": margins(),
        "xaxis": {
            "title": {"text": _("tok/s per user (1 / TPOT p50)  →  better")},
            "showgrid": True,
            "rangemode": "tozero",
        },
        "yaxis": {"title": {"text": _("output, tok/s  →  better")}, "rangemode": "tozero"},
    }
    return Figure(data, layout)


def _rows(series: Series) -> list[tuple[int, float, float]]:
    return [
        (concurrency, rate, metrics["output_tokens_per_s"])
        for concurrency, metrics in series.points
        if (rate := per_user(metrics)) is not None
        and metrics.get("output_tokens_per_s") is not None
    ]


def label_places(rows: Sequence[tuple[int, float, float]]) -> list[str]:
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
