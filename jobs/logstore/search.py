"""Search through a whole log, of any size, in bounded memory; requests of the dashboard in it.

Confined workers search long logs and expressions that people type: neither a gigabyte nor an
expression that takes for ever may hold up the web server.

Expressions are RE2's, whose time grows with the text alone. ``\\w``, ``\\d``, ``\\s`` and ``\\b``
know ASCII only. There are no look-arounds and no back references, which no engine can find in
linear time.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import re2
from django.utils.translation import gettext as _

from jobs.base import wide_bytes
from jobs.base.numbers import GB, MB
from jobs.confined import Pool, Task, WorkerLimits
from jobs.logstore.files import Log, open_log
from jobs.logstore.index import LineIndex
from jobs.logstore.packed import AT_ONCE_BYTES, PackedLog
from jobs.logstore.terminal import is_plain, plain, whole_lines
from jobs.plans import HEALTH_MARK

READ_BYTES = 128 * 1024  # what a processor has near it: a fifth faster than a MiB
FEW = 64  # lines that are looked at one by one
SPREAD = 1000
# A plain text in less than this is found sooner than a process starts.
SMALL_BYTES = 16 * 1024 * 1024
STEP_BYTES = 2048  # in which newlines are counted, on the way to a line

_LONGEST_REASON = 200
_PREFIX = "(?m)"  # ^ and $ are a line's
# A character by its number, as JavaScript writes it; or any other escape.
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|.)", re.DOTALL)
# Begin and end of the text are those of its line.
_EDGES = {"\\A": "^", "\\Z": "$", "\\z": "$"}
_BEYOND_RE2 = re.compile(r"invalid perl operator: \(\?|invalid escape sequence: \\[1-9]")
_NO_UTF8 = re.compile("[\udc80-\udcff]")

SCAN_BYTES = 8 * 1024 * 1024  # of one look for requests
# Older parts are shown unchanged: months of a busy server.
MOST_BYTES = 256 * 1024 * 1024
# Of a server's health and counters its host asks every few seconds, and uvicorn, which vLLM and
# others serve with, prints a line each: ``127.0.0.1:55136 - "GET /health HTTP/1.1" 200 OK``. What
# people ask for too, such as ``/v1/models``, has a mark, which is found in whatever form a server
# prints a request. Only those that were answered with 200 count; any other answer is news.
_COLOUR = rb"(?:\x1b\[[\d;]{0,12}m)*"
_POLL = re.compile(
    rb'"%sGET /(?:health|metrics) HTTP/\d(?:\.\d)?%s" %s200\b' % (_COLOUR, _COLOUR, _COLOUR)
    + rb"|GET /[^\s\"?]{0,200}\?%s\b[^\n]{0,60}?\b200\b" % HEALTH_MARK.encode()
)


class InvalidExpression(ValueError):
    """The text is no regular expression; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class Match:
    """A line that matches: its number (from 1), where it begins, and how often."""

    line: int
    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Query:
    """Text or expression to search for. ``limit``: maximum of returned lines; the first of them, or
    those around line ``near``. ``grave``: an expression of lines to be marked. ``terms``: each
    match contains one of them, so that parts without any are skipped fast. Colour codes inside a
    word prevent a match."""

    text: str
    regex: bool = False
    limit: int = 1000
    near: int = 0
    grave: str = ""
    terms: tuple[str, ...] = ()


@dataclass(slots=True)
class MatchingLines:
    """``total`` matches in ``lines`` lines; ``rows``: some of them, with ``before`` ones before.
    ``spread``: for each of ``SPREAD`` equal parts of the log one line that matches, if there is
    one, and whether it is grave."""

    total: int = 0
    lines: int = 0
    before: int = 0
    rows: list[Match] = field(default_factory=list)
    spread: list[tuple[int, bool]] = field(default_factory=list)


def search_file(path: Path, query: Query) -> MatchingLines:
    """Find a text in what is shown of a log (see :func:`jobs.logstore.terminal.plain`). Case counts
    only when the text has a capital letter. Totals are of the whole log, whatever the limit. A
    match never spans lines. Raises InvalidExpression: the text is no regular expression. Raises
    DamagedLog."""
    if not query.text or "\n" in query.text:
        return MatchingLines()
    finder = finder_of(query)
    terms = [word.encode() for word in query.terms]
    with open_log(path) as log:
        if log is None:
            return MatchingLines()
        collected = _Collected(query, log.size)
        offset, line = 0, 1
        for block in whole_lines(_chunks(log)):
            if not terms or any(wide_bytes.find(block, word) >= 0 for word in terms):
                shown = block if is_plain(block) else plain(block)
                place = _Place(shown, block, line)
                collected.add(finder, finder.prepared(shown), place, offset=offset)
            offset, line = offset + len(block), line + wide_bytes.count(block, b"\n")
        return collected.matches()


def _searcher(seconds: int) -> Task[MatchingLines]:
    limits = WorkerLimits(memory=GB, answer=16 * MB, cpu_s=seconds, wall_s=seconds)
    return Task(
        f"{__name__}:search_file", MatchingLines, Pool(limits, most=2, ends_with_asker=True)
    )


# By confined workers, which stand by for the next search; of a text that a person typed, and of
# another. Raise what search_file does; Exceeded: not done in time.
search_typed, search_ours = _searcher(30), _searcher(300)


def finder_of(query: Query) -> _Literal | _Expression:
    """Raises InvalidExpression."""
    text = query.text
    # An escape has no capital letter: ``\\S``.
    letters = re.sub(r"\\.", "", _ESCAPED.sub(_written_out, text)) if query.regex else text
    ignore_case = letters == letters.lower()
    if query.regex or not text.isascii():
        expression = text if query.regex else str(re2.escape(text))
        return _Expression(expression, ignore_case=ignore_case)
    return _Literal(text.encode(), ignore_case=ignore_case)


class _Literal:
    """Finds lines that have a text, in bytes that begin and end with a line."""

    def __init__(self, needle: bytes, *, ignore_case: bool) -> None:
        self._needle = needle
        self._to_line_end = re.compile(re.escape(needle) + rb"[^\n]*")
        # Several times faster than a regular expression that ignores case.
        self._is_lowered = ignore_case and needle.upper() != needle

    def prepared(self, data: bytes) -> bytes:
        """The text to search in, as long as ``data``."""
        return wide_bytes.lowered(data) if self._is_lowered else data

    def lines(self, data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """The lines that match: where the first match and the line end, how many matches."""
        while (position := wide_bytes.find(data, self._needle, start, end)) >= 0:
            start = _line_end(data, position)
            yield position, start, data.count(self._needle, position, start)

    def count(self, data: bytes, start: int, end: int) -> tuple[int, int]:
        """Numbers of matches and of lines with one."""
        total = lines = 0
        for _position, line_end, count in islice(self.lines(data, start, end), FEW):
            total, lines, start = total + count, lines + 1, line_end
        if lines == FEW:  # two walks through the data, but none through Python
            total += wide_bytes.count(data, self._needle, start, end)
            lines += len(self._to_line_end.findall(data, start, end))
        return total, lines


class _Expression:
    """As :class:`_Literal`, by an expression; empty matches are none."""

    def __init__(self, text: str, *, ignore_case: bool) -> None:
        options = re2.Options()
        options.case_sensitive = not ignore_case
        options.never_nl = options.never_capture = True
        options.log_errors = False
        try:
            self._pattern: Any = re2.compile(_PREFIX + _ESCAPED.sub(_written_out, text), options)
        except re2.error as error:
            said = error.args[0] if error.args else ""
            reason = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
            if _BEYOND_RE2.match(reason):
                reason = _("look-arounds and back references are not available")
            reason = reason.replace(_PREFIX, "", 1)[:_LONGEST_REASON]
            raise InvalidExpression(reason) from error

    def prepared(self, data: bytes) -> bytes:
        """A byte that is no UTF-8 becomes an unprintable character, because RE2 finds no character
        in such bytes, not even by ``.``."""
        if data.isascii():
            return data
        return _NO_UTF8.sub("\x7f", data.decode("utf-8", "surrogateescape")).encode()

    def lines(self, data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        while start < end and (found := next(self._spans(data, start, end), None)):
            begin, stop = found
            start = _line_end(data, begin)
            yield begin, start, 1 + sum(1 for _span in self._spans(data, stop, start))

    def count(self, data: bytes, start: int, end: int) -> tuple[int, int]:
        counts = [count for _begin, _end, count in self.lines(data, start, end)]
        return sum(counts), len(counts)

    def _spans(self, data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
        spans = (match.span() for match in self._pattern.finditer(data, start, end))
        return ((begin, stop) for begin, stop in spans if stop > begin)


def _written_out(escape: re.Match[str]) -> str:
    if escape[0] in _EDGES:
        return _EDGES[escape[0]]
    number = int(escape[1] or escape[2] or "0", 16)
    is_character = number and not 0xD800 <= number < 0xE000 and number < 0x110000
    return str(re2.escape(chr(number))) if is_character else escape[0]


def _line_end(data: bytes, position: int) -> int:
    end = data.find(b"\n", position)
    return len(data) if end < 0 else end


class _Collected:
    """Adds up the matches of block after block."""

    def __init__(self, query: Query, log_bytes: int) -> None:
        self._query = query
        self._grave = re.compile(query.grave.encode()) if query.grave else None
        self._span = log_bytes / SPREAD
        self._total = self._lines = 0
        self._head: deque[Match] = deque(maxlen=query.limit // 2 if query.near else query.limit)
        self._tail: list[Match] = []
        self._before = 0  # lines that match before those of the head
        self._spread: dict[int, tuple[int, bool]] = {}

    def add(
        self, finder: _Literal | _Expression, data: bytes, place: _Place, *, offset: int
    ) -> None:
        """The matches of one block, which begins at ``offset``; ``data`` is what to look in."""
        start = 0
        while start < len(data):
            part = int((offset + start) / self._span)
            edge = min(len(data), max(start + 1, int((part + 1) * self._span) - offset))
            edge = min(len(data), _line_end(data, edge - 1) + 1)
            for position, end, count in finder.lines(data, start, edge):
                self._total += count
                self._lines += 1
                if not self._is_kept(place.line) and self._is_spread(part):
                    total, lines = finder.count(data, end, edge)
                    self._total += total
                    self._lines += lines
                    break
                place.go_to(position)
                if not self._is_spread(part):
                    line = place.shown[place.start(position) : end]
                    is_grave = self._grave is not None and bool(self._grave.search(line))
                    if part not in self._spread or is_grave:
                        self._spread[part] = (place.line, is_grave)
                if self._is_kept(place.line):
                    self._keep(Match(place.line, offset + place.raw_start(position), count))
            start = edge

    def _is_kept(self, line: int) -> bool:
        """True if a match in ``line`` or behind it may be returned."""
        if not self._query.near:
            return len(self._head) < self._query.limit
        return line < self._query.near or len(self._tail) < self._query.limit - len(self._head)

    def _keep(self, match: Match) -> None:
        if self._query.near and match.line >= self._query.near:
            self._tail.append(match)
            return
        if self._head.maxlen == len(self._head):
            self._before += self._head[0].count if self._head else match.count
        self._head.append(match)

    def _is_spread(self, part: int) -> bool:
        """True if this part of the log needs no further search."""
        known = self._spread.get(part)
        return known is not None and (known[1] or self._grave is None)

    def matches(self) -> MatchingLines:
        rows, spread = [*self._head, *self._tail], sorted(self._spread.values())
        return MatchingLines(self._total, self._lines, self._before, rows, spread)


class _Place:
    """Lines of a block as its matches are passed, from above."""

    def __init__(self, shown: bytes, block: bytes, line: int) -> None:
        self.shown, self._block = shown, block
        self.line = line
        self._at = 0  # in ``shown``
        self._raw_line, self._raw_start = line, 0  # in ``block``

    def go_to(self, position: int) -> None:
        """``position`` in what is shown is in ``line`` then."""
        self.line += wide_bytes.count(self.shown, b"\n", self._at, position)
        self._at = position

    def start(self, position: int) -> int:
        return self.shown.rfind(b"\n", 0, position) + 1

    def raw_start(self, position: int) -> int:
        if self.shown is self._block:
            return self.start(position)
        at = start = self._raw_start
        missing = self.line - self._raw_line
        for at in range(start, len(self._block), STEP_BYTES):  # faster than by the line
            passed = wide_bytes.count(self._block, b"\n", at, at + STEP_BYTES)
            if passed >= missing:
                break
            missing -= passed
        for _line in range(missing):
            at = self._block.index(b"\n", at) + 1
        self._raw_start, self._raw_line = at, self.line
        return at


def _chunks(log: Log) -> Iterator[bytes]:
    """The log without data that arrived after opening: the result is of one moment. Of a packed
    log a second thread unpacks what comes next."""
    if isinstance(log, PackedLog):
        with ThreadPoolExecutor(1) as ahead:
            at, following = 0, ahead.submit(log.pread, AT_ONCE_BYTES, 0)
            while piece := following.result():
                at += len(piece)
                following = ahead.submit(log.pread, AT_ONCE_BYTES, at)
                yield from (piece[n : n + READ_BYTES] for n in range(0, len(piece), READ_BYTES))
        return
    at = 0
    while at < log.size and (chunk := log.pread(min(READ_BYTES, log.size - at), at)):
        # A line that goes on is read again, which is cheaper than to join its parts.
        chunk = chunk[: chunk.rfind(b"\n") + 1] or chunk
        yield chunk
        at += len(chunk)


@dataclass(frozen=True, slots=True)
class Polls:
    """``ranges`` of lines from one byte to ``to``, both ends in them, ascending; ``is_done``: no
    whole line follows. ``lines`` of the log were looked at so far, a half one behind ``to`` too."""

    to: int
    ranges: tuple[tuple[int, int], ...]
    is_done: bool
    lines: int


def polls(log: Log, index: LineIndex, start: int) -> Polls:
    """Find requests of the dashboard in a server's log, from byte ``start`` on, where a line
    begins."""
    if start < log.size - MOST_BYTES:
        start = index.offset_of_line(log, index.line_at(log, log.size - MOST_BYTES) + 1)
    data = log.pread(SCAN_BYTES, start)
    end = data.rfind(b"\n") + 1
    if not end:
        # A line longer than this is no request.
        is_long = len(data) == SCAN_BYTES
        to = start + len(data) if is_long else start
        return Polls(to, (), not is_long, index.line_at(log, start) - (not data))
    line, at = index.line_at(log, start), 0
    ranges: list[tuple[int, int]] = []
    for match in _POLL.finditer(data, 0, end):
        line += data.count(b"\n", at, match.start())
        at = match.start()
        if ranges and line <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], line)
        else:
            ranges.append((line, line))
    line += data.count(b"\n", at, end)
    is_half = end < len(data)
    return Polls(start + end, tuple(ranges), len(data) < SCAN_BYTES, line - 1 + is_half)
