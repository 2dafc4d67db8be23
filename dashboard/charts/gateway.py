"""Tokens that passed the gateway, by hour and model."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from dashboard.charts.figure_parts import COLOURS, Figure, axis, clock, layout
from jobs.models import GatewayUse

_HOUR_MS = 3_600_000


def tokens_by_hour(rows: Iterable[GatewayUse], days: int) -> Figure:
    """Draw prompt and output tokens together, a bar an hour of the viewer with a part for each
    model, over the last ``days``."""
    found = dict[str, Counter[str]]()
    for row in rows:
        tokens = row.prompt_tokens + row.completion_tokens
        found.setdefault(row.model, Counter())[clock(row.hour)] += tokens
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
    span = [clock(end - timedelta(days=days)), clock(end)]
    more = {"barmode": "stack", "showlegend": len(traces) > 1, "hovermode": "x unified"}
    return Figure(traces, layout({"type": "date", "range": span}, axis(_("Tokens")), **more))
