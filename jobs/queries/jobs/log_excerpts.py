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
# What was raised, or what a program says no with; the name of a logger before it tells nothing.
_RAISED = re.compile(
    r"(?<![\w.])(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit): \S.*"
)
_SAYS_NO = re.compile(
    r"\b(?:[Ff]atal|[Ee]rror|ERROR|FATAL|CRITICAL):\s*\w|\b(?:ERROR|FATAL|CRITICAL)\b.*\w"
    r"|: (?:No such file or directory|Permission denied|No space left on device|command not found)"
)
# Lines that only point at another one, repeat that a program which was called has failed, or
# tell of what was gone on after.
_TELLS_LESS = re.compile(
    r"\b(?:[Ss]ee|[Cc]heck) (?:the )?(?:root cause|stack ?trace|traceback|logs?\b|errors?\b)"
    r"|CalledProcessError|ChildFailedError|Traceback \(most"
    r"|\braise [A-Za-z]|\bFile \"[^\"]+\", line \d|[\^~]{3,}$|\b(?:DEBUG|INFO|WARN|WARNING)\b"
)
_HEADLINE = 300  # characters

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


def headline(key: str, part: Part | None = None, *, elsewhere: bool = True) -> Quote | None:
    """The line of a log that tells most of why a run ended, without what a logger put before it;
    of ``part`` first, without ``elsewhere`` only of it. None where no line speaks of an error."""
    parts = [one for one in (part, (0, None) if elsewhere else None) if one is not None]
    try:
        for one in parts:
            if found := _headline_of(_end_of(key, one)):
                return found
    except DamagedLog:
        pass
    return None


def headline_in(text: str) -> str:
    """The same in a few lines that were quoted; "" where none speaks of an error."""
    found = _headline_of(_shown(1, text.encode()[-_LOOKED_AT_BYTES:]))
    return found.text if found else ""


def _headline_of(rows: Sequence[Quote]) -> Quote | None:
    for tells in (_RAISED, _SAYS_NO):
        for row in reversed(rows):
            found = None if _TELLS_LESS.search(row.text) else tells.search(row.text)
            if found is None:
                continue
            # Of an exception its name comes first; else the line is told whole.
            text = found[0] if tells is _RAISED else row.text
            return Quote(row.line, text if len(text) <= _HEADLINE else f"{text[:_HEADLINE]}…")
    return None


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
