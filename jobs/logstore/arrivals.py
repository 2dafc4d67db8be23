"""When the bytes of a log arrived, in a file beside it."""

from __future__ import annotations

import os
import struct
from array import array
from bisect import bisect_right
from pathlib import Path

ENTRY = struct.Struct("<QQ")  # offset in the log, milliseconds since the epoch
# Within this time of the last entry no further one is kept: a page shows seconds.
RESOLUTION_MS = 500


class Arrivals:
    """``<log>.times``: from each entry's offset on, bytes arrived at its time or just after."""

    def __init__(self, log: Path) -> None:
        self._path = log.with_suffix(".times")

    def note(self, offset: int, *, at_ms: int) -> None:
        """Keep that bytes from ``offset`` on arrived now. The caller holds the log's lock."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            whole = os.fstat(fd).st_size // ENTRY.size * ENTRY.size
            if whole:
                _, last_ms = ENTRY.unpack(os.pread(fd, ENTRY.size, whole - ENTRY.size))
                if 0 <= at_ms - last_ms < RESOLUTION_MS:
                    return
            os.pwrite(fd, ENTRY.pack(offset, at_ms), whole)  # over an entry that a kill tore
        finally:
            os.close(fd)

    def between(self, start: int, end: int, *, limit: int) -> list[tuple[int, int]]:
        """Entries for the bytes from ``start`` to ``end``, at most ``limit``, thinned evenly."""
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return []
        numbers = array("Q")
        numbers.frombytes(raw[: len(raw) // ENTRY.size * ENTRY.size])
        offsets, times = numbers[::2], numbers[1::2]
        first = max(0, bisect_right(offsets, start) - 1)
        last = bisect_right(offsets, end)
        found = list(zip(offsets[first:last], times[first:last], strict=True))
        if len(found) <= limit:
            return found
        return [found[i * len(found) // limit] for i in range(limit)]
