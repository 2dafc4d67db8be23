"""Sanitize external data for storage.

A tool may print a zero byte, half a surrogate pair or NaN, and JSON carries all three. PostgreSQL
accepts none of them and SQLite not all: the row and its host would be refused again and again.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

# ECMA-48: CSI, OSC (ended by BEL or ST), and the two-byte escapes; then lone control bytes. No part
# gives back what it took, so that the time grows with the text alone.
ESCAPES = re.compile(
    rb"\x1b\[[0-?]*+[ -/]*+[@-~]"
    rb"|\x1b\][^\x07\x1b\n]*+(?:\x07|\x1b\\)"
    rb"|\x1b[ -/]*+[0-~]"
    rb"|[\x00-\x08\x0b\x0c\x0e-\x1a\x7f]"
)
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_MOST = 2**63  # larger numbers are not real counts and overflow a float


def sanitize_text(text: str) -> str:
    """Replace characters that databases refuse by U+FFFD."""
    return _UNFIT.sub("\ufffd", text)


def sanitize(value: Any) -> Any:
    """Sanitize JSON data; NaN, infinity and integers over 64 bits become null."""
    if isinstance(value, str):
        return sanitize_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if -_MOST <= value < _MOST else None
    if isinstance(value, Mapping):
        return {sanitize_text(str(key)): sanitize(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [sanitize(item) for item in value]
    return value
