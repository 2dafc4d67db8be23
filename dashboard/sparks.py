"""Small lines without axes, as SVG: the last runs, the last minutes."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

SPARK_WIDTH, SPARK_HEIGHT = 72, 20
AREA_WIDTH, AREA_HEIGHT = 240, 34


def spark(values: Sequence[float], label: str, judged: str) -> SafeString:
    """A line of at least two values with a dot on the last; nothing for fewer."""
    if len(values) < 2:
        return mark_safe("")
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    step = (SPARK_WIDTH - 4) / (len(values) - 1)
    points = [
        (2 + index * step, SPARK_HEIGHT - 2 - (SPARK_HEIGHT - 4) * (value - low) / spread)
        for index, value in enumerate(values)
    ]
    return format_html(
        '<svg class="spark {}" viewBox="0 0 72 20" role="img" aria-label="{}">'
        '<polyline points="{}"/><circle cx="{}" cy="{}" r="2"/></svg>',
        judged,
        label,
        " ".join(f"{x:.1f},{y:.1f}" for x, y in points),
        f"{points[-1][0]:.1f}",
        f"{points[-1][1]:.1f}",
    )


def area(values: Sequence[float], label: str) -> SafeString:
    """An area from zero; a flat line at the bottom where nothing was measured."""
    filled = list(values) if len(values) > 1 else [0.0, 0.0]
    top = max(max(filled) * 1.12, 1e-9)
    step = AREA_WIDTH / (len(filled) - 1)
    line = "L".join(
        f"{index * step:.1f} {AREA_HEIGHT - 1 - (AREA_HEIGHT - 3) * value / top:.1f}"
        for index, value in enumerate(filled)
    )
    return format_html(
        '<svg class="area" viewBox="0 0 240 34" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><path class="f" d="M{}L240 34L0 34Z"/><path class="s" d="M{}"/></svg>',
        label,
        line,
        line,
    )
