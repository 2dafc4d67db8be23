"""Makes what came from outside fit to be stored.

A tool may print a zero byte, half a surrogate pair or NaN, and JSON carries all three. PostgreSQL
takes none of them and SQLite not each: the row would be refused, and with it the host that sends
it, again and again.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

logger = logging.getLogger(__name__)

_UNFIT = re.compile("[\x00\ud800-\udfff]")
_MOST = 2**63  # a number from here on is none that a tool counts, and breaks who makes it a float


def storable_text(text: str) -> str:
    """``text`` with U+FFFD for each character that no database takes."""
    return _UNFIT.sub("\ufffd", text)


def storable(value: Any) -> Any:
    """JSON data with :func:`storable_text` throughout; a number that is none becomes null."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if -_MOST <= value < _MOST else None
    if isinstance(value, Mapping):
        return {storable_text(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def json_lines(data: bytes, what: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of ``data``, one a line; a line that is none is logged and left out."""
    for line in data.splitlines():
        try:
            found = storable(json.loads(line))
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            yield found
        else:
            logger.error("%s: not a JSON object, left out: %.200r", what, line)
