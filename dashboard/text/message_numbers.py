"""Format numbers in messages as on pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dashboard.text.formatting import counted, measured, percent, points

# Format of each numeric argument. Other arguments stay unchanged.
_NUMBERS: dict[str, Callable[[float], str]] = {
    **dict.fromkeys(("output_tokens_per_s", "total_tokens_per_s", "seconds", "load"), measured),
    **dict.fromkeys(("accuracy", "macro", "weighted"), lambda share: percent(share / 100)),
    **dict.fromkeys(("gap", "low", "high"), points),  # of shares, from -1 to 1
    **dict.fromkeys(
        (
            *("failed", "total", "questions", "requests", "cut", "unscored", "empty"),
            *("asked", "most", "measured", "max_tokens", "tokens", "hours", "chats", "running"),
        ),
        counted,
    ),
}


def number_texts(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numeric arguments of a message as text."""
    return {name: _number(args[name], text) for name, text in _NUMBERS.items() if name in args}


def _number(value: Any, text: Callable[[float], str]) -> Any:
    """Return ``value`` formatted with ``text``; older rows have numbers as text.

    Numbers in older rows are rounded: no decimals are added.
    """
    if isinstance(value, bool):
        return value
    try:
        shown = text(float(value))
    except (TypeError, ValueError):
        return value
    if isinstance(value, str) and _decimals(shown) > _decimals(value):
        return value
    return shown


def _decimals(number: str) -> int:
    return len(number.partition(".")[2])
