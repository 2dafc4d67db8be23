"""Search through a whole log, of any size, in bounded memory.

Run as a program it searches in a process of its own: neither a gigabyte nor an expression that
takes for ever may hold up the web server.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from jobs.base.errors import DamagedLog
from jobs.logstore.expressions import Expression, letters_of, quoted, searchable
from jobs.logstore.files import Log, open_log
from jobs.logstore.lines import LineIndex
from jobs.logstore.plain import LONGEST_LINE_BYTES, is_plain, plain

READ_BYTES = 128 * 1024  # what a processor has near it: a fifth faster than a MiB
FEW = 64  # lines that are looked at one by one
SPREAD = 1000
# A plain text in less than this is found sooner than a process starts.
SMALL_BYTES = 16 * 1024 * 1024
ROOT = Path(__file__).resolve().parent.parent.parent


class SearchTooSlow(Exception):
    """The search exceeded its time limit."""


@dataclass(frozen=True, slots=True)
class Match:
    """A line that matches: its number (from 1), where it begins, and how often."""

    line: int
    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Query:
    """Text or expression to search for.

    ``limit``: maximum of returned lines; the first of them, or those around line ``near``.
    ``grave``: an expression of lines to be marked. ``terms``: each match contains one of them, so
    that parts without any are skipped fast.
    """

    text: str
    regex: bool = False
    limit: int = 1000
    near: int = 0
    grave: str = ""
    terms: tuple[str, ...] = ()


@dataclass(slots=True)
class Matches:
    """``total`` matches in ``lines`` lines; ``rows``: some of them, with ``before`` ones before.

    ``spread``: for each of ``SPREAD`` equal parts of the log one line that matches, if there is
    one, and whether it is grave.
    """

    total: int = 0
    lines: int = 0
    before: int = 0
    rows: list[Match] = field(default_factory=list)
    spread: list[tuple[int, bool]] = field(default_factory=list)


def search_file(path: Path, query: Query) -> Matches:
    """Find a text in what is shown of a log (see :mod:`jobs.logstore.plain`).

    Case counts only when the text has a capital letter. Totals are of the whole log, whatever the
    limit. A match never spans lines.

    Raises:
        InvalidExpression: the text is not a regular expression.
        DamagedLog: the log is packed, and its file is not as it was written.
    """
    if not query.text or "\n" in query.text:
        return Matches()
    finder = _finder(query.text, regex=query.regex)
    # Only where a word stands in one piece: a colour within it hides it, and its line.
    terms = [word.encode() for word in query.terms]
    with open_log(path) as log:
        if log is None:
            return Matches()
        collected, line_at = _Collected(query, log.size), LineIndex(path).numbers(log)
        for offset, block in _whole_lines(log):
            if terms and not any(word in block for word in terms):
                continue
            shown = block if is_plain(block) else plain(block)
            data = finder.prepared(shown)
            if finder.is_in(data):
                collected.add(finder, data, _Place(shown, block, line_at(offset)), offset=offset)
        return collected.matches()


def search_apart(path: Path, query: Query, *, timeout_s: float) -> Matches:
    """Search in a separate process.

    Raises:
        InvalidExpression: the text is not a regular expression.
        DamagedLog: the log is packed, and its file is not as it was written.
        SearchTooSlow: not done after ``timeout_s`` seconds.
    """
    _finder(query.text, regex=query.regex)
    order = json.dumps({"path": str(path), **asdict(query)})
    try:
        done = subprocess.run(
            [sys.executable, "-m", "jobs.logstore.search"],
            input=order.encode(),
            capture_output=True,
            cwd=ROOT,
            timeout=timeout_s,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise SearchTooSlow from error
    answer = json.loads(done.stdout)
    if "damaged" in answer:
        raise DamagedLog(answer["damaged"], **answer["args"])
    answer["rows"] = [Match(**match) for match in answer["rows"]]
    answer["spread"] = [(line, is_grave) for line, is_grave in answer["spread"]]
    return Matches(**answer)


class _Finder(Protocol):
    """Finds lines that match, in bytes that begin and end with a line."""

    def prepared(self, data: bytes) -> bytes:
        """Return the text to search in, as long as ``data``."""

    def is_in(self, data: bytes) -> bool:
        """False where nothing can match."""

    def lines(self, data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """The lines that match: where the first match and the line end, how many matches."""

    def count(self, data: bytes, start: int, end: int) -> tuple[int, int]:
        """Return the numbers of matches and of lines with one."""


def _finder(text: str, *, regex: bool) -> _Finder:
    letters = letters_of(text) if regex else text
    ignore_case = letters == letters.lower()
    if regex or not text.isascii():
        return _Expression(text if regex else quoted(text), ignore_case=ignore_case)
    return _Literal(text.encode(), ignore_case=ignore_case)


class _Literal:
    def __init__(self, needle: bytes, *, ignore_case: bool) -> None:
        self._needle = needle
        self._to_line_end = re.compile(re.escape(needle) + rb"[^\n]*")
        # Several times faster than a regular expression that ignores case.
        self._is_lowered = ignore_case and needle.upper() != needle

    def prepared(self, data: bytes) -> bytes:
        return data.lower() if self._is_lowered else data

    def is_in(self, data: bytes) -> bool:
        return self._needle in data

    def lines(self, data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        while (position := data.find(self._needle, start, end)) >= 0:
            start = _line_end(data, position)
            yield position, start, data.count(self._needle, position, start)

    def count(self, data: bytes, start: int, end: int) -> tuple[int, int]:
        total = lines = 0
        for _, line_end, count in islice(self.lines(data, start, end), FEW):
            total, lines, start = total + count, lines + 1, line_end
        if lines == FEW:  # two walks through the data, but none through Python
            total += data.count(self._needle, start, end)
            lines += len(self._to_line_end.findall(data, start, end))
        return total, lines


class _Expression:
    def __init__(self, pattern: str, *, ignore_case: bool) -> None:
        self._expression = Expression(pattern, ignore_case=ignore_case)

    def prepared(self, data: bytes) -> bytes:
        return searchable(data)

    def is_in(self, data: bytes) -> bool:
        return self._expression.first(data, 0, len(data)) is not None

    def lines(self, data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        while start < end and (found := self._expression.first(data, start, end)):
            begin, stop = found
            start = _line_end(data, begin)
            yield begin, start, 1 + self._expression.count(data, stop, start)

    def count(self, data: bytes, start: int, end: int) -> tuple[int, int]:
        counts = [count for _, _, count in self.lines(data, start, end)]
        return sum(counts), len(counts)


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

    def add(self, finder: _Finder, data: bytes, place: _Place, *, offset: int) -> None:
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
                    self._spread_add(part, place.line, place.shown(position, end))
                if self._is_kept(place.line):
                    self._keep(Match(place.line, offset + place.raw_start(position), count))
            start = edge

    def _is_kept(self, line: int) -> bool:
        """Return True if a match in ``line`` or behind it may be returned."""
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
        """Return True if this part of the log needs no further search."""
        known = self._spread.get(part)
        return known is not None and (known[1] or self._grave is None)

    def _spread_add(self, part: int, line: int, text: bytes) -> None:
        is_grave = self._grave is not None and bool(self._grave.search(text))
        if part not in self._spread or is_grave:
            self._spread[part] = (line, is_grave)

    def matches(self) -> Matches:
        """Return the result of the search."""
        return Matches(
            total=self._total,
            lines=self._lines,
            before=self._before,
            rows=[*self._head, *self._tail],
            spread=sorted(self._spread.values()),
        )


class _Place:
    """Lines of a block as its matches are passed, from above."""

    def __init__(self, shown: bytes, block: bytes, line: int) -> None:
        self._shown, self._block = shown, block
        self.line = line
        self._at = 0  # in ``shown``
        self._raw_line, self._raw_start = line, 0  # in ``block``

    def go_to(self, position: int) -> None:
        """``position`` in what is shown is in ``line`` then."""
        self.line += self._shown.count(b"\n", self._at, position)
        self._at = position

    def shown(self, position: int, end: int) -> bytes:
        """Return the shown part of its line, up to ``end``."""
        return self._shown[self._start(position) : end]

    def _start(self, position: int) -> int:
        return self._shown.rfind(b"\n", 0, position) + 1

    def raw_start(self, position: int) -> int:
        """Return the offset of its line in the block."""
        if self._shown is self._block:
            return self._start(position)
        while self._raw_line < self.line:
            self._raw_start = self._block.index(b"\n", self._raw_start) + 1
            self._raw_line += 1
        return self._raw_start


def _whole_lines(log: Log) -> Iterator[tuple[int, bytes]]:
    """``(offset, bytes)`` of the log in blocks that end with a line, where a line is not huge."""
    offset, rest = 0, b""
    # Without data that arrived after opening: the result is of one moment.
    while (at := offset + len(rest)) < log.size:
        chunk = log.pread(min(READ_BYTES, log.size - at), at)
        if not chunk:
            break
        data = rest + chunk if rest else chunk
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) >= LONGEST_LINE_BYTES:
            cut = len(data)
        rest = data[cut:]
        if cut:
            yield offset, data[:cut]
            offset += cut
    if rest:
        yield offset, rest


def main() -> None:
    """Search with the JSON query on standard input; answer with JSON."""
    order = json.load(sys.stdin)
    path = Path(order.pop("path"))
    try:
        answer = asdict(search_file(path, Query(**order)))
    except DamagedLog as error:
        answer = {"damaged": str(error), "args": error.args_for_people}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
