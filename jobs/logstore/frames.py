"""A part of a log as it goes to a page: where it begins, when its bytes arrived, the bytes.

Big-endian: the offset (8 bytes), how many times follow (4 bytes), each of them an offset and
milliseconds since the epoch (8 and 8 bytes), then the bytes to the end of the message. Bytes from
a time's offset on arrived then; the first of them holds for the first byte. No times: unknown.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

MOST_TIMES = 10_000
_HEAD = struct.Struct(">QI")
_TIME = struct.Struct(">QQ")

Time = tuple[int, int]


def frame(offset: int, times: Sequence[Time], data: bytes) -> bytes:
    """Put a message together."""
    packed_times = b"".join(_TIME.pack(*time) for time in times)
    return b"".join((_HEAD.pack(offset, len(times)), packed_times, data))


def unframe(message: bytes) -> tuple[int, list[Time], bytes]:
    """Return offset, times and bytes of a message of :func:`frame`."""
    begin = data_begins(message)
    offset, _ = _HEAD.unpack_from(message)
    return offset, list(_TIME.iter_unpack(message[_HEAD.size : begin])), message[begin:]


def offset_of(message: bytes | memoryview) -> int:
    """Return the offset in the log of a message's bytes."""
    offset: int = _HEAD.unpack_from(message)[0]
    return offset


def data_begins(message: bytes | memoryview) -> int:
    """Return the offset in a message of the log's bytes."""
    count: int = _HEAD.unpack_from(message)[1]
    return _HEAD.size + count * _TIME.size
