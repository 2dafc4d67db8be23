"""Figures as JSON for Plotly, and the parts that several charts share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.timezone import localtime

from jobs.statistics import Interval

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as Checked

# Colour tokens of static/css/tokens.css, one per series of a page.
COLOURS = (*(f"var(--d{number})" for number in range(1, 8)), "var(--ink-2)")
INK, FAINT_INK, BAND = "var(--ink)", "var(--ink-3)", "var(--band)"
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "2px 6px", "8px 2px")
SYMBOLS = (
    *("circle", "square", "diamond", "triangle-up", "star", "hexagon"),
    *("triangle-down", "pentagon"),
)
# Shape and colour by who measured what.
ORIGINS: Mapping[str, tuple[str, str]] = {
    "ours": ("circle", COLOURS[0]),
    "external": ("square", COLOURS[1]),
    "imported": ("diamond", COLOURS[2]),
    "published": ("x", "var(--d-ref)"),
}
# Mark of traces whose points open a panel: js/lib/chart_points.js reads it.
POINT = "point"


@dataclass(frozen=True, slots=True)
class Figure:
    """Traces and layout; ``height``: pixels, where the rows decide it.

    Plotly validates each figure with ``VALIDATE_FIGURES`` only, which tests set, because its
    objects take ten times the time of the figure, and its import a tenth of a second of each start.
    """

    data: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    height: int = 0

    def __post_init__(self) -> None:
        if settings.VALIDATE_FIGURES:
            self.checked()

    def checked(self) -> Checked:
        """Return the figure as objects of Plotly. Raises ``ValueError`` for unknown properties."""
        import plotly.io  # noqa: PLC0415 -- see above
        from plotly.graph_objects import Figure as Checked  # noqa: PLC0415

        # The page has its own template, static/plotly-template.json: figures carry none.
        plotly.io.templates.default = None
        return Checked(self.data, self.layout)

    def to_plotly_json(self) -> dict[str, Any]:
        return {"data": [*self.data], "layout": self.layout}


def scatter(
    name: str, mode: str, x: Sequence[Any], y: Sequence[Any], **more: Any
) -> dict[str, Any]:
    return {"type": "scatter", "mode": mode, "name": name, "x": x, "y": y, **more}


def margins(*, left: int = 52, right: int = 20, top: int = 20) -> dict[str, int]:
    """Return margins in pixels with room for the titles and labels of both axes. With less room,
    Plotly draws a chart, measures its texts, and draws the chart again."""
    return {"l": left, "r": right, "t": top, "b": 56}


def layout(x: Mapping[str, Any], y: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    own = {"showlegend": False, "hovermode": "closest", "margin": margins()}
    return {**own, "xaxis": x, "yaxis": y, **more}


def clock(when: datetime) -> str:
    """Return the time in the viewer's zone, as Plotly takes it: without an offset."""
    return f"{localtime(when):%Y-%m-%d %H:%M:%S}"


def axis(title: str, **more: Any) -> dict[str, Any]:
    return {"title": {"text": title}, **more}


def bars(
    values: Iterable[tuple[float | None, Interval | None]], colour: str, **look: Any
) -> dict[str, Any]:
    """Return error bars of values with their intervals, in the unit of the axis. An interval may
    lie beside the shown value, as that of a percentile over all requests: bars have no negative
    length."""
    known = [(at or 0.0, one if at is not None else None) for at, one in values]
    return {
        "type": "data",
        "symmetric": False,
        "array": [round(max(0.0, one.high - at), 6) if one else None for at, one in known],
        "arrayminus": [round(max(0.0, at - one.low), 6) if one else None for at, one in known],
        "color": colour,
        "thickness": 1.5,
        **look,
    }


def scaled(interval: Interval, scale: float = 100.0) -> Interval:
    """Return an interval in per cent or points, without digits that no question could cause."""
    low, high = round(scale * interval.low, 6), round(scale * interval.high, 6)
    return Interval(round(scale * interval.value, 6), low, high)


def note(text: str, **more: Any) -> dict[str, Any]:
    """Return an annotation above a chart, by default in its right corner."""
    place = {"x": 1, "y": 1, "xref": "paper", "yref": "paper"}
    colour = more.pop("colour", FAINT_INK)
    look = {"showarrow": False, "font": {"size": 11, "color": colour}}
    return {"text": text, **place, "xanchor": "right", "yanchor": "bottom", **look, **more}


def upright(x: Any, colour: str) -> dict[str, Any]:
    line = {"color": colour, "dash": "dash", "width": 1}
    ends = {"x0": x, "x1": x, "y0": 0, "y1": 1}
    return {"type": "line", "xref": "x", "yref": "paper", **ends, "line": line}
