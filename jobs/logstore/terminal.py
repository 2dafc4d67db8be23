"""Terminal emulation of a job's output: a screen without a right edge, fed as a log grows; plain
text of a log as a terminal leaves it, without escape sequences, with updates collapsed; folds of
whole logs, found once and gone on with as they grow.

Every line of a log has a row of its own until a cursor moves up, as several progress bars at once
do. Then some lines leave no row, and others leave a row that later lines have changed: that is a
:class:`Fold`, and only folds are reported. Columns are those of a terminal: a shorter text on top
of a longer one leaves the end of the longer one, and a wide character takes two.

One thing differs from a terminal: a line that comes to a row by a newline, and was not sent there,
begins it anew. So a message over an old bar does not end in what is left of the bar.
"""

import codecs
import re
import secrets
import sys
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from jobs.base.sanitize import ESCAPES
from jobs.base.wide_bytes import find, has_any, without
from jobs.logstore.files import Log, open_log

# No cursor comes to a row that is further above the last one.
ROWS = 200
COLUMNS = 4000  # what is drawn behind them is not kept; lines that nothing draws over are whole
TAB = 8
TOKEN = re.compile(
    r"[^\x00-\x1f\x7f]+"
    r"|\n+"
    r"|\x1b\[([0-?]*)[ -/]*([@-~])"  # CSI
    r"|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]"  # OSC, other escapes
    r"|[\x00-\x1f\x7f]"
)
MOVES_UP = re.compile(rb"\x1b\[[0-9;]*[AF]|\x1bM")
NO_SIGNS = bytes(byte for byte in range(256) if byte not in b"\x1b[AFMmKJ")
SECOND = "\x00"  # stands in the second column of a wide character

LONGEST_LINE_BYTES = 8 * 1024 * 1024
CONTROL = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")
MOST_SEQUENCES = 16
# Of a longer line with updates only the last updates count: they cover all others.
LONGEST_REDRAWN_BYTES = 256 * 1024
REDRAWS = (b"\r", b"\x08")
SIGNS = b"\r\x08\x1b\x00\x07"
ERASES = re.compile(rb"\x1b\[[0-2]?[JK]")


@dataclass(frozen=True, slots=True)
class Fold:
    """One row that stands for the lines ``first`` to ``line``, and has the number of the last.
    ``texts`` is what is shown, with colours: more than one where the lines do not suffice to number
    the rows."""

    first: int
    line: int
    texts: tuple[str, ...]


@dataclass(slots=True)
class _Row:
    """A row of the screen."""

    characters: str = ""  # one a column
    pens: list[str] = field(default_factory=list)  # colours a column, as far as there are any
    line: int = 0  # that drew it last, or passed it empty
    passes: int = 0  # newlines that went by
    is_drawn: bool = False
    is_plain: bool = True  # drawn by one line that draws nothing else
    is_fresh: bool = True  # the cursor came by a newline and has drawn nothing yet

    def text(self) -> str:
        shown = self.characters.rstrip(" " + SECOND)
        if not self.pens:
            return shown.replace(SECOND, "")
        parts, pen = [], ""
        pens = self.pens + [""] * (len(shown) - len(self.pens))
        for character, own in zip(shown, pens, strict=False):
            if own != pen:
                parts.append(f"\x1b[0;{own}m" if own else "\x1b[0m")
                pen = own
            parts.append(character)
        return "".join([*parts, "\x1b[0m" if pen else ""]).replace(SECOND, "")


class Terminal:
    """Feed it text; ask for the folds. ``line`` is the number of the line that is being drawn."""

    def __init__(self) -> None:
        self.line = 1
        self.folds: list[Fold] = []  # those that cannot change any more
        self._screen: list[_Row] = [_Row()]
        self._at = 0  # the cursor's row
        self._column = 0
        self._pen = ""
        self._last = 0  # the last line that has a row, of those that cannot change

    def feed(self, text: str) -> None:
        """Draw. No sequence may be cut between two calls."""
        for match in TOKEN.finditer(text):
            token = match[0]
            sign = token[0]
            if sign == "\n":
                for _ in token:
                    self._newline()
            elif sign == "\r":
                self._column = 0
            elif match[2]:
                self._control(match[1], match[2])
            elif sign == "\b":
                self._column = max(0, self._column - 1)
            elif sign == "\t":
                self._column = (self._column // TAB + 1) * TAB
            elif token == "\x1bM":  # noqa: S105 -- a control sequence
                self._move(-1)
            elif sign >= " " and sign != "\x7f":
                self._write(token)

    def skip(self, newlines: int) -> None:
        """Go on ``newlines`` further, past lines that draw nothing over and leave the screen. The
        cursor is at the begin of the last row."""
        self._scroll(len(self._screen))
        self.line += newlines
        self._last = self.line - 1
        self._screen, self._at, self._column, self._pen = [_Row()], 0, 0, ""

    def open_folds(self) -> list[Fold]:
        """Of what is on the screen now."""
        return self._folds_of(len(self._screen), self._last)[0]

    @property
    def cells(self) -> int:
        return sum(len(row.characters) + len(row.pens) for row in self._screen)

    def shown(self) -> list[str]:
        """Rows of the screen, without colours."""
        return [row.characters.replace(SECOND, "").rstrip() for row in self._screen]

    def _write(self, text: str) -> None:
        row = self._screen[self._at]
        column = self._column
        if not text.isspace():
            if row.is_drawn and row.line != self.line:
                row.is_plain = False
                if row.is_fresh and column == 0:
                    row.characters, row.pens = "", []
            row.line, row.is_drawn, row.is_fresh = self.line, True, False
        text = text[: max(0, COLUMNS - column)]
        cells = text if text.isascii() else _columns(text)
        self._column = end = column + len(cells)
        before = row.characters
        if column > len(before):
            before = before.ljust(column)
        row.characters = before[:column] + cells + before[end:]
        if self._pen or row.pens:
            if len(row.pens) < column:
                row.pens += [""] * (column - len(row.pens))
            row.pens[column:end] = [self._pen] * len(cells)

    def _newline(self) -> None:
        row = self._screen[self._at]
        row.passes += 1
        if not row.is_drawn:
            row.line = self.line
        self.line += 1
        self._at += 1
        self._column = 0
        if self._at == len(self._screen):
            self._screen.append(_Row())
            if len(self._screen) > ROWS:
                self._scroll(1)
        else:
            self._screen[self._at].is_fresh = True

    def _move(self, rows: int) -> None:
        self._screen[self._at].is_plain = False
        self._at = min(len(self._screen) - 1, max(0, self._at + rows))
        self._screen[self._at].is_plain = self._screen[self._at].is_fresh = False

    def _control(self, parameters: str, final: str) -> None:
        if final == "m":
            self._pen = _pen(self._pen, parameters)
            return
        first = parameters.split(";")[0]
        number = min(9999, int(first)) if first.isascii() and first.isdecimal() else 0
        by = max(1, number)
        if final in "AF":
            self._move(-by)
        elif final in "BE":
            self._move(by)
        elif final == "C":
            self._column = min(COLUMNS, self._column + by)
        elif final == "D":
            self._column = max(0, self._column - by)
        elif final == "G":
            self._column = min(COLUMNS, by) - 1
        elif final == "K":
            self._erase(number)
        elif final == "J" and number == 0:
            self._erase(0)
            for row in self._screen[self._at + 1 :]:
                row.characters, row.pens = "", []
        if final in "EF":
            self._column = 0

    def _erase(self, mode: int) -> None:
        row, column = self._screen[self._at], self._column
        if mode == 0:
            row.characters = row.characters[:column]
            del row.pens[column:]
        elif mode == 1:
            count = min(column + 1, len(row.characters))
            row.characters = " " * count + row.characters[count:]
        else:
            row.characters, row.pens = "", []

    def _scroll(self, count: int) -> None:
        folds, self._last = self._folds_of(count, self._last)
        self.folds += folds
        del self._screen[:count]
        self._at -= count

    def _folds_of(self, count: int, last: int) -> tuple[list[Fold], int]:
        """Folds of the first ``count`` rows, and the last line that has a row then."""
        first = self._screen[0]
        if count == 1 and first.is_plain and first.passes == 1 and first.line == last + 1:
            return [], last + 1  # the usual case: a line with a row, below the line before
        folds: list[Fold] = []
        for row, number in zip(self._screen[:count], self._numbers(), strict=False):
            if number is None:
                continue
            if number > last:
                if number > last + 1 or not row.is_plain or row.line != number:
                    folds.append(Fold(last + 1, number, (row.text(),)))
                last = number
            elif folds:
                above = folds.pop()
                folds.append(Fold(above.first, above.line, (*above.texts, row.text())))
        return folds, last

    def _numbers(self) -> list[int | None]:
        """The lines whose numbers the rows have, rising; None where a row is not shown."""
        numbers: list[int | None] = []
        below: int | None = None
        for row in reversed(self._screen):
            # What one line wiped away by itself has a row: the page shows its last state.
            is_alone = row.passes == 1 and (row.is_plain or not row.is_drawn)
            if is_alone or row.characters.strip(" " + SECOND):
                below = row.line if below is None else min(row.line, below - 1)
                numbers.append(below)
            else:
                numbers.append(None)
        return numbers[::-1]


def moves_up(data: bytes) -> bool:
    """A cursor moves up: by rows, to the begin of a row above, or by "reverse index"."""
    # For most logs the signs that are left show that nothing moves, in a third of the time.
    bare = data.translate(None, NO_SIGNS)
    if not any(sign in bare for sign in (b"\x1b[A", b"\x1b[F", b"\x1bM")):
        return False
    return MOVES_UP.search(data) is not None


def _columns(text: str) -> str:
    """A character a column; marks that join the letter before are left out."""
    columns: list[str] = []
    for character in text:
        if unicodedata.combining(character) or character in "\u200b\u200d\ufe0f":
            continue
        columns.append(character)
        if unicodedata.east_asian_width(character) in "WF":
            columns.append(SECOND)
    return "".join(columns)


@lru_cache(maxsize=4096)
def _pen(pen: str, parameters: str) -> str:
    """Colours after an SGR sequence: the codes since the last reset."""
    codes = iter(parameters.replace(":", ";").split(";"))
    kept = [pen] if pen else []
    for code in codes:
        if code.strip("0") == "":
            kept = []
            continue
        kept.append(code)
        if code in ("38", "48", "58"):
            mode = next(codes, "")
            kept += [mode, *(next(codes, "") for _ in range(1 if mode == "5" else 3))]
    return ";".join(kept)[-200:]


def plain(data: bytes) -> bytes:
    """Plain text of whole lines. Keeps every newline, so that lines keep their numbers."""
    pieces, at = [], 0
    for start, end in _redrawn_lines(data):
        pieces += [_bare(data[at:start]), _last_state(data[start:end])]
        at = end
    return b"".join([*pieces, _bare(data[at:])]) if pieces else _bare(data)


def is_plain(data: bytes) -> bool:
    """Nothing in the text is collapsed or left out: it is shown unchanged."""
    return not has_any(data, SIGNS)


def _redrawn_lines(data: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of each line with collapsed updates, in order."""
    places = [data.find(sign) for sign in REDRAWS]
    while (first := min((place for place in places if place >= 0), default=-1)) >= 0:
        end = data.find(b"\n", first)
        end = len(data) if end < 0 else end
        yield data.rfind(b"\n", 0, first) + 1, end
        places = [
            data.find(sign, end) if 0 <= place < end else place
            for sign, place in zip(REDRAWS, places, strict=True)
        ]


def plain_stream(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Plain text of a log in pieces, cut anywhere. Holds back at most 8 MiB of an unended line."""
    return map(plain, whole_lines(chunks))


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A log in pieces that end with a line, where a line is not huge."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk if rest else chunk
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) >= LONGEST_LINE_BYTES:
            cut = len(data)
        rest = data[cut:]
        if cut:
            yield data[:cut]
    if rest:
        yield rest


def _bare(data: bytes) -> bytes:
    """Without escape sequences and control characters."""
    # A log has few different sequences: each is taken out of all at once, in a tenth of the time.
    for _ in range(MOST_SEQUENCES):
        position = find(data, b"\x1b[")
        match = CONTROL.match(data, position) if position >= 0 else None
        if match is None:
            break
        data = without(data, match[0])
    if has_any(data, SIGNS.replace(b"\r", b"")):
        data = ESCAPES.sub(b"", data)
    return data


def _last_state(line: bytes) -> bytes:
    """The visible text of a line after its carriage returns. A text erased at the very end is shown
    as it was before. ``lastState`` of static/js/lib/log_redraw.js does the same."""
    if len(line) > LONGEST_REDRAWN_BYTES:
        line = line[line.find(b"\r", len(line) - LONGEST_REDRAWN_BYTES) + 1 :]
    parts = line.split(b"\r")
    shown = [_bare(part) for part in parts]
    while shown and not shown[-1].strip():
        shown.pop()
    if not shown:
        return b""
    last = shown[-1]
    is_simple = b"\b" not in line and not ERASES.search(parts[len(shown) - 1])
    if is_simple and all(len(part) <= len(last) for part in shown):
        return last
    terminal = Terminal()
    terminal.feed(b"\r".join(parts[: len(shown)]).decode(errors="replace"))
    return "".join(terminal.shown()).encode()


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
        """The file still has the content read before: a number that is reused, after a database was
        restored, begins with an empty log."""
        return log.pread(len(self._last), self.offset - len(self._last)) == self._last

    @property
    def is_full(self) -> bool:
        return self._folds_bytes > MOST_BYTES

    @property
    def weight(self) -> int:
        return self._folds_bytes + CELL_BYTES * self.terminal.cells

    def read_on(self, log: Log, *, until: float) -> None:
        """To the end of the log, to the maximum of folds, or until the time ``until``."""
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
    """The visible part of a long line over which no cursor moves up."""
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
        """The folds of ``path`` beyond the ``known`` ones of ``series``, at most ``most``; where
        some are left out, so is ``open``. Looks at the log for at most ``budget_s``."""
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
