"""Search in bytes by the widest instructions of the processor: StringZilla, several times faster
than ``bytes``.

Without wide instructions it is slower and as exact; :func:`warn_if_narrow` says so.
"""

import logging
from collections.abc import Callable

import stringzilla

# As those of ``bytes``: ``(data, part, start, end)``.
find: Callable[..., int] = stringzilla.find
count: Callable[..., int] = stringzilla.count

_LOWER = bytes(range(256)).lower()
logger = logging.getLogger(__name__)


def lowered(data: bytes) -> bytes:
    """ASCII letters in lower case, other bytes unchanged."""
    lower: bytes = stringzilla.translate(data, _LOWER)
    return lower


def has_any(data: bytes, signs: bytes) -> bool:
    """Return True if one of these bytes is in the data."""
    return bool(stringzilla.find_first_of(data, signs) >= 0)


def without(data: bytes, part: bytes) -> bytes:
    return b"".join(stringzilla.split(data, part))


def warn_if_narrow() -> None:
    if stringzilla.__capabilities__ == ("serial",):
        logger.warning("Searches are slow: this processor has no wide instructions.")
