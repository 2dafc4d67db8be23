"""Regular expressions that people write: by RE2, whose time grows with the text alone.

``\\w``, ``\\d``, ``\\s`` and ``\\b`` know ASCII only. There are no look-arounds and no back
references, which no engine can find in linear time.
"""

from __future__ import annotations

import re
from typing import Any

import re2
from django.utils.translation import gettext as _

_LONGEST_REASON = 200
_PREFIX = "(?m)"  # ^ and $ are a line's
# A character by its number, as JavaScript writes it; or any other escape.
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|.)", re.DOTALL)
# Begin and end of the text are those of its line.
_EDGES = {"\\A": "^", "\\Z": "$", "\\z": "$"}
_BEYOND_RE2 = re.compile(r"invalid perl operator: \(\?|invalid escape sequence: \\[1-9]")
_NO_UTF8 = re.compile("[\udc80-\udcff]")


class InvalidExpression(ValueError):
    """The text is no regular expression; the message says why, for people."""


class Expression:
    """One expression, for texts of whole lines: a match never spans lines."""

    def __init__(self, text: str, *, ignore_case: bool) -> None:
        options = re2.Options()
        options.case_sensitive = not ignore_case
        options.never_nl = options.never_capture = True
        options.log_errors = False
        try:
            self._pattern: Any = re2.compile(_PREFIX + _ESCAPED.sub(_written_out, text), options)
        except re2.error as error:
            raise InvalidExpression(_reason(error)) from error

    def first(self, data: bytes, start: int, end: int) -> tuple[int, int] | None:
        """Return begin and end of the first match that is not empty; None without one."""
        for match in self._pattern.finditer(data, start, end):
            begin, stop = match.span()
            if stop > begin:
                return begin, stop
        return None

    def count(self, data: bytes, start: int, end: int) -> int:
        """Return the number of matches that are not empty."""
        spans = (match.span() for match in self._pattern.finditer(data, start, end))
        return sum(stop > begin for begin, stop in spans)


def quoted(text: str) -> str:
    """Return the expression that ``text`` itself matches."""
    return str(re2.escape(text))


def searchable(data: bytes) -> bytes:
    """``data``, as long as before, in which a byte that is no UTF-8 is an unprintable character.

    RE2 finds no character in such bytes, not even by ``.``.
    """
    if data.isascii():
        return data
    return _NO_UTF8.sub("\x7f", data.decode("utf-8", "surrogateescape")).encode()


def letters_of(text: str) -> str:
    """Return an expression without its escapes: ``\\S`` is no capital letter."""
    return re.sub(r"\\.", "", _ESCAPED.sub(_written_out, text))


def _written_out(escape: re.Match[str]) -> str:
    if escape[0] in _EDGES:
        return _EDGES[escape[0]]
    number = int(escape[1] or escape[2] or "0", 16)
    is_character = number and not 0xD800 <= number < 0xE000 and number < 0x110000
    return quoted(chr(number)) if is_character else escape[0]


def _reason(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    if _BEYOND_RE2.match(text):
        return _("look-arounds and back references are not available")
    return text.replace(_PREFIX, "", 1)[:_LONGEST_REASON]
