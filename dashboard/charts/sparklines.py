"""Small lines without axes, as SVG: last runs, last minutes."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

SPARK_WIDTH, SPARK_HEIGHT = 72, 20
AREA_WIDTH, AREA_HEIGHT = 240, 34


def spark(values: Sequence[float], label: str, judged: str) -> SafeString:
    """Return a line with a dot on the last value; "" for fewer than two values."""
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


def area(values: Sequence[float | None], label: str) -> SafeString:
    """Return an area from zero, with gaps for None."""
    top = max((value for value in values if value is not None), default=0.0)
    step = AREA_WIDTH / max(1, len(values) - 1)
    runs: list[list[str]] = []
    for index, value in enumerate(values):
        if value is None:
            continue
        if not runs or values[index - 1] is None:
            runs.append([])
        height = (AREA_HEIGHT - 3) * value / top if top else 0
        runs[-1].append(f"{index * step:.1f} {AREA_HEIGHT - 1 - height:.1f}")
    lines = [run if len(run) > 1 else run * 2 for run in runs]
    return format_html(
        '<svg class="area" viewBox="0 0 240 34" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><path class="f" d="{}"/><path class="s" d="{}"/></svg>',
        label,
        "".join(f"M{_foot(run[0])}L{'L'.join(run)}L{_foot(run[-1])}Z" for run in lines),
        "".join(f"M{'L'.join(run)}" for run in lines),
    )


def _foot(point: str) -> str:
    """Return the point on the baseline below ``point``."""
    return f"{point.partition(' ')[0]} {AREA_HEIGHT}"
