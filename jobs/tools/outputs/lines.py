"""Lines of a log from chunks: numbered, with offsets, without colours, bounded in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jobs.base.sanitize import ESCAPES

# Longer lines come in parts: a line without an end, such as a progress bar redrawn for hours.
LONGEST_PART = 64 * 1024


@dataclass(frozen=True, slots=True)
class LogLine:
    """Line, or one state of a line redrawn after a carriage return.

    ``number`` counts newlines from 1; ``offset`` is the first byte of the line.
    """

    number: int
    offset: int
    text: str


class Lines:
    """Splitter of chunks into lines. Buffers an unended line, at most ``LONGEST_PART`` bytes."""

    def __init__(self, *, number: int = 1, offset: int = 0) -> None:
        self._number = number  # of the next line
        self._offset = offset  # its first byte
        self._read = 0  # its bytes already returned
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[LogLine]:
        """Return the lines that end in ``chunk``."""
        *ended, self._rest = (self._rest + chunk).split(b"\n")
        for raw in ended:
            for start in range(0, max(1, len(raw)), LONGEST_PART):
                yield from self._states(raw[start : start + LONGEST_PART])
            self._offset += self._read + len(raw) + 1
            self._number, self._read = self._number + 1, 0
        while len(self._rest) > LONGEST_PART:
            cut = self._rest.rfind(b"\r", 1, LONGEST_PART) if b"\r" in self._rest else -1
            cut = cut if cut > 0 else LONGEST_PART
            part, self._rest = self._rest[:cut], self._rest[cut:]
            yield from self._states(part)
            self._read += cut

    def end(self) -> Iterator[LogLine]:
        """Return the last line, without a newline."""
        rest, self._rest = self._rest, b""
        if rest:
            yield from self._states(rest)
            self._read += len(rest)

    def _states(self, raw: bytes) -> Iterator[LogLine]:
        for part in raw.split(b"\r"):
            text = ESCAPES.sub(b"", part).decode("utf-8", errors="replace").rstrip()
            if text:
                yield LogLine(self._number, self._offset, text)


def lines_of(content: bytes) -> Iterator[LogLine]:
    """Return the lines of a whole log or file."""
    lines = Lines()
    yield from lines.feed(content)
    yield from lines.end()
