"""The sparse line index of a log: newlines before each 64 KiB boundary, in a file beside it."""

from __future__ import annotations

import fcntl
import os
import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path

from jobs.logstore.files import Log
from jobs.logstore.recent import Recent, Which, which

BLOCK_BYTES = 64 * 1024
ENTRY_BYTES = 8
COUNT_AT_ONCE = 16 * BLOCK_BYTES
# Numbers are objects while they are sorted: five times what the entries themselves take.
CHECKED_AT_ONCE = 16 * 1024
KEPT_INDEXES = 16  # of 120 KiB for each gigabyte

# Whole ones, in order. A page asks three times for each stretch of lines.
_known: Recent[Which, array[int]] = Recent(KEPT_INDEXES)


class LineIndex:
    """``<log>.lines``: entry ``i`` (unsigned, 8 bytes) counts the newlines before byte
    ``(i + 1) * BLOCK_BYTES``. It can always be made again from the log, and is when it is short.
    """

    def __init__(self, log: Path) -> None:
        self._path = log.with_suffix(".lines")

    def extend(self, log: Log) -> None:
        """Add what is missing. The caller holds the log's lock.

        An append costs the same however long the log is: the entries before its last two are not
        checked here but by their readers.
        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            count = min(os.fstat(fd).st_size // ENTRY_BYTES, log.size // BLOCK_BYTES)
            last = self._entry(fd, count - 1)
            if last < max(1, self._entry(fd, count - 2)):  # a torn or zeroed end
                known = self._load(log.size)
                count, last = len(known), known[-1] if known else 0
            self._write(fd, log, count, last)
        finally:
            os.close(fd)

    def _entry(self, fd: int, number: int) -> int:
        """One entry of the open index; 0 where there is none."""
        raw = os.pread(fd, ENTRY_BYTES, number * ENTRY_BYTES) if number >= 0 else b""
        return int.from_bytes(raw, sys.byteorder)

    def _write(self, fd: int, log: Log, count: int, before: int) -> None:
        """Make the entries from number ``count`` on, ``before`` being the one in front of them."""
        fresh = _count(log, count, before)
        os.ftruncate(fd, count * ENTRY_BYTES)
        os.pwrite(fd, fresh.tobytes(), count * ENTRY_BYTES)

    def counts(self, log: Log, known: int = 0) -> list[int]:
        """All entries from number ``known`` on. Makes the missing ones, and keeps them."""
        return self._whole(log)[known:].tolist()

    def line_count(self, log: Log) -> int:
        """Lines; a last one without its newline counts."""
        return self._newlines_before(log, log.size - 1) + 1 if log.size else 0

    def line_at(self, log: Log, offset: int) -> int:
        """Number of the line that holds byte ``offset``, from 1."""
        return self._newlines_before(log, offset) + 1

    def numbers(self, log: Log) -> Callable[[int], int]:
        """:meth:`line_at` of this log for many bytes: the index is read once."""
        counts = self._whole(log)
        return lambda offset: _newlines_before(log, offset, counts) + 1

    def offset_of_line(self, log: Log, n: int) -> int:
        """Return the offset of line ``n``; the size of the log if there is no such line."""
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

    def _newlines_before(self, log: Log, offset: int) -> int:
        """Newlines in the bytes before ``offset``."""
        offset = min(offset, log.size)
        return _newlines_before(log, offset, self._whole(log) if offset >= BLOCK_BYTES else ())

    def _whole(self, log: Log) -> array[int]:
        known = self._load(log.size)
        if len(known) < log.size // BLOCK_BYTES:
            fcntl.flock(log.fd, fcntl.LOCK_EX)
            try:
                if os.fstat(log.fd).st_nlink == 0:  # removed: the index would be another log's
                    return known + _count(log, len(known), known[-1] if known else 0)
                self._mend(log)
            finally:
                fcntl.flock(log.fd, fcntl.LOCK_UN)
            known = self._load(log.size)
        return known

    def _mend(self, log: Log) -> None:
        """As :meth:`extend`, from the last entry that can be true."""
        known = self._load(log.size)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            self._write(fd, log, len(known), known[-1] if known else 0)
        finally:
            os.close(fd)

    def _load(self, log_bytes: int) -> array[int]:
        """The entries on disk that can be true; a torn or zeroed end is left out."""
        wanted = log_bytes // BLOCK_BYTES
        try:
            file = which(self._path.stat())
            entries = _known.get(file)
            if entries is None:
                entries = _true_entries(self._path.read_bytes())
                if len(entries) * ENTRY_BYTES == file[-1]:
                    _known.keep(file, entries)
        except FileNotFoundError:
            return array("Q")
        return entries[:wanted]


def _newlines_before(log: Log, offset: int, counts: Sequence[int]) -> int:
    block = offset // BLOCK_BYTES
    before = counts[block - 1] if block else 0
    return before + log.pread(offset - block * BLOCK_BYTES, block * BLOCK_BYTES).count(b"\n")


def _true_entries(raw: bytes) -> array[int]:
    entries: array[int] = array("Q")
    entries.frombytes(raw[: len(raw) // ENTRY_BYTES * ENTRY_BYTES])
    for start in range(0, len(entries), CHECKED_AT_ONCE):
        part = entries[max(0, start - 1) : start + CHECKED_AT_ONCE]
        if part != array("Q", sorted(part)):  # ten times faster than to look at each pair
            good = next(i for i in range(1, len(part)) if part[i] < part[i - 1])
            return entries[: max(0, start - 1) + good]
    return entries


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
            total += piece.count(b"\n", i, i + BLOCK_BYTES)
            fresh.append(total)
        start += len(piece) // BLOCK_BYTES * BLOCK_BYTES
    return fresh
