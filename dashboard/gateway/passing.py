"""Bytes of an answer on their way: passed on as they are, with the engine's token counts read.

Only the part with ``"usage"`` is parsed. Where the client did not ask for it, the event that has
it is taken out; then an event is passed on once it is whole.
"""

from typing import NamedTuple

from pydantic_core import from_json

from jobs.base.numbers import whole
from jobs.base.patterns import pattern

MOST_HELD = 64 * 1024
_TAIL = 8 * 1024
_USAGE = pattern(rb'"usage"\s*:\s*(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')
_NO_CHOICE = pattern(rb'"choices"\s*:\s*\[\s*\]')
_LAST = pattern(rb'\[DONE\]|"finish_reason"\s*:\s*"|"error"')
_END = pattern(rb"\r?\n\r?\n")
_ENDS = (b"\n\n", b"\n\r\n")  # as bytes


class Tokens(NamedTuple):
    """Counts of an engine, or estimated from the pieces of a stream."""

    prompt: int
    completion: int
    is_estimated: bool = False


def tokens_in(content: bytes) -> Tokens | None:
    """Return the last counts in the end of a JSON answer or of a stream."""
    found = None
    for match in _USAGE.finditer(content[-MOST_HELD:]):
        try:
            usage = from_json(match[1])
        except ValueError:
            continue
        found = Tokens(
            whole(usage.get("prompt_tokens")) or 0, whole(usage.get("completion_tokens")) or 0
        )
    return found


class PassedStream:
    """One streamed answer. ``takes_usage``: the event with the counts is not passed on."""

    def __init__(self, *, takes_usage: bool) -> None:
        self._takes_usage = takes_usage
        self._held = self._tail = b""
        self._reported: Tokens | None = None
        self._pieces = 0

    @property
    def tokens(self) -> Tokens:
        """Reported, else a token for each piece so far."""
        reported = self._reported or (None if self._takes_usage else tokens_in(self._tail))
        return reported or Tokens(0, self._pieces, is_estimated=True)

    @property
    def is_whole(self) -> bool:
        """True if the stream ends as the format says; else it was cut."""
        return _LAST.search(self._tail) is not None

    def add(self, chunk: bytes) -> bytes:
        """Return what of it is to be passed on now."""
        self._pieces += chunk.count(b"data:")
        self._tail = (self._tail + chunk)[-_TAIL:]
        if not self._takes_usage:
            return chunk
        data = self._held + chunk
        has_counts = b'"usage"' in data
        if not has_counts and data.endswith(_ENDS):  # nearly each chunk
            self._held = b""
            return data
        ends = [match.end() for match in _END.finditer(data)]
        end = ends[-1] if ends else 0
        if len(data) - end > MOST_HELD:  # no event that is taken out is so long
            end = len(data)
        self._held = data[end:]
        if not has_counts:
            return data[:end]
        begins = [0, *ends]
        return b"".join(self._without(data[a:b]) for a, b in zip(begins, [*ends, end], strict=True))

    def end(self) -> bytes:
        rest, self._held = self._held, b""
        return self._without(rest)

    def _without(self, event: bytes) -> bytes:
        found = tokens_in(event) if b'"usage"' in event else None
        if found is None:
            return event
        self._reported = found
        return b"" if _NO_CHOICE.search(event) else event
