"""The sparse line index of a log: newlines before each 64 KiB boundary, in a file beside it."""

from __future__ import annotations

import fcntl
import os
from array import array
from bisect import bisect_left
from pathlib import Path

BLOCK_BYTES = 64 * 1024
ENTRY_BYTES = 8
COUNT_AT_ONCE = 16 * BLOCK_BYTES


class LineIndex:
    """``<log>.lines``: entry ``i`` (unsigned, 8 bytes) counts the newlines before byte
    ``(i + 1) * BLOCK_BYTES``. It can always be made again from the log, and is when it is short.
    """

    def __init__(self, log: Path) -> None:
        self._path = log.with_suffix(".lines")

    def extend(self, log_fd: int, log_bytes: int) -> None:
        """Add what is missing up to ``log_bytes``. The caller holds the log's lock."""
        known = self._load(log_bytes)
        fresh = _count(log_fd, known, log_bytes)
        with self._path.open("r+b" if self._path.exists() else "w+b") as file:
            file.truncate(len(known) * ENTRY_BYTES)
            file.seek(0, os.SEEK_END)
            file.write(fresh.tobytes())

    def counts(self, log_fd: int) -> list[int]:
        """All entries. Makes the missing ones, and keeps them."""
        return self._whole(log_fd, os.fstat(log_fd).st_size).tolist()

    def line_count(self, log_fd: int) -> int:
        """Lines; a last one without its newline counts."""
        size = os.fstat(log_fd).st_size
        if size == 0:
            return 0
        return self._newlines_before(log_fd, size - 1) + 1

    def line_at(self, log_fd: int, offset: int) -> int:
        """Number of the line that holds byte ``offset``, from 1."""
        return self._newlines_before(log_fd, offset) + 1

    def offset_of_line(self, log_fd: int, n: int) -> int:
        """Where line ``n`` begins; the size of the log when there is no such line."""
        if n <= 1:
            return 0
        size = os.fstat(log_fd).st_size
        counts = self._whole(log_fd, size)
        # The newline that ends line n - 1 is the (n - 1)th: in the first block that counts so many.
        block = bisect_left(counts, n - 1)
        before = counts[block - 1] if block else 0
        data = os.pread(log_fd, BLOCK_BYTES, block * BLOCK_BYTES)
        position = -1
        for _ in range(n - 1 - before):
            position = data.find(b"\n", position + 1)
            if position < 0:
                return size
        return min(size, block * BLOCK_BYTES + position + 1)

    def _newlines_before(self, log_fd: int, offset: int) -> int:
        """Newlines in the bytes before ``offset``."""
        size = os.fstat(log_fd).st_size
        offset = min(offset, size)
        block = offset // BLOCK_BYTES
        counts = self._whole(log_fd, size) if block else array("Q")
        before = counts[block - 1] if block else 0
        data = os.pread(log_fd, offset - block * BLOCK_BYTES, block * BLOCK_BYTES)
        return before + data.count(b"\n")

    def _whole(self, log_fd: int, log_bytes: int) -> array[int]:
        known = self._load(log_bytes)
        if len(known) < log_bytes // BLOCK_BYTES:
            fcntl.flock(log_fd, fcntl.LOCK_EX)
            try:
                self.extend(log_fd, log_bytes)
            finally:
                fcntl.flock(log_fd, fcntl.LOCK_UN)
            known = self._load(log_bytes)
        return known

    def _load(self, log_bytes: int) -> array[int]:
        """The entries on disk that can be true; a torn or zeroed end is left out."""
        entries: array[int] = array("Q")
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return entries
        wanted = log_bytes // BLOCK_BYTES
        entries.frombytes(raw[: min(len(raw) // ENTRY_BYTES, wanted) * ENTRY_BYTES])
        if entries and entries[-1] == max(entries):
            return entries
        for i in range(1, len(entries)):
            if entries[i] < entries[i - 1]:
                return entries[:i]
        return entries


def _count(log_fd: int, known: array[int], log_bytes: int) -> array[int]:
    """The entries after ``known`` up to ``log_bytes``."""
    fresh: array[int] = array("Q")
    total = known[-1] if known else 0
    start = len(known) * BLOCK_BYTES
    end = log_bytes // BLOCK_BYTES * BLOCK_BYTES
    while start < end:
        piece = os.pread(log_fd, min(COUNT_AT_ONCE, end - start), start)
        if not piece:
            return fresh
        for i in range(0, len(piece) - BLOCK_BYTES + 1, BLOCK_BYTES):
            total += piece.count(b"\n", i, i + BLOCK_BYTES)
            fresh.append(total)
        start += len(piece) // BLOCK_BYTES * BLOCK_BYTES
    return fresh
