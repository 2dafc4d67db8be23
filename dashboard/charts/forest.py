"""Forest plots of accuracy: by category, and differences by data set with the margin."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from django.utils.translation import gettext as _

from dashboard.charts.figures import (
    BAND,
    COLOURS,
    INK,
    SYMBOLS,
    Figure,
    axis,
    bars,
    layout,
    scaled,
)
from jobs.queries.results.results import Category
from jobs.statistics import Interval

_ROW_PX, _FRAME_PX = 28, 62
_NAME = 22  # letters that fit into the margin
_AIR = 1.15  # of the widest interval
Row = tuple[str, Interval, float]  # name, interval in the unit of the axis, size of the mark


@dataclass(frozen=True, slots=True)
class Difference:
    """Row of the chart: a data set, several, or all questions (``is_whole``); from 0 to 1."""

    name: str
    gap: Interval
    is_whole: bool = False


def categories(found: Sequence[Category], pooled: Interval | None) -> Figure:
    """Return a row per category, the whole set as a diamond below, in per cent; squares grow with
    the questions. ``pooled``: accuracy of the whole set."""
    rows = [(one.name, scaled(one.share), 6 + min(8.0, sqrt(one.questions))) for one in found]
    data = [_trace(_("accuracy"), rows, "%{x:.1f} %")]
    if pooled is not None:
        data.append(_trace(_("all"), [(_("all"), scaled(pooled), 12)], "%{x:.1f} %", is_whole=True))
    heading = _("Data set") if any(one.is_set for one in found) else _("Category")
    x = axis(_("accuracy, %, with 95 % interval"), range=[0, 100], showgrid=True)
    return _figure(data, heading, x)


def differences(rows: Sequence[Difference], margin: float) -> Figure:
    """Return a row per data set in points, all questions as a diamond below.

    A whole interval inside of the band means *equivalent*.
    """
    data = []
    for title, is_whole, size in ((_("difference"), False, 9), (_("all questions"), True, 12)):
        own = [(one.name, scaled(one.gap), size) for one in rows if one.is_whole == is_whole]
        data += [_trace(title, own, "%{x:+.2f}", is_whole=is_whole)] if own else []
    ends = [abs(end) for one in rows for end in (one.gap.low, one.gap.high)]
    most = 100 * _AIR * max([margin, *ends])
    x = axis(_("difference, points"), range=[-most, most], showgrid=True)
    x |= {"zeroline": True, "zerolinecolor": INK}
    band = {"type": "rect", "layer": "below", "xref": "x", "yref": "paper", "y0": 0, "y1": 1}
    band |= {"x0": -100 * margin, "x1": 100 * margin, "fillcolor": BAND, "line": {"width": 0}}
    return _figure(data, _("Data set"), x, shapes=[band])


def _figure(data: list[dict[str, Any]], heading: str, x: dict[str, Any], **more: Any) -> Figure:
    """Return a figure with a row a name; ``heading``: that of the names in the table."""
    names = [name for trace in data for name in trace["y"]]
    y = {
        "autorange": "reversed",
        # Full names as keys: names with equal shortened text stay separate rows.
        "tickvals": names,
        "ticktext": [_short(name) for name in names],
        "showgrid": False,
        "fixedrange": True,
    }
    frame = {"margin": {"l": 150, "r": 16, "t": 8, "b": 44}, "meta": {"rows": heading}}
    return Figure(data, layout(x, y, **frame, **more), _FRAME_PX + _ROW_PX * len(names))


def _short(name: str) -> str:
    """Return a name cut in the middle, because names differ at the end (int8, fp16)."""
    return name if len(name) <= _NAME else f"{name[: _NAME // 2]}…{name[1 - _NAME // 2 :]}"


def _trace(
    title: str, rows: Sequence[Row], hover: str, *, is_whole: bool = False
) -> dict[str, Any]:
    colour, symbol = (INK, "diamond") if is_whole else (COLOURS[0], SYMBOLS[1])
    sizes = [size for _name, _one, size in rows]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [one.value for _name, one, _size in rows],
        "y": [name for name, _one, _size in rows],
        "name": title,
        "error_x": bars([(one.value, one) for _name, one, _size in rows], colour, width=4),
        "marker": {"color": colour, "symbol": symbol, "size": sizes},
        "hovertemplate": f"%{{y}}: {hover}<extra></extra>",
    }
