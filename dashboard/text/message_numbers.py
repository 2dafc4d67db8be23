"""Numbers in sentences, formatted as they are on pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dashboard.text.formatting import counted, measured, percent

# Arguments that are numbers: how each is formatted. What is no number stays as it is.
_NUMBERS: dict[str, Callable[[float], str]] = {
    **dict.fromkeys(("output_tokens_per_s", "total_tokens_per_s", "seconds", "load"), measured),
    **dict.fromkeys(("accuracy", "macro", "weighted"), lambda share: percent(share / 100)),
    **dict.fromkeys(
        (
            *("failed", "total", "questions", "requests", "cut", "unscored", "empty"),
            *("asked", "measured", "max_tokens", "tokens", "hours", "chats", "running"),
        ),
        counted,
    ),
}


def number_texts(args: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a sentence's arguments that are numbers, as text."""
    return {name: _number(args[name], text) for name, text in _NUMBERS.items() if name in args}


def _number(value: Any, text: Callable[[float], str]) -> Any:
    """``value`` as ``text`` writes it; older rows have numbers as text.

    Those were rounded when they were written: more decimals than they have would be made up.
    """
    if isinstance(value, bool):
        return value
    try:
        found = text(float(value))
    except (TypeError, ValueError):
        return value
    if isinstance(value, str) and _decimals(found) > _decimals(value):
        return value
    return found


def _decimals(number: str) -> int:
    return len(number.partition(".")[2])
