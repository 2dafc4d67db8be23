"""Shorten a long name in its middle, so that variants stay distinguishable."""

from __future__ import annotations

import re

SHORTEST = 16  # characters that are never cut
TAIL, LONGEST_TAIL = 12, 26
# What tells variants of a model apart: "…-int8-tp4", "…Q8_0 from Q4_1".
_PRECISION = re.compile(
    r"(?<![a-z0-9])(int[48]|fp?(8|16|32)|bf16|q\d(_\w+)?|w\da\d+)(?![a-z0-9])", re.IGNORECASE
)


def halves(name: str) -> tuple[str, str]:
    """``name`` as head and tail, of which the head gives way first; the tail may be ""."""
    if len(name) <= SHORTEST:
        return name, ""
    matches = list(_PRECISION.finditer(name))
    start = matches[0].start() if matches else 0
    if not start or len(name) - start > LONGEST_TAIL:
        start = len(name) - TAIL
    return name[:start], name[start:]
