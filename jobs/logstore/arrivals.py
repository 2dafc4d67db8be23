"""Arrival times of a log's bytes, in a file beside it."""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from pathlib import Path

ENTRY = struct.Struct("<QQ")  # offset in the log, milliseconds since the epoch
# Within this time of the last entry no further one is stored. With a longer time, lines with their
# own time would seem to have arrived before they were printed.
RESOLUTION_MS = 100
NEWEST = 32  # entries that are read at once: some seconds of a log that never rests


class Arrivals:
    """``<log>.times``: from each entry's offset on, bytes arrived at its time or just after."""

    def __init__(self, log: Path) -> None:
        self._path = log.with_suffix(".times")

    def note(self, offset: int, *, at_ms: int) -> None:
        """Store that bytes from ``offset`` on arrived now. The caller holds the log's lock."""
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
        """Entries for the bytes from ``start`` to ``end``, at most ``limit``, thinned evenly.

        Reads a few entries more than it returns: a log that grows for a week has a million.
        """
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return []
        try:
            count = os.fstat(fd).st_size // ENTRY.size
            # Followers of a log request its newest bytes, thousands of times.
            tail = max(0, count - NEWEST)
            newest = _entries(fd, tail, count)

            def offset_of(number: int) -> int:
                return (newest[number - tail] if number >= tail else _entry(fd, number))[0]

            known = tail if newest and newest[0][0] <= start else 0
            first = max(0, bisect_right(range(count), start, lo=known, key=offset_of) - 1)
            last = bisect_right(range(count), end, lo=first, key=offset_of)
            if last - first <= limit:
                return _entries(fd, first, last)
            return [_entry(fd, first + i * (last - first) // limit) for i in range(limit)]
        finally:
            os.close(fd)


def _entry(fd: int, number: int) -> tuple[int, int]:
    offset, at_ms = ENTRY.unpack(os.pread(fd, ENTRY.size, number * ENTRY.size))
    return offset, at_ms


def _entries(fd: int, first: int, last: int) -> list[tuple[int, int]]:
    raw = os.pread(fd, (last - first) * ENTRY.size, first * ENTRY.size)
    return [(offset, at_ms) for offset, at_ms in ENTRY.iter_unpack(raw)]
