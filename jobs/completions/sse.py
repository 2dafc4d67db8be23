"""The events of an engine's stream: server-sent events, or (llmdeploy's) bare JSON.

Its twin in the browser is ``static/js/lib/sse.js``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json

_BOM = b"\xef\xbb\xbf"
_LINES = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_FIELDS = (b"data", b"error", b"event", b"id", b"retry", b"")  # the last one is a comment
_MOST_LINES = 1000  # of data in one event
_BRACES = re.compile(rb'["{}]')
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


class Event(NamedTuple):
    """One event; ``offset``: where its line begins, in bytes. ``text``: what was no JSON.

    ``is_error``: the stream itself calls it an error.
    """

    offset: int
    payload: Any = None
    text: str = ""
    is_error: bool = False


def events(raw: bytes) -> Iterator[Event]:
    """The events of a stream, one by one; a last line that was cut is left out.

    Ends at ``[DONE]``. Data on several lines are one event. A line that is no field of an event is
    ``text``: a server that breaks prints its trace there.
    """
    name = b""
    kept: list[bytes] = []
    kept_at = 0
    for offset, line in _lines(raw):
        field, text = _named(line if offset else line.removeprefix(_BOM))
        if field == b"data" and text == b"[DONE]":
            return
        if field is None and not name and not kept:  # every second line
            continue
        is_error = field == b"error" or name == b"error"
        if field is None:
            yield from _joined(kept, kept_at, is_error=is_error)
            name, kept = b"", []
        elif field == b"event":
            name = text
        elif field in (b"data", b"error"):
            payload = _json(text)
            if payload is not None:
                if kept:
                    kept = []
                yield Event(offset, payload, "", is_error)
            elif text and len(kept) < _MOST_LINES:
                kept_at = kept_at if kept else offset
                kept.append(text)
        elif field == b"{":
            for at, payload in _objects(text):
                yield Event(offset + at, payload)
        elif field not in _FIELDS and not _is_cut(line):
            yield Event(offset, text=line.decode(errors="replace").strip())
    yield from _joined(kept, kept_at, is_error=name == b"error")


def _joined(lines: Sequence[bytes], offset: int, *, is_error: bool) -> Iterator[Event]:
    """The event whose data lay on several lines, or were no JSON."""
    if not lines:
        return
    text = b"\n".join(lines)
    payload = _json(text) if len(lines) > 1 else None
    if payload is not None:
        yield Event(offset, payload, is_error=is_error)
    elif is_error or not text.startswith((b"{", b"[")):
        yield Event(offset, text=text.decode(errors="replace"), is_error=is_error)


def _lines(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Each line and where it begins, one by one: all at once would be as much memory again."""
    begin = 0
    if b"\r" in raw:
        yield from ((match.start(), match[0]) for match in _LINES.finditer(raw))
        return
    while end := raw.find(b"\n", begin) + 1:  # three times as fast as the expression
        yield begin, raw[begin:end]
        begin = end
    if begin < len(raw):
        yield begin, raw[begin:]


def _named(line: bytes) -> tuple[bytes | None, bytes]:
    """The field of a line and its value; None for an empty line, ``{`` for bare JSON."""
    if line.startswith(b"data: "):  # nearly all, and there may be a hundred thousand
        return b"data", line[6:].strip()
    if line == b"\n":
        return None, b""
    bare = line.strip()
    if not bare:
        return None, b""
    if bare.startswith(b"{"):
        return b"{", bare
    name, _, rest = bare.partition(b":")
    return name, rest.strip()


def _is_cut(line: bytes) -> bool:
    """True for the begin of a field's name at the end of a stream."""
    return not line.endswith((b"\n", b"\r")) and any(name.startswith(line) for name in _FIELDS)


def _json(text: bytes) -> Any:
    """Return the JSON value of a text; None if invalid. A cut character is replaced."""
    try:
        return from_json(text)
    except ValueError:
        pass  # perhaps only a cut character: tried again below, without those
    if not text.startswith((b"{", b"[", b'"')):
        return None
    try:
        return json.loads(text.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None


def _objects(text: bytes) -> Iterator[tuple[int, Any]]:
    """The JSON objects of a line, which may stand side by side; one that was cut is left out."""
    payload = _json(text)
    if payload is not None:
        yield 0, payload
        return
    at = begin = depth = 0
    while brace := _BRACES.search(text, at):
        at = brace.end()
        if brace[0] == b'"':
            string = _STRING.match(text, brace.start())
            if string is None:
                return
            at = string.end()
        elif brace[0] == b"{":
            begin = begin if depth else brace.start()
            depth += 1
        elif depth:
            depth -= 1
            if not depth and (payload := _json(text[begin:at])) is not None:
                yield begin, payload
