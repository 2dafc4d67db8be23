"""Result of a check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Pass or fail of a check, with message id and arguments."""

    holds: bool
    message_id: str
    args: Mapping[str, Any] = field(default_factory=dict)


def good(message_id: str, /, **args: Any) -> CheckResult:
    """It holds."""
    return CheckResult(True, f"check:{message_id}", args)


def bad(message_id: str, /, **args: Any) -> CheckResult:
    """It does not hold."""
    return CheckResult(False, f"check:{message_id}", args)
