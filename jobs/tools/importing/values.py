"""Values of foreign JSON: typed, bounded, never an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobs.tools.outputs.files import number_or_none

_LONGEST_COUNT = 10**12
_MOST_NAMES, _LONGEST_TITLE = 10, 200  # names, characters


def inside(data: Any, *keys: str) -> dict[str, Any]:
    """Return the object under ``keys``; empty without one."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def text(data: Mapping[str, Any], key: str) -> str:
    """Return a text; "" for anything else."""
    value = data.get(key)
    return value if isinstance(value, str) else ""


def whole(data: Mapping[str, Any], key: str) -> int:
    """Return a count; 0 for anything else."""
    value = number_or_none(data, key)
    return int(value) if value is not None and 0 < value < _LONGEST_COUNT else 0


def title_of(names: Iterable[str], joint: str = ", ") -> str:
    """Return names as a title that fits its column: as many whole ones as fit, "+ 48 more"."""
    listed = list(names)
    for shown in range(min(len(listed), _MOST_NAMES), 0, -1):
        rest = len(listed) - shown
        title = joint.join(listed[:shown]) + (f" + {rest} more" if rest else "")
        if len(title) <= _LONGEST_TITLE:
            return title
    return "".join(listed[:1])
