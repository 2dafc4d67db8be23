"""Tokens that passed the gateway, by hour and model."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from dashboard.charts.figure_parts import COLOURS, Figure, axis, layout
from jobs.models import GatewayUse

_HOUR_MS = 3_600_000


def tokens_by_hour(rows: Iterable[GatewayUse], days: int = 0) -> Figure:
    """Draw prompt and output tokens together, a bar an hour of the viewer with a part for each
    model; with ``days``, the axis is as long as these until now."""
    found = dict[str, Counter[str]]()
    for row in rows:
        tokens = row.prompt_tokens + row.completion_tokens
        found.setdefault(row.model, Counter())[_clock(row.hour)] += tokens
    traces = [
        {
            "type": "bar",
            "name": model,
            "x": sorted(hours),
            "y": [hours[hour] for hour in sorted(hours)],
            "width": _HOUR_MS,
            "offset": 0,
            "marker": {"color": COLOURS[place % len(COLOURS)]},
        }
        for place, (model, hours) in enumerate(sorted(found.items()))
    ]
    end = localtime()
    span = {"range": [_clock(end - timedelta(days=days)), _clock(end)]} if days else {}
    more = {"barmode": "stack", "showlegend": len(traces) > 1, "hovermode": "x unified"}
    return Figure(traces, layout({"type": "date", **span}, axis(_("Tokens")), **more))


def _clock(when: datetime) -> str:
    return f"{localtime(when):%Y-%m-%d %H:%M}"
