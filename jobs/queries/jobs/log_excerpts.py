"""Excerpts of a log on why a job ended, with line numbers."""

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from jobs import logstore
from jobs.base.errors import DamagedLog
from jobs.base.patterns import pattern
from jobs.logstore.terminal import plain

# Error lines; static/js/lib/log_row_view.js highlights the same ones.
BREAKS = r"(ERROR|CRITICAL|FATAL)\b|Traceback \(most|(Error|Exception):"
_BREAKS = pattern(BREAKS)
_NOTHING_SAID = pattern(r"[^\pL\pN]*$|[│┃║|]|.*\d%\|")  # tables and progress bars
_LOOKED_AT_BYTES = 64 * 1024
_HEAD = 400  # characters at a line's start that show its type
_LONGEST = 600
_BREAKING_LINES = 4
_LAST_LINES = 3
# An exception or error message; a logger name before it is ignored.
_RAISED = pattern(
    r"(?:^|[^\w.])((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit): \S.*)"
)
_SAYS_NO = pattern(
    r"\b(?:[Ff]atal|[Ee]rror|ERROR|FATAL|CRITICAL):\s*[\pL\pN_]|\b(?:ERROR|FATAL|CRITICAL)\b.*[\pL\pN_]"
    r"|: (?:No such file or directory|Permission denied|No space left on device|command not found)"
)
# Lines that only refer to another line, repeat a subprocess failure, or report recovered errors.
_TELLS_LESS = pattern(
    r"\b(?:[Ss]ee|[Cc]heck) (?:the )?(?:root cause|stack ?trace|traceback|logs?\b|errors?\b)"
    r"|CalledProcessError|ChildFailedError|Traceback \(most"
    r"|\braise [A-Za-z]|\bFile \"[^\"]+\", line \d|[\^~]{3,}$|\b(?:DEBUG|INFO|WARN|WARNING)\b"
)
_HEADLINE = 300  # characters

# Start and end of a log section, bytes; None: of the log.
Part = tuple[int, int | None]


class Quote(NamedTuple):
    """A log line: its number, from 1, and its terminal text."""

    line: int
    text: str


def line_of(key: str, number: int) -> list[Quote]:
    store = logstore.store()
    try:
        start = store.offset_of_line(key, number)
        end = min(store.offset_of_line(key, number + 1), start + _LOOKED_AT_BYTES)
        return _shown(number, store.read(key, start, end)) if start < end else []
    except DamagedLog:  # shown by the log panel
        return []


def telling_lines(
    key: str, *, part: Part | None = None, elsewhere: bool = True, or_last: bool = True
) -> list[Quote]:
    """The last error lines, else (``or_last``) the last non-empty ones. Lines of ``part`` come
    first: errors of succeeded steps matter less. Without ``elsewhere`` only those count."""
    try:
        rows = _end_of(key, (0, None)) if elsewhere else []
        own = _end_of(key, part) if part else []
    except DamagedLog:
        return []
    own_lines = _breaking(own) or (own[-_LAST_LINES:] if or_last else [])
    inside = {row.line for row in own}
    texts = {row.text for row in own_lines}
    others = [row for row in _breaking(rows) if row.line not in inside and row.text not in texts]
    room = _BREAKING_LINES - len(own_lines)
    lines = [*own_lines, *(others[-room:] if room > 0 else [])]
    return lines or (rows[-_LAST_LINES:] if or_last else [])


def headline(key: str, part: Part | None = None, *, elsewhere: bool = True) -> Quote | None:
    """Return the most telling error line without its logger prefix; ``part`` first, or only
    ``part`` without ``elsewhere``. None without an error line."""
    parts = [one for one in (part, (0, None) if elsewhere else None) if one is not None]
    with contextlib.suppress(DamagedLog):  # the verdict is stored without an excerpt
        for one in parts:
            if quote := _headline_of(_end_of(key, one)):
                return quote
    return None


def headline_in(text: str) -> str:
    """Return the most telling of a few quoted lines; "" without an error."""
    quote = _headline_of(_shown(1, text.encode()[-_LOOKED_AT_BYTES:]))
    return quote.text if quote else ""


def _headline_of(rows: Sequence[Quote]) -> Quote | None:
    for tells in (_RAISED, _SAYS_NO):
        for row in reversed(rows):
            match = None if _TELLS_LESS.search(row.text) else tells.search(row.text)
            if match is None:
                continue
            # An exception starts with its name; other lines are returned whole.
            text = match[1] if tells is _RAISED else row.text
            return Quote(row.line, text if len(text) <= _HEADLINE else f"{text[:_HEADLINE]}…")
    return None


def _end_of(key: str, part: Part) -> list[Quote]:
    store = logstore.store()
    size = store.size(key)
    end = size if part[1] is None else min(part[1], size)
    start = max(0, min(part[0], end), end - _LOOKED_AT_BYTES)
    return _shown(store.line_at(key, start), store.read(key, start, end)) if start < end else []


def _breaking(rows: Sequence[Quote]) -> list[Quote]:
    errors = [row for row in rows if _BREAKS.search(row.text[:_HEAD])]
    # Of equal lines the last one.
    unique = {row.text: row for row in errors}.values()
    return sorted(unique, key=lambda row: row.line)[-_BREAKING_LINES:]


def _shown(first: int, data: bytes) -> list[Quote]:
    texts = plain(data).decode(errors="replace").split("\n")
    rows = [Quote(first + i, text.strip()[:_LONGEST]) for i, text in enumerate(texts)]
    return [row for row in rows if not _NOTHING_SAID.match(row.text)]
