"""Small lines without axes, as SVG: last runs, last minutes."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

_SPARK = 72, 20
_AREA = 240, 34


def spark(values: Sequence[float], label: str, judged: str = "") -> SafeString:
    """Return the last runs as a line, oldest first, with a dot on the last one; "" for fewer than
    two. ``judged``: "better" or "worse" for the last one."""
    if len(values) < 2:
        return mark_safe("")
    (width, height), low, high = _SPARK, min(values), max(values)
    spread, step = (high - low) or 1.0, (width - 4) / (len(values) - 1)
    points = [
        (f"{2 + index * step:.1f}", f"{height - 2 - (height - 4) * (value - low) / spread:.1f}")
        for index, value in enumerate(values)
    ]
    return format_html(
        '<svg class="spark {}" viewBox="0 0 72 20" role="img" aria-label="{}">'
        '<polyline points="{}"/><circle cx="{}" cy="{}" r="2"/></svg>',
        *(judged, label, " ".join(map(",".join, points)), *points[-1]),
    )


def area(values: Sequence[float | None], label: str) -> SafeString:
    """Return a rate over the last minutes as an area from zero, oldest first; None is a gap."""
    width, height = _AREA
    top = max((value for value in values if value is not None), default=0.0)
    step = width / max(1, len(values) - 1)
    runs: list[list[str]] = []
    for index, value in enumerate(values):
        if value is None:
            continue
        if not runs or values[index - 1] is None:
            runs.append([])
        risen = (height - 3) * value / top if top else 0
        runs[-1].append(f"{index * step:.1f} {height - 1 - risen:.1f}")
    lines = [run if len(run) > 1 else run * 2 for run in runs]

    def foot(point: str) -> str:
        return f"{point.partition(' ')[0]} {height}"

    return format_html(
        '<svg class="area" viewBox="0 0 240 34" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><path class="f" d="{}"/><path class="s" d="{}"/></svg>',
        label,
        "".join(f"M{foot(run[0])}L{'L'.join(run)}L{foot(run[-1])}Z" for run in lines),
        "".join(f"M{'L'.join(run)}" for run in lines),
    )
