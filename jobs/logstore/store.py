"""One append-only file per log, packed once it is closed."""

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from jobs.base.errors import LogRemoved, OffsetMismatch
from jobs.logstore import files
from jobs.logstore.files import RawLog, open_log, packed_path
from jobs.logstore.index import BLOCK_BYTES, Arrivals, LineIndex
from jobs.logstore.search import (
    SMALL_BYTES,
    MatchingLines,
    Polls,
    Query,
    finder_of,
    polls,
    search_file,
    search_ours,
    search_typed,
)
from jobs.logstore.terminal import FoldBook, Folds

KEY = re.compile(r"[a-z]+/[0-9]{1,18}")
READ_BYTES = 1024 * 1024
MOST_FOLDS = 5000


class LogStore:
    """The logs under one folder. Safe to use from several processes and threads at once.

    An append holds the file's lock from the check of its size to the sync, so two writers of the
    same bytes cannot mix. A killed writer leaves the first part of its bytes: the
    sender reads the new size, and goes on from there.

    Reads of a raw and of a packed log are equal, and raise
    :class:`jobs.base.errors.DamagedLog` where a packed one is not as it was written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._listeners: list[Callable[[str], None]] = []
        self._fold_book = FoldBook()

    def path(self, key: str) -> Path:
        """Of the raw log; side files are named after it. Raises ValueError: the key is not
        ``word/number``."""
        if not KEY.fullmatch(key):
            raise ValueError(f"not a log key: {key!r}")
        return self._root / f"{key}.log"

    def on_append(self, listener: Callable[[str], None]) -> None:
        """``listener(key)`` is called after each append of this process, in its thread."""
        self._listeners.append(listener)

    def append(self, key: str, offset: int, data: bytes) -> int:
        """Add ``data``, which begins at ``offset``; return the new size. It is on disk then. Raises
        OffsetMismatch: the log does not end at ``offset``. Raises OSError: the disk is full or
        broken. Either way the file is as it was before."""
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.open_to_append(path, offset) as fd:
            size = os.fstat(fd).st_size
            if size != offset:
                # The sender relies on this size: bytes of a killed writer are synced first.
                os.fdatasync(fd)
                if not size:
                    path.unlink()  # made by this call
                raise OffsetMismatch(size)
            if not size:
                # Side files of an earlier log: a reader during its removal made them again.
                for suffix in files.BESIDE:
                    path.with_suffix(suffix).unlink(missing_ok=True)
            new_size = offset + len(data)
            # The time first: any process that sees the bytes then finds it.
            Arrivals(path).note(offset, at_ms=time.time_ns() // 1_000_000)
            _write_whole(fd, data, offset)
            if new_size // BLOCK_BYTES > offset // BLOCK_BYTES:
                LineIndex(path).extend(RawLog(fd, new_size))
        for listener in self._listeners:
            listener(key)
        return new_size

    def unpack(self, key: str, offset: int) -> None:
        """Unpack a packed log that ends at ``offset``: 20 GB take a minute. An append does it too.
        Call this before a transaction, which would be held meanwhile. Raises OffsetMismatch."""
        path = self.path(key)
        if packed_path(path).exists():
            with files.open_to_append(path, offset) as fd:
                if not os.fstat(fd).st_size:
                    path.unlink()  # it was removed at this moment

    def set_aside(self, key: str) -> Path | None:
        """Move the files of ``key`` to the folder ``aside``; return the new path, or None without
        files. For a new owner of the key, whose number had a log of a record that the database has
        lost because an older one was restored. And for an unreadable log."""
        with files.locked(self.path(key), create=False):
            left = self._files(key)
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
        """With its side files. Open readers continue."""
        with files.locked(self.path(key), create=False):
            for file in self._files(key):
                file.unlink(missing_ok=True)

    def _files(self, key: str) -> list[Path]:
        log = self.path(key)
        return [file for suffix in files.SUFFIXES if (file := log.with_suffix(suffix)).exists()]

    def disk_bytes(self, key: str) -> int:
        """Index and times included, without drafts, and without zero bytes that a host has given
        back, which take no disk."""
        total = 0
        for file in self._files(key):
            with contextlib.suppress(FileNotFoundError):  # it has just been packed
                stat = file.stat()
                total += 0 if file.suffix == ".new" else min(stat.st_size, stat.st_blocks * 512)
        return total

    def pack(self, key: str, *, sha256: str = "") -> bool:
        return files.pack(self.path(key), sha256=sha256)

    def size(self, key: str) -> int:
        return files.log_bytes(self.path(key))

    def read(self, key: str, start: int, end: int) -> bytes:
        """Bytes from ``start`` up to ``end``, fewer where the log ends."""
        if end <= start or start < 0:
            return b""
        with open_log(self.path(key)) as log:
            return log.pread(end - start, start) if log else b""

    def chunks(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """Yield pieces of at most 1 MiB. Raises LogRemoved: the log ends before ``end``, so that a
        part never passes for the whole."""
        while start < end:
            piece = self.read(key, start, min(end, start + READ_BYTES))
            if not piece:
                raise LogRemoved(f"the log {key} was removed during reading")
            yield piece
            start += len(piece)

    def sha256(self, key: str) -> str:
        digest = hashlib.sha256()
        for piece in self.chunks(key, 0, self.size(key)):
            digest.update(piece)
        return digest.hexdigest()

    def newline_counts(self, key: str, *, known: int = 0) -> list[int]:
        """Newlines before byte ``(i + 1) * BLOCK_BYTES``, for each such byte but the first
        ``known``."""
        with open_log(self.path(key)) as log:
            return LineIndex(self.path(key)).counts(log, known) if log else []

    def line_count(self, key: str) -> int:
        """A last line without its newline counts."""
        with open_log(self.path(key)) as log:
            return LineIndex(self.path(key)).line_at(log, log.size - 1) if log else 0

    def line_at(self, key: str, offset: int) -> int:
        """From 1."""
        with open_log(self.path(key)) as log:
            return LineIndex(self.path(key)).line_at(log, offset) if log else 1

    def line_begun_at(self, key: str, offset: int) -> int:
        """The first line that begins at byte ``offset`` or after it."""
        line = self.line_at(key, offset)
        is_inside = offset and self.read(key, offset - 1, offset) != b"\n"
        return line + 1 if is_inside else line

    def offset_of_line(self, key: str, n: int) -> int:
        """The log's size if it has fewer lines."""
        with open_log(self.path(key)) as log:
            return LineIndex(self.path(key)).offset_of_line(log, n) if log else 0

    def arrivals(self, key: str, start: int, end: int, *, limit: int) -> list[tuple[int, int]]:
        """``(offset, milliseconds since the epoch)``: when bytes from each offset on arrived. The
        first is the one that holds for ``start``; at most ``limit``, thinned evenly."""
        return Arrivals(self.path(key)).between(start, end, limit=limit)

    def folds(self, key: str, *, series: str = "", known: int = 0, budget_s: float = 0.2) -> Folds:
        """Rows that stand for more than one line; see ``logstore.terminal``. Reads on for
        ``budget_s`` at most, and returns at most 5,000 folds: ``to`` and their number show whether
        there are more."""
        return self._fold_book.folds(
            self.path(key), series=series, known=known, most=MOST_FOLDS, budget_s=budget_s
        )

    def polls(self, key: str, start: int) -> Polls:
        """Lines that are the dashboard's own requests, from byte ``start`` on, where a line begins.
        A few megabytes at once: ``is_done`` is False while there are more."""
        path = self.path(key)
        with open_log(path) as log:
            if log is None:
                return Polls(0, (), is_done=True, lines=0)
            return polls(log, LineIndex(path), start)

    def search(self, key: str, query: Query, *, is_ours: bool = False) -> MatchingLines:
        """Search the whole log as it is shown; see :mod:`jobs.logstore.search`. ``is_ours``: no
        person typed the text, so that as an expression it is quick. Raises InvalidExpression: the
        text is no regular expression. Raises Exceeded: not done in time."""
        path = self.path(key)
        if (is_ours or not query.regex) and self.size(key) < SMALL_BYTES:
            return search_file(path, query)
        finder_of(query)
        return (search_ours if is_ours else search_typed)(path, query)


def _write_whole(fd: int, data: bytes, offset: int) -> None:
    """Write all of ``data`` at ``offset`` and sync it, or leave the file as it was."""
    try:
        done = 0
        view = memoryview(data)
        # A host sends zero bytes for what it gave back of a server's log: maybe many gigabytes.
        if data[:1] == data[-1:] == b"\0" and data == bytes(len(data)):
            os.ftruncate(fd, offset + len(data))
            done = len(data)
        while done < len(data):
            done += os.pwrite(fd, view[done:], offset + done)
        os.fdatasync(fd)
    except OSError:
        os.ftruncate(fd, offset)
        raise
