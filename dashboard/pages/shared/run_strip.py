"""Runs of a group as cells of one small picture: a state is a colour and a shape."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dashboard.text.labels import style_of

# Up to a number of runs: cells in a line, and the height of one; a gap follows each.
_LAYOUTS = ((33, 33, 12), (66, 33, 8), (10_000, 66, 6))
_WIDTH, _WIDEST, _GAP = 198, 16, 3


def _box(x: float, y: float, w: float, h: float) -> str:
    return f"M{x:g} {y:g}h{w:g}v{h:g}h{-w:g}z"


def _whole(x: float, y: float, w: float, h: float) -> str:
    return _box(x, y, w, h)


def _hollow(x: float, y: float, w: float, h: float) -> str:
    return _box(x, y, w, h) + _box(x + 1, y + 1, w - 2, h - 2)


def _lower_half(x: float, y: float, w: float, h: float) -> str:
    return _box(x, y, w, h) + _box(x + 1, y + 1, w - 2, h / 2 - 1)


def _upper_half(x: float, y: float, w: float, h: float) -> str:
    return _box(x, y, w, h) + _box(x + 1, y + h / 2, w - 2, h / 2 - 1)


def _exclamation(x: float, y: float, w: float, h: float) -> str:
    return _box(x, y, w, h * 0.58) + _box(x, y + h * 0.75, w, h * 0.25)


def _broken(x: float, y: float, w: float, h: float) -> str:
    return _box(x, y, w, h * 0.36) + _box(x, y + h * 0.64, w, h * 0.36)


def _bar(x: float, y: float, w: float, h: float) -> str:
    return _box(x, y + h / 2 - 1, w, 2)


_SHAPES: dict[str, Callable[[float, float, float, float], str]] = {
    "succeeded": _whole,
    "failed": _exclamation,
    "errored": _exclamation,
    "lost": _broken,
    "running": _lower_half,
    "starting": _lower_half,
    "needs_confirmation": _upper_half,
    "cancelled": _bar,
}


def run_strip(states: Sequence[str]) -> SafeString:
    """Return one cell a run, in the order of ``states``. Words beside them say the same."""
    return _drawn(tuple(states[: _LAYOUTS[-1][0]]))


@lru_cache(maxsize=512)  # a page has fifty, of which few have changed
def _drawn(states: Sequence[str]) -> SafeString:
    per_line, height = next((line, h) for most, line, h in _LAYOUTS if len(states) <= most)
    step = min(_WIDEST, _WIDTH // min(len(states), per_line))
    gap = 1 if step < 4 else 2
    paths: dict[str, str] = defaultdict(str)
    for index, state in enumerate(states):
        line, place = divmod(index, per_line)
        draw = _SHAPES.get(state, _hollow)
        paths[state] += draw(place * step, line * (height + _GAP), step - gap, height)
    width = min(len(states), per_line) * step - gap
    lines = (len(states) - 1) // per_line + 1
    classed = ((style_of(state).css, path) for state, path in paths.items())
    return format_html(
        '<svg class="runs" width="{0}" height="{1}" viewBox="0 0 {0} {1}" aria-hidden="true">{2}'
        "</svg>",
        *(width, lines * (height + _GAP) - _GAP),
        format_html_join("", '<path class="{}" d="{}"/>', classed),
    )
