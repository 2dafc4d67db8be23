"""The lines of a log that tell why a job ended, with their numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jobs import logstore
from jobs.errors import DamagedLog

# What breaks; static/js/lib/log_row_view.js tints the same lines.
BREAKS = r"(ERROR|CRITICAL|FATAL)\b|Traceback \(most|(Error|Exception):"
_BREAKS = re.compile(BREAKS)
_NOTHING_SAID = re.compile(r"[\W_]*$|[│┃║|]|.*\d+%\|")  # tables, and bars of progress
_LOOKED_AT_BYTES = 64 * 1024
_HEAD = 400  # characters of a line in which it says what it is
_LONGEST = 600
_BREAKING_LINES = 4
_LAST_LINES = 3

# Where something in a log begins and ends, bytes; None: where the log does.
Part = tuple[int, int | None]


@dataclass(frozen=True, slots=True)
class Quote:
    """A line: its number in the log, from 1, and what a terminal shows of it."""

    line: int
    text: str


def line_of(key: str, number: int) -> list[Quote]:
    """The one line ``number``; nothing where there is no such line."""
    store = logstore.store()
    try:
        start = store.offset_of_line(key, number)
        end = min(store.offset_of_line(key, number + 1), start + _LOOKED_AT_BYTES)
        return _shown(number, store.read(key, start, end)) if start < end else []
    except DamagedLog:  # which the log's own panel says
        return []


def telling_lines(
    key: str, *, part: Part | None = None, elsewhere: bool = True, or_last: bool = True
) -> list[Quote]:
    """The last lines that speak of an error; ``or_last``: else the last ones that say anything.

    Those of ``part`` come first: an error of a step that succeeded all the same tells less than
    what the one that failed said last. Without ``elsewhere`` only those count.
    """
    try:
        rows = _end_of(key, (0, None)) if elsewhere else []
        own = _end_of(key, part) if part else []
    except DamagedLog:
        return []
    told = _breaking(own) or (own[-_LAST_LINES:] if or_last else [])
    inside = {row.line for row in own}
    said = {row.text for row in told}
    others = [row for row in _breaking(rows) if row.line not in inside and row.text not in said]
    room = _BREAKING_LINES - len(told)
    found = [*told, *(others[-room:] if room > 0 else [])]
    return found or (rows[-_LAST_LINES:] if or_last else [])


def _end_of(key: str, part: Part) -> list[Quote]:
    """The last rows of a part of a log that say anything."""
    store = logstore.store()
    size = store.size(key)
    end = size if part[1] is None else min(part[1], size)
    start = max(0, min(part[0], end), end - _LOOKED_AT_BYTES)
    return _shown(store.line_at(key, start), store.read(key, start, end)) if start < end else []


def _breaking(rows: Sequence[Quote]) -> list[Quote]:
    """Those that speak of an error, the last few."""
    found = [row for row in rows if _BREAKS.search(row.text[:_HEAD])]
    return _without_repeats(found)[-_BREAKING_LINES:]


def _shown(first: int, data: bytes) -> list[Quote]:
    texts = logstore.plain(data).decode(errors="replace").split("\n")
    rows = [Quote(first + i, text.strip()[:_LONGEST]) for i, text in enumerate(texts)]
    return [row for row in rows if not _NOTHING_SAID.match(row.text)]


def _without_repeats(rows: Sequence[Quote]) -> list[Quote]:
    """Each text once, where it stood last."""
    return sorted({row.text: row for row in rows}.values(), key=lambda row: row.line)
