"""Number of devices in words: "8 × H800", "2 × 8 H800", "8卡 H800"."""

from __future__ import annotations

import re

MOST = 100_000
_NUMBER = r"\d{1,5}"
_TIMES = r"\s*(?:[×*✕]|(?<![A-Za-z])[xX])\s*"  # not the last letter of "RTX 4090"
_UNIT = r"\s*(?:nodes?|servers?|cards?|gpus?|台|机|节点|卡|张|块|片|颗|个)\s*"
_NAME = r"(?P<name>\D.*|\d*[A-Za-z].*)"
# Servers times devices before or after the name; one number with a unit or without.
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?P<a>{_NUMBER})(?:{_UNIT})?{_TIMES}(?P<b>{_NUMBER})(?:{_UNIT}|{_TIMES}|\s+){_NAME}",
        rf"(?P<a>{_NUMBER})(?:{_UNIT}|{_TIMES}|\s+){_NAME}",
        rf"(?P<name>.*\S){_TIMES}(?P<a>{_NUMBER})(?:{_UNIT})?{_TIMES}(?P<b>{_NUMBER})(?:{_UNIT})?",
        rf"(?P<name>.*\S){_TIMES}(?P<a>{_NUMBER})(?:{_UNIT})?",
        rf"(?P<name>.*[^\s\d])\s*(?P<a>{_NUMBER}){_UNIT}",
        rf"(?P<name>.*\S)\s+(?P<a>{_NUMBER}){_UNIT}",
    )
)
# In a name: a further count, as in "2机8卡 H800" (8 or 16), but no part of "MI300X 192GB"; further
# devices; no letter, as in "8 × 4090".
_NOT_ONE = re.compile(
    rf"(?<![A-Za-z\d]){_NUMBER}(?:{_UNIT}|{_TIMES})|(?:[×*✕]|\sx)\s*\d"
    r"|[+＋&和与及]|\band\b|[,，、;；]\s*\d|\s/\s*\d|^[\W\d]*$",
    re.IGNORECASE,
)


def count_of(text: str) -> int | None:
    """Return the number of devices; None where the text has none, or it is not understood."""
    for form in _FORMS:
        match = form.fullmatch(text.strip())
        if match is None:
            continue
        if _NOT_ONE.search(match["name"]):
            return None
        found = int(match["a"]) * int(match.groupdict().get("b") or 1)
        return found if 0 < found <= MOST else None
    return None
