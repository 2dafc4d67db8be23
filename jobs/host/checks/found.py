"""Result of a check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Found:
    """Pass or fail of a check, with message id and arguments."""

    holds: bool
    sentence_id: str
    args: Mapping[str, Any] = field(default_factory=dict)


def good(sentence: str, /, **args: Any) -> Found:
    """It holds."""
    return Found(True, f"check:{sentence}", args)


def bad(sentence: str, /, **args: Any) -> Found:
    """It does not hold."""
    return Found(False, f"check:{sentence}", args)
