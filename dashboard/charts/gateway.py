"""Tokens that passed the gateway, by hour and model."""

from collections import Counter
from collections.abc import Iterable

from django.utils.translation import gettext as _

from dashboard.charts.figure_parts import COLOURS, Figure, axis, layout
from jobs.models import GatewayUse

_HOUR_MS = 3_600_000


def tokens_by_hour(rows: Iterable[GatewayUse]) -> Figure:
    """Draw prompt and output tokens together, a bar an hour with a part for each model."""
    found = dict[str, Counter[int]]()
    for row in rows:
        hour = int(row.hour.timestamp() * 1000)
        tokens = row.prompt_tokens + row.completion_tokens
        found.setdefault(row.model, Counter())[hour] += tokens
    traces = [
        {
            "type": "bar",
            "name": model,
            "x": sorted(hours),
            "y": [hours[hour] for hour in sorted(hours)],
            "width": _HOUR_MS,
            "marker": {"color": COLOURS[place % len(COLOURS)]},
        }
        for place, (model, hours) in enumerate(sorted(found.items()))
    ]
    more = {"barmode": "stack", "showlegend": len(traces) > 1, "hovermode": "x unified"}
    return Figure(traces, layout({"type": "date"}, axis(_("Tokens")), **more))
