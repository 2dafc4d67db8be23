"""What a check answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Found:
    """Whether it holds, and the sentence that says so: its id, and what fills it."""

    holds: bool
    sentence_id: str
    args: Mapping[str, Any] = field(default_factory=dict)


def good(sentence: str, /, **args: Any) -> Found:
    """It holds."""
    return Found(True, f"check:{sentence}", args)


def bad(sentence: str, /, **args: Any) -> Found:
    """It does not hold."""
    return Found(False, f"check:{sentence}", args)
