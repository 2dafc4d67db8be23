"""Patterns for a stranger's text: RE2, whose time grows with the text alone.

There are no look-arounds and no back references. ``\\w``, ``\\d``, ``\\s`` and ``\\b`` know ASCII
only.
"""

from __future__ import annotations

import re
from typing import Any, cast

import re2


def pattern(
    text: str, *, ignore_case: bool = False, lines: bool = False, dot_all: bool = False
) -> re.Pattern[str]:
    """Return the compiled pattern. ``lines``: ``^`` and ``$`` are a line's; ``dot_all``: ``.`` is
    any character.

    Raises:
        ValueError: no pattern of RE2.
    """
    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.dot_nl = dot_all
    options.log_errors = False
    try:
        compiled: Any = re2.compile(f"(?m){text}" if lines else text, options)
    except re2.error as error:
        raise ValueError(f"no pattern: {text!r}") from error
    return cast("re.Pattern[str]", compiled)
