"""Patterns for a stranger's text: RE2, whose time grows with the text alone.

There are no look-arounds and no back references. ``\\w``, ``\\d``, ``\\s`` and ``\\b`` know ASCII
only.
"""

import re
from typing import Any, AnyStr, cast

import re2

Pattern = re.Pattern
Match = re.Match


def pattern(
    text: AnyStr, *, ignore_case: bool = False, lines: bool = False, dot_all: bool = False
) -> re.Pattern[AnyStr]:
    """Compile. ``lines``: ``^`` and ``$`` are a line's; ``dot_all``: ``.`` is any character. Bytes
    match bytes, of no encoding. Raises ValueError: no pattern of RE2."""
    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.dot_nl = dot_all
    options.log_errors = False
    mode = "(?m)" if lines else ""
    try:
        if isinstance(text, bytes):
            options.encoding = re2.Options.Encoding.LATIN1
            compiled: Any = re2.compile(mode.encode() + text, options)
        else:
            compiled = re2.compile(mode + text, options)
    except re2.error as error:
        raise ValueError(f"no pattern: {text!r}") from error
    return cast("re.Pattern[AnyStr]", compiled)
