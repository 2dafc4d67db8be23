"""Outputs of a tool: files of an ended job, typed values in them, lines of a log."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.base.errors import JobsError, ParseError
from jobs.base.numbers import finite
from jobs.base.sanitize import ESCAPES
from jobs.plans import Plan

# Errors of parsing an unknown file format (JSON, encoding and validation errors are ValueErrors).
UNEXPECTED = (
    JobsError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    FileNotFoundError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
# Longer lines come in parts: a line without an end, such as a progress bar redrawn for hours.
LONGEST_PART = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """An ended job. ``outputs`` is path -> content, and LOG -> the log's end."""

    kind: Any  # a jobs.kinds Kind, whose Params ``params`` are
    params: Any
    plan: Plan
    outputs: Mapping[str, bytes]

    @property
    def nested(self) -> dict[str, bytes]:
        return {path: self.outputs[path] for path in self.outputs if "/" in path}


# Raise ParseError for anything else than they return.


def json_of(path: str, content: bytes) -> Any:
    if not content.strip():
        raise ParseError(f"{path} is empty; JSON was expected")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"{path} is not JSON (cut off or of another tool): {error}") from error


def json_object(path: str, content: bytes) -> dict[str, Any]:
    data = json_of(path, content)
    if not isinstance(data, dict):
        raise ParseError(f"{path} does not hold a JSON object")
    return data


def json_lines(path: str, content: bytes) -> list[dict[str, Any]]:
    """Return the JSON objects in one file, one per line; empty lines are skipped."""
    return [
        json_object(f"{path}, line {number}", line)
        for number, line in enumerate(content.splitlines(), 1)
        if line.strip()
    ]


def number(path: str, data: Mapping[str, Any], key: str) -> float:
    """Return a finite number that a tool always writes."""
    value = number_or_none(data, key)
    if value is None:
        raise ParseError(f"{path}: {key!r} is {data.get(key)!r:.80}, not a number")
    return value


def count(path: str, data: Mapping[str, Any], key: str) -> int:
    """Return an integer from 0 that a tool always writes."""
    value = number(path, data, key)
    if value < 0 or not value.is_integer():
        raise ParseError(f"{path}: {key!r} is {value}, not a count")
    return int(value)


def number_or_none(data: Mapping[str, Any], key: str) -> float | None:
    """Return a finite number that a tool may omit, None without one."""
    return finite(data.get(key))


@dataclass(frozen=True, slots=True)
class LogLine:
    """Line, or one state of a line redrawn after a carriage return. ``number`` counts newlines from
    1; ``offset`` is the first byte of the line."""

    number: int
    offset: int
    text: str


class Lines:
    """Splitter of chunks into lines without colours. Buffers an unended line, at most
    ``LONGEST_PART`` bytes."""

    def __init__(self, *, number: int = 1, offset: int = 0) -> None:
        self._number, self._offset = number, offset  # of the next line
        self._read = 0  # its bytes already returned
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[LogLine]:
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
        rest, self._rest = self._rest, b""
        yield from self._states(rest)
        self._read += len(rest)

    def _states(self, raw: bytes) -> Iterator[LogLine]:
        for part in raw.split(b"\r"):
            text = ESCAPES.sub(b"", part).decode("utf-8", errors="replace").rstrip()
            if text:
                yield LogLine(self._number, self._offset, text)


def lines_of(content: bytes) -> Iterator[LogLine]:
    lines = Lines()
    yield from lines.feed(content)
    yield from lines.end()
