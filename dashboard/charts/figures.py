"""Figures, as JSON for Plotly in the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from django.conf import settings


def margins(*, left: int = 52, right: int = 20, top: int = 20) -> dict[str, int]:
    """Return margins in pixels with room for the titles and labels of both axes.

    With less room, Plotly draws a chart, measures its texts, and draws the chart again.
    """
    return {"l": left, "r": right, "t": top, "b": 56}


@dataclass(frozen=True, slots=True)
class Figure:
    """Traces and layout.

    Plotly validates each figure with ``VALIDATE_FIGURES`` only, which tests set. Its objects take
    ten times the time of the figure, and a page has up to eight.
    """

    data: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]

    def __post_init__(self) -> None:
        if settings.VALIDATE_FIGURES:
            self.checked()

    def checked(self) -> go.Figure:
        """Return the figure as objects of Plotly. Raises ``ValueError`` for unknown properties."""
        return go.Figure(self.data, self.layout)

    def to_plotly_json(self) -> dict[str, Any]:
        """Return ``{"data": traces, "layout"}``."""
        return {"data": [*self.data], "layout": self.layout}
