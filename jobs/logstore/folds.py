"""Folds of whole logs, found once and gone on with as they grow; :mod:`jobs.logstore.terminal`."""

from __future__ import annotations

import codecs
import re
import secrets
import sys
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from jobs.logstore.files import Log, open_log
from jobs.logstore.terminal import ROWS, Fold, Terminal, moves_up

READ_BYTES = 8 * 1024 * 1024
DRAWN_BYTES = 128 * 1024  # at once, where bars draw: some 50 ms
KEPT_LOGS = 32
# Memory of the folds of one log: some 30,000 of them, more than anyone unfolds, and as many as a
# page that holds them all can bear. Later lines are shown one by one.
MOST_BYTES = 8 * 1024 * 1024
# Memory of the folds of all logs that are kept: those that were requested last.
MOST_BYTES_OF_ALL = 32 * 1024 * 1024
FOLD_BYTES = 240  # of a fold and its numbers, besides its texts
CELL_BYTES = 12  # of a column of the screen: a character, and where its colours are
# Of a line that is longer than both together only begin and end are drawn. They are what a screen
# without a right edge keeps of it: hours of updates of a bar in between are passed over.
LONG_BEGIN = LONG_END = 4096
LONG_LINES = re.compile(rb"[^\n]{%d,}" % (LONG_BEGIN + LONG_END))
# The begin of a sequence that the next bytes may end.
UNENDED = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b\n]{0,200}\x1b?|[ -/]*)?\Z")
LONGEST_SEQUENCE = 256
KNOWN_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Folds:
    """``folds`` from number ``known`` on, that stay; ``open``: folds that may change still.

    ``to`` is the offset up to which the log was looked at, ``lines`` how many lines that are;
    ``is_done``: that is all there was, and no fold was left out. ``is_full``: there are so many
    that what comes after ``to`` is not folded any more. A
    count of folds holds for one ``series`` only: another process may have counted anew.
    """

    series: str
    known: int
    to: int
    lines: int
    is_done: bool
    is_full: bool
    folds: list[Fold]
    open: list[Fold]


class _Reader:
    """One log, read once."""

    def __init__(self) -> None:
        self.series = secrets.token_hex(4)
        self.lock = threading.Lock()
        self.offset = 0
        self._last = b""  # the bytes before the offset
        self.terminal = Terminal()
        self._folds_bytes = 0  # of memory, about
        self._counted = 0  # folds in it
        self._held = b""  # the begin of a sequence
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.ends_line = True

    def is_of(self, log: Log) -> bool:
        """Return True if the file still has the content read before: a number that is reused, after
        a database was restored, begins with an empty log."""
        return log.pread(len(self._last), self.offset - len(self._last)) == self._last

    @property
    def is_full(self) -> bool:
        return self._folds_bytes > MOST_BYTES

    @property
    def weight(self) -> int:
        return self._folds_bytes + CELL_BYTES * self.terminal.cells

    def read_on(self, log: Log, *, until: float) -> None:
        """Read on to the end of the log, to the maximum of folds, or until the time ``until``."""
        while self.offset < log.size and not self.is_full and time.monotonic() < until:
            piece = log.pread(min(READ_BYTES, log.size - self.offset), self.offset)
            if not piece:
                return
            does_move = moves_up(self._held + piece)
            self._take(piece[:DRAWN_BYTES] if does_move else piece, does_move=does_move)
            fresh = self.terminal.folds[self._counted :]
            self._counted += len(fresh)
            for fold in fresh:
                self._folds_bytes += FOLD_BYTES + sum(map(sys.getsizeof, fold.texts))

    def _take(self, piece: bytes, *, does_move: bool) -> None:
        self.offset += len(piece)
        self._last = (self._last + piece[-KNOWN_BYTES:])[-KNOWN_BYTES:]
        self.ends_line = piece.endswith(b"\n")
        data = self._held + piece
        unended = UNENDED.search(data, max(0, len(data) - LONGEST_SEQUENCE))
        cut = unended.start() if unended else len(data)
        data, self._held = data[:cut], data[cut:]
        if not does_move:
            data = LONG_LINES.sub(_ends, data)
        if does_move or data.count(b"\n") <= 2 * ROWS + 2:
            self._draw(data)
            return
        # The middle has no collapsed updates: it has left the screen at the end of the piece.
        head = tail = -1
        for _ in range(ROWS + 1):
            head = data.find(b"\n", head + 1)
        tail = len(data)
        for _ in range(ROWS + 1):
            tail = data.rfind(b"\n", 0, tail)
        self._draw(data[: head + 1])
        self.terminal.skip(data.count(b"\n", head + 1, tail + 1))
        self._draw(data[tail + 1 :])

    def _draw(self, data: bytes) -> None:
        self.terminal.feed(self._decoder.decode(data))


def _ends(line: re.Match[bytes]) -> bytes:
    """Return the visible part of a long line over which no cursor moves up."""
    whole = line[0]
    redraw = whole.find(b"\r", len(whole) - LONG_END)
    return whole[:LONG_BEGIN] + (whole[redraw:] if redraw >= 0 else b"")


class FoldBook:
    """Folds of the logs that were asked for last. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Playing keeps a processor busy and takes some MiB: two at once are no faster than one.
        self._playing = threading.Lock()
        self._readers: OrderedDict[Path, _Reader] = OrderedDict()

    def folds(self, path: Path, *, series: str, known: int, most: int, budget_s: float) -> Folds:
        """Return the folds of ``path`` beyond the ``known`` ones of ``series``. Looks at the log
        for at most ``budget_s``. At most ``most`` folds; where some are left out, so is
        ``open``."""
        with open_log(path) as log:
            if log is None:
                return Folds("", 0, 0, 0, is_done=True, is_full=False, folds=[], open=[])
            reader = self._reader(path, log)
            with reader.lock:
                if reader.offset < log.size:
                    with self._playing:
                        reader.read_on(log, until=time.monotonic() + budget_s)
                    self._drop_old()
                start = known if series == reader.series else 0
                page = reader.terminal.folds[start : start + most]
                is_whole = start + len(page) == len(reader.terminal.folds)
                return Folds(
                    series=reader.series,
                    known=start,
                    to=reader.offset,
                    lines=reader.terminal.line - (1 if reader.ends_line else 0),
                    is_done=is_whole and (reader.offset >= log.size or reader.is_full),
                    is_full=reader.is_full,
                    folds=page,
                    open=reader.terminal.open_folds() if is_whole else [],
                )

    def _reader(self, path: Path, log: Log) -> _Reader:
        with self._lock:
            reader = self._readers.pop(path, None)
            if reader is None or not reader.is_of(log):
                reader = _Reader()
            self._readers[path] = reader
            while len(self._readers) > KEPT_LOGS:
                self._readers.popitem(last=False)
            return reader

    def _drop_old(self) -> None:
        """Forget the logs that were asked for longest ago, down to what all may take together."""
        with self._lock:
            whole = sum(reader.weight for reader in self._readers.values())
            while whole > MOST_BYTES_OF_ALL and len(self._readers) > 1:
                whole -= self._readers.popitem(last=False)[1].weight
