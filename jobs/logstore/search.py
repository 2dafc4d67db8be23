"""Search through a whole log, of any size, in bounded memory.

Run as a program it searches in a process of its own: neither a gigabyte nor an expression that
takes for ever may hold up the web server.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, field
from pathlib import Path

from jobs.logstore.plain import LONGEST_LINE_BYTES, plain

READ_BYTES = 1024 * 1024
# A plain text in less than this is found sooner than a process starts.
SMALL_BYTES = 16 * 1024 * 1024
ROOT = Path(__file__).resolve().parent.parent.parent


class SearchTooSlow(Exception):
    """The search was given up after its time."""


@dataclass(frozen=True, slots=True)
class Match:
    """A line that matches: its number (from 1), where it begins, and how often."""

    line: int
    offset: int
    count: int


@dataclass(slots=True)
class Matches:
    """``total`` matches in ``lines`` lines; ``found``: the first of them, up to the limit."""

    total: int = 0
    lines: int = 0
    searched_bytes: int = 0
    found: list[Match] = field(default_factory=list)


Finder = Callable[[bytes], Iterator[int]]


def search_file(path: Path, text: str, *, regex: bool, limit: int) -> Matches:
    """Find ``text`` in what is shown of a log (see :mod:`jobs.logstore.plain`).

    Case counts only when ``text`` has a capital letter. Totals are of the whole log, whatever
    ``limit``. A match never spans lines.

    Raises:
        re.error: ``text`` is not a regular expression.
    """
    result = Matches()
    if not text or "\n" in text:
        return result
    positions = _finder(text, regex=regex)
    line = 1
    for offset, block in _whole_lines(path):
        shown = plain(block)
        _collect(result, positions(shown), shown, block, line=line, offset=offset, limit=limit)
        line += block.count(b"\n")
        result.searched_bytes = offset + len(block)
    return result


def search_apart(path: Path, text: str, *, regex: bool, limit: int, timeout_s: float) -> Matches:
    """The same, in a process of its own.

    Raises:
        re.error: ``text`` is not a regular expression.
        SearchTooSlow: not done after ``timeout_s`` seconds.
    """
    _finder(text, regex=regex)
    order = json.dumps({"path": str(path), "text": text, "regex": regex, "limit": limit})
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
    total, lines, searched, found = json.loads(done.stdout)
    return Matches(total, lines, searched, [Match(*match) for match in found])


def _finder(text: str, *, regex: bool) -> Finder:
    """A function that yields where matches begin."""
    ignore_case = text == text.lower()
    needle = text.encode()
    if regex or not text.isascii():
        pattern = (text if regex else re.escape(text)).encode()
        flags = re.IGNORECASE if ignore_case else re.NOFLAG
        in_line = _compiled(pattern, flags)
        # What matches within a line matches within a block too, but for what these look at.
        is_local = not any(sign in text for sign in ("(?", "\\A", "\\Z"))
        in_block = _compiled(pattern, flags | re.MULTILINE) if is_local else None
        return lambda data: _regex_positions(in_line, in_block, data)
    if ignore_case and needle.upper() != needle:
        # Several times faster than a regular expression that ignores case.
        return lambda data: _positions(data.lower(), needle)
    return lambda data: _positions(data, needle)


def _compiled(pattern: bytes, flags: re.RegexFlag) -> re.Pattern[bytes]:
    try:
        return re.compile(pattern, flags)
    except (OverflowError, RecursionError) as error:  # a{99999999999}, or brackets without end
        raise re.error(str(error)) from error


def _positions(data: bytes, needle: bytes) -> Iterator[int]:
    position = data.find(needle)
    while position >= 0:
        yield position
        position = data.find(needle, position + len(needle))


def _regex_positions(
    in_line: re.Pattern[bytes], in_block: re.Pattern[bytes] | None, data: bytes
) -> Iterator[int]:
    """Line by line, so that ``\\s`` or ``[^x]`` cannot run over a line's end.

    A block in which ``in_block`` finds nothing is passed over at once.
    """
    if in_block is not None and in_block.search(data) is None:
        return
    start = 0
    for line in data.split(b"\n"):
        for match in in_line.finditer(line):
            if match.end() > match.start():
                yield start + match.start()
        start += len(line) + 1


def _collect(
    result: Matches,
    positions: Iterator[int],
    shown: bytes,
    block: bytes,
    *,
    line: int,
    offset: int,
    limit: int,
) -> None:
    """Add the matches of one block, which begins at ``line`` and ``offset``."""
    counted_to = 0  # in ``shown``
    line_end = -1
    raw_line, raw_start = line, 0  # in ``block``
    for position in positions:
        result.total += 1
        if position <= line_end:
            if result.found and result.found[-1].line == line:
                last = result.found[-1]
                result.found[-1] = Match(last.line, last.offset, last.count + 1)
            continue
        result.lines += 1
        line += shown.count(b"\n", counted_to, position)
        counted_to = position
        line_end = shown.find(b"\n", position)
        line_end = len(shown) if line_end < 0 else line_end
        if len(result.found) < limit:
            while raw_line < line:
                raw_start = block.index(b"\n", raw_start) + 1
                raw_line += 1
            result.found.append(Match(line, offset + raw_start, 1))


def _whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """``(offset, bytes)`` of the file in blocks that end with a line, where a line is not huge."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        offset, rest = 0, b""
        while chunk := file.read(READ_BYTES):
            data = rest + chunk
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
    """Search as the JSON on standard input says; answer with JSON."""
    order = json.load(sys.stdin)
    path = Path(order.pop("path"))
    json.dump(astuple(search_file(path, order.pop("text"), **order)), sys.stdout)


if __name__ == "__main__":
    main()
