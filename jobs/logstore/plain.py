"""A log's text as a terminal would leave it: no escape sequences, redraws folded into the last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jobs.parsers.lines import ESCAPES

LONGEST_LINE_BYTES = 8 * 1024 * 1024


def plain(data: bytes) -> bytes:
    """Plain text of whole lines. Keeps every newline, so that lines keep their numbers."""
    if b"\x1b" in data or b"\x00" in data or b"\x08" in data or b"\x07" in data:
        data = ESCAPES.sub(b"", data)
    if b"\r" not in data:
        return data
    return b"\n".join(_last_state(line) for line in data.split(b"\n"))


def plain_stream(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same for a log in pieces, cut anywhere. Holds back at most 8 MiB of an unended line."""
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


def _last_state(line: bytes) -> bytes:
    """What a line shows after its carriage returns: the last text that was drawn."""
    if b"\r" not in line:
        return line
    return next((part for part in reversed(line.split(b"\r")) if part.strip()), b"")
