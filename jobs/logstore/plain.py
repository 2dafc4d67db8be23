"""Text of a log as a terminal leaves it: no escape sequences, updates collapsed into the last."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from jobs.base.sanitize import ESCAPES
from jobs.logstore.terminal import row_of

LONGEST_LINE_BYTES = 8 * 1024 * 1024
CONTROL = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")
MOST_SEQUENCES = 16
# Of a longer line with updates only the last updates count: they cover all others.
LONGEST_REDRAWN_BYTES = 256 * 1024
REDRAWS = (b"\r", b"\x08")
OTHER_SIGNS = (b"\x1b", b"\x00", b"\x07")
ERASES = re.compile(rb"\x1b\[[0-2]?[JK]")


def plain(data: bytes) -> bytes:
    """Plain text of whole lines. Keeps every newline, so that lines keep their numbers."""
    pieces, at = [], 0
    for start, end in _redrawn_lines(data):
        pieces += [_bare(data[at:start]), _last_state(data[start:end])]
        at = end
    return b"".join([*pieces, _bare(data[at:])]) if pieces else _bare(data)


def is_plain(data: bytes) -> bool:
    """Return True if nothing in the text is collapsed or left out: it is shown unchanged.

    Each look is a memchr(3), a hundred times faster than an expression for them all.
    """
    return not any(sign in data for sign in (*REDRAWS, *OTHER_SIGNS))


def _redrawn_lines(data: bytes) -> Iterator[tuple[int, int]]:
    """Return begin and end of each line with collapsed updates, in order."""
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
    """Make plain text of a log in pieces, cut anywhere. Holds back at most 8 MiB of an unended
    line."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) >= LONGEST_LINE_BYTES:
            cut = len(data)
        rest = data[cut:]
        if cut:
            yield plain(data[:cut])
    if rest:
        yield plain(rest)


def _bare(data: bytes) -> bytes:
    """Without escape sequences and control characters."""
    # A log has few different sequences: each is taken out of all at once, in a tenth of the time.
    for _ in range(MOST_SEQUENCES):
        position = data.find(b"\x1b[")
        match = CONTROL.match(data, position) if position >= 0 else None
        if match is None:
            break
        data = data.replace(match[0], b"")
    if b"\x1b" in data or b"\x00" in data or b"\x08" in data or b"\x07" in data:
        data = ESCAPES.sub(b"", data)
    return data


def _last_state(line: bytes) -> bytes:
    """Return the visible text of a line after its carriage returns.

    A text erased at the very end is shown as it was before. ``lastState`` of
    static/js/lib/log_redraw.js does the same.
    """
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
    return row_of(b"\r".join(parts[: len(shown)]).decode(errors="replace")).encode()
