"""Files beside a log: its line index, and when its bytes arrived."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from jobs.base import wide_bytes
from jobs.base.files import opened
from jobs.logstore.files import Log
from jobs.logstore.packed import Recent, Which, which

BLOCK_BYTES = 64 * 1024
ENTRY_BYTES = 8
COUNT_AT_ONCE = 16 * BLOCK_BYTES
# Numbers are objects while they are sorted: five times what the entries themselves take.
CHECKED_AT_ONCE = 16 * 1024
KEPT_INDEXES = 16  # of 120 KiB for each gigabyte
# Whole ones, in order. A page asks three times for each stretch of lines.
_known: Recent[Which, array[int]] = Recent(KEPT_INDEXES)

ARRIVAL = struct.Struct("<QQ")  # offset in the log, milliseconds since the epoch
# Within this time of the last entry no further one is stored. With a longer time, lines with their
# own time would seem to have arrived before they were printed.
RESOLUTION_MS = 100
NEWEST = 32  # entries that are read at once: some seconds of a log that never rests


class LineIndex:
    """``<log>.lines``: entry ``i`` (unsigned, 8 bytes) counts the newlines before byte ``(i + 1) *
    BLOCK_BYTES``. It can always be made again from the log, and is when it is short."""

    def __init__(self, log: Path) -> None:
        self._path = log.with_suffix(".lines")

    def extend(self, log: Log) -> None:
        """Add what is missing. The caller holds the log's lock. An append costs the same however
        long the log is: the entries before its last two are not checked here but by their
        readers."""
        with opened(self._path, os.O_RDWR | os.O_CREAT, 0o640) as fd:
            count = min(os.fstat(fd).st_size // ENTRY_BYTES, log.size // BLOCK_BYTES)
            raw = [
                os.pread(fd, ENTRY_BYTES, number * ENTRY_BYTES) if number >= 0 else b""
                for number in (count - 2, count - 1)
            ]
            before, last = (int.from_bytes(one, sys.byteorder) for one in raw)
            if last < max(1, before):  # a torn or zeroed end
                known = self._load(log.size)
                count, last = len(known), known[-1] if known else 0
            _write(fd, log, count, last)

    def counts(self, log: Log, known: int = 0) -> list[int]:
        """All entries from number ``known`` on. Makes the missing ones, and keeps them."""
        return self._whole(log)[known:].tolist()

    def line_at(self, log: Log, offset: int) -> int:
        """From 1."""
        offset = min(offset, log.size)
        counts = self._whole(log) if offset >= BLOCK_BYTES else ()
        return _newlines_before(log, offset, counts) + 1

    def offset_of_line(self, log: Log, n: int) -> int:
        """The size of the log if there is no such line."""
        if n <= 1:
            return 0
        counts = self._whole(log)
        # The newline that ends line n - 1 is the (n - 1)th: in the first block that counts so many.
        block = bisect_left(counts, n - 1)
        before = counts[block - 1] if block else 0
        data = log.pread(BLOCK_BYTES, block * BLOCK_BYTES)
        position = -1
        for _ in range(n - 1 - before):
            position = data.find(b"\n", position + 1)
            if position < 0:
                return log.size
        return min(log.size, block * BLOCK_BYTES + position + 1)

    def _whole(self, log: Log) -> array[int]:
        known = self._load(log.size)
        if len(known) < log.size // BLOCK_BYTES:
            fcntl.flock(log.fd, fcntl.LOCK_EX)
            try:
                if os.fstat(log.fd).st_nlink == 0:  # removed: the index would be another log's
                    return known + _count(log, len(known), known[-1] if known else 0)
                # As extend does, from the last entry that can be true.
                known = self._load(log.size)
                with opened(self._path, os.O_RDWR | os.O_CREAT, 0o640) as fd:
                    _write(fd, log, len(known), known[-1] if known else 0)
            finally:
                fcntl.flock(log.fd, fcntl.LOCK_UN)
            known = self._load(log.size)
        return known

    def _load(self, log_bytes: int) -> array[int]:
        """The entries on disk that can be true; a torn or zeroed end is left out."""
        try:
            file = which(self._path.stat())
            entries = _known.get(file)
            if entries is None:
                entries = _true_entries(self._path.read_bytes())
                if len(entries) * ENTRY_BYTES == file[-1]:
                    _known.keep(file, entries)
        except FileNotFoundError:
            return array("Q")
        return entries[: log_bytes // BLOCK_BYTES]


def _newlines_before(log: Log, offset: int, counts: Sequence[int]) -> int:
    block = offset // BLOCK_BYTES
    before = counts[block - 1] if block else 0
    rest = log.pread(offset - block * BLOCK_BYTES, block * BLOCK_BYTES)
    return before + wide_bytes.count(rest, b"\n")


def _true_entries(raw: bytes) -> array[int]:
    entries: array[int] = array("Q")
    entries.frombytes(raw[: len(raw) // ENTRY_BYTES * ENTRY_BYTES])
    for start in range(0, len(entries), CHECKED_AT_ONCE):
        part = entries[max(0, start - 1) : start + CHECKED_AT_ONCE]
        if part != array("Q", sorted(part)):  # ten times faster than to look at each pair
            good = next(i for i in range(1, len(part)) if part[i] < part[i - 1])
            return entries[: max(0, start - 1) + good]
    return entries


def _write(fd: int, log: Log, count: int, before: int) -> None:
    """Make the entries of the index from number ``count`` on; ``before``: the one in front."""
    fresh = _count(log, count, before)
    os.ftruncate(fd, count * ENTRY_BYTES)
    os.pwrite(fd, fresh.tobytes(), count * ENTRY_BYTES)


def _count(log: Log, count: int, before: int) -> array[int]:
    """The entries after the first ``count``, of which ``before`` is the last."""
    fresh: array[int] = array("Q")
    total = before
    start = count * BLOCK_BYTES
    end = log.size // BLOCK_BYTES * BLOCK_BYTES
    while start < end:
        piece = log.pread(min(COUNT_AT_ONCE, end - start), start)
        if not piece:
            return fresh
        for i in range(0, len(piece) - BLOCK_BYTES + 1, BLOCK_BYTES):
            total += wide_bytes.count(piece, b"\n", i, i + BLOCK_BYTES)
            fresh.append(total)
        start += len(piece) // BLOCK_BYTES * BLOCK_BYTES
    return fresh


class Arrivals:
    """``<log>.times``: from each entry's offset on, bytes arrived at its time or just after."""

    def __init__(self, log: Path) -> None:
        self._path = log.with_suffix(".times")

    def note(self, offset: int, *, at_ms: int) -> None:
        """Store that bytes from ``offset`` on arrived now. The caller holds the log's lock."""
        with opened(self._path, os.O_RDWR | os.O_CREAT, 0o640) as fd:
            whole = os.fstat(fd).st_size // ARRIVAL.size * ARRIVAL.size
            if whole:
                _, last_ms = ARRIVAL.unpack(os.pread(fd, ARRIVAL.size, whole - ARRIVAL.size))
                if 0 <= at_ms - last_ms < RESOLUTION_MS:
                    return
            os.pwrite(fd, ARRIVAL.pack(offset, at_ms), whole)  # over an entry that a kill tore

    def between(self, start: int, end: int, *, limit: int) -> list[tuple[int, int]]:
        """Entries for the bytes from ``start`` to ``end``, at most ``limit``, thinned evenly. Reads
        a few entries more than it returns: a log that grows for a week has a million."""
        with suppress(FileNotFoundError), opened(self._path, os.O_RDONLY) as fd:
            count = os.fstat(fd).st_size // ARRIVAL.size
            # Followers of a log request its newest bytes, thousands of times.
            tail = max(0, count - NEWEST)
            newest = _arrivals(fd, tail, count)

            def entry(number: int) -> tuple[int, int]:
                inside = number >= tail
                return newest[number - tail] if inside else _arrivals(fd, number, number + 1)[0]

            def offset_of(number: int) -> int:
                return entry(number)[0]

            known = tail if newest and newest[0][0] <= start else 0
            first = max(0, bisect_right(range(count), start, lo=known, key=offset_of) - 1)
            last = bisect_right(range(count), end, lo=first, key=offset_of)
            if last - first <= limit:
                return _arrivals(fd, first, last)
            return [entry(first + i * (last - first) // limit) for i in range(limit)]
        return []


def _arrivals(fd: int, first: int, last: int) -> list[tuple[int, int]]:
    raw = os.pread(fd, (last - first) * ARRIVAL.size, first * ARRIVAL.size)
    return [(offset, at_ms) for offset, at_ms in ARRIVAL.iter_unpack(raw)]
