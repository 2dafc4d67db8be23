"""One append-only file a log."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.errors import OffsetMismatch
from jobs.logstore.arrivals import Arrivals
from jobs.logstore.folds import FoldBook, Folds
from jobs.logstore.lines import BLOCK_BYTES, LineIndex
from jobs.logstore.search import SMALL_BYTES, Matches, Query, search_apart, search_file

KEY = re.compile(r"[a-z]+/[0-9]{1,18}")
READ_BYTES = 1024 * 1024
# All that may lie under a key, the log itself last. By name, for to look through a folder of
# 100,000 logs takes a second.
ENDINGS = (".lines", ".times", ".alive", ".stop", ".log")
MOST_FOLDS = 5000


class LogStore:
    """The logs under one folder. Safe to use from several processes and threads at once.

    An append holds the file's lock from the check of its size to the sync, so two writers of the
    same bytes cannot mix. What a killed writer left is a part of the bytes that it was given:
    the next size says how much, and the sender goes on from there.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._listeners: list[Callable[[str], None]] = []
        self._fold_book = FoldBook()

    def path(self, key: str) -> Path:
        """Where the log lies. Raises ValueError for a key that is not ``word/number``."""
        if not KEY.fullmatch(key):
            raise ValueError(f"not the key of a log: {key!r}")
        return self._root / f"{key}.log"

    def on_append(self, listener: Callable[[str], None]) -> None:
        """Have ``listener(key)`` called after each append of this process, in its thread."""
        self._listeners.append(listener)

    def append(self, key: str, offset: int, data: bytes) -> int:
        """Add ``data``, which begins at ``offset``; return the new size. It is on disk then.

        Raises:
            OffsetMismatch: the file does not end at ``offset``. Nothing was written.
            OSError: the disk is full or broken. The file is as it was before.
        """
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path) as fd:
            size = os.fstat(fd).st_size
            if size != offset:
                # Whoever hears this size may rely on it: what a killed writer left is synced first.
                os.fdatasync(fd)
                raise OffsetMismatch(size)
            new_size = offset + len(data)
            _write_whole(fd, data, offset)
            Arrivals(path).note(offset, at_ms=time.time_ns() // 1_000_000)
            if new_size // BLOCK_BYTES > offset // BLOCK_BYTES:
                LineIndex(path).extend(fd, new_size)
        for listener in self._listeners:
            listener(key)
        return new_size

    def set_aside(self, key: str) -> Path | None:
        """Move what lies under ``key`` to the folder ``aside``; where to, None: there is nothing.

        For whoever has just been given the key: a record that the database has forgotten, because
        an older one was put back, left it there.
        """
        path = self.path(key)
        left = sorted(path.parent.glob(f"{path.stem}.*"))
        if not left:
            return None
        aside, again = self._root / "aside" / key.replace("/", "-"), 1
        while aside.exists():
            again += 1
            aside = aside.with_suffix(f".{again}")
        aside.mkdir(parents=True)
        for file in left:
            file.rename(aside / file.name)
        return aside

    def remove(self, key: str) -> None:
        """Delete what lies under ``key``: the log and all that was found out about it.

        Raises:
            OSError: something of it cannot be deleted. The log itself goes last.
        """
        for ending in ENDINGS:
            self.path(key).with_suffix(ending).unlink(missing_ok=True)

    def disk_bytes(self, key: str) -> int:
        """What lies under ``key``, all of it together."""
        files = (self.path(key).with_suffix(ending) for ending in ENDINGS)
        return sum(file.stat().st_size for file in files if file.exists())

    def size(self, key: str) -> int:
        """Bytes in the log; 0 when nothing has arrived."""
        try:
            return self.path(key).stat().st_size
        except FileNotFoundError:
            return 0

    def read(self, key: str, start: int, end: int) -> bytes:
        """Bytes from ``start`` up to ``end``, fewer where the log ends."""
        if end <= start or start < 0:
            return b""
        try:
            with self.path(key).open("rb") as file:
                return os.pread(file.fileno(), end - start, start)
        except FileNotFoundError:
            return b""

    def chunks(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """The same range in pieces of at most 1 MiB."""
        while start < end:
            piece = self.read(key, start, min(end, start + READ_BYTES))
            if not piece:
                return
            yield piece
            start += len(piece)

    def sha256(self, key: str) -> str:
        """Hex digest of the whole log."""
        digest = hashlib.sha256()
        for piece in self.chunks(key, 0, self.size(key)):
            digest.update(piece)
        return digest.hexdigest()

    def newline_counts(self, key: str) -> list[int]:
        """Newlines before byte ``(i + 1) * BLOCK_BYTES``, for each such byte in the log."""
        with self._open(key) as fd:
            return [] if fd is None else LineIndex(self.path(key)).counts(fd)

    def line_count(self, key: str) -> int:
        """Lines in the log; a last line without its newline counts."""
        with self._open(key) as fd:
            return 0 if fd is None else LineIndex(self.path(key)).line_count(fd)

    def line_at(self, key: str, offset: int) -> int:
        """The number of the line that byte ``offset`` is in."""
        with self._open(key) as fd:
            return 1 if fd is None else LineIndex(self.path(key)).line_at(fd, offset)

    def offset_of_line(self, key: str, n: int) -> int:
        """Where line ``n`` begins; the log's size when it has fewer lines."""
        with self._open(key) as fd:
            return 0 if fd is None else LineIndex(self.path(key)).offset_of_line(fd, n)

    def tail_offset(self, key: str, lines: int) -> int:
        """Where the last ``lines`` lines begin."""
        return self.offset_of_line(key, max(1, self.line_count(key) - lines + 1))

    def arrivals(self, key: str, start: int, end: int, *, limit: int) -> list[tuple[int, int]]:
        """``(offset, milliseconds since the epoch)``: when bytes from each offset on arrived.

        The first is the one that holds for ``start``; at most ``limit``, thinned evenly.
        """
        return Arrivals(self.path(key)).between(start, end, limit=limit)

    def folds(self, key: str, *, series: str = "", known: int = 0, budget_s: float = 0.2) -> Folds:
        """Which rows stand for more than one line; see :mod:`jobs.logstore.folds`.

        Looks on for ``budget_s`` at most, and answers with at most 5,000 folds: ``to`` and their
        number say whether there are more.
        """
        return self._fold_book.folds(
            self.path(key), series=series, known=known, most=MOST_FOLDS, budget_s=budget_s
        )

    def search(
        self, key: str, query: Query, *, is_ours: bool = False, timeout_s: float = 60.0
    ) -> Matches:
        """Look through the whole log as it is shown; see :mod:`jobs.logstore.search`.

        ``is_ours``: no person typed the text, so that as an expression it cannot take for ever.

        Raises:
            re.error: the text is not a regular expression.
            SearchTooSlow: not done after ``timeout_s`` seconds.
        """
        path = self.path(key)
        if (is_ours or not query.regex) and self.size(key) < SMALL_BYTES:
            return search_file(path, query)
        return search_apart(path, query, timeout_s=timeout_s)

    @contextmanager
    def _open(self, key: str) -> Iterator[int | None]:
        """A descriptor for reading, None while there is no log."""
        try:
            fd = os.open(self.path(key), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield None
            return
        try:
            yield fd
        finally:
            os.close(fd)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """A descriptor for writing that no other append has meanwhile."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        # Each open has a lock of its own, so this holds between threads too.
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


def _write_whole(fd: int, data: bytes, offset: int) -> None:
    """Write all of ``data`` at ``offset`` and sync it, or leave the file as it was."""
    try:
        done = 0
        view = memoryview(data)
        while done < len(data):
            done += os.pwrite(fd, view[done:], offset + done)
        os.fdatasync(fd)
    except OSError:
        os.ftruncate(fd, offset)
        raise
