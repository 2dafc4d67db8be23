"""Whole numbers that people and programs write: in addresses, forms, words of a search."""

from __future__ import annotations

# What a big integer of every database holds, and far from the 4,300 at which ``int`` refuses.
MOST_DIGITS = 18


def whole_number(text: str) -> int | None:
    """Return the number that ``text`` is, from 0 on; None for any other text.

    Only ASCII digits count, at most ``MOST_DIGITS`` with leading zeros.
    """
    is_number = len(text) <= MOST_DIGITS and text.isascii() and text.isdecimal()
    return int(text) if is_number else None
