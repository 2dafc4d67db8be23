"""Whole numbers in text of people: addresses, forms, searches."""

from __future__ import annotations

DIGITS = 18  # numbers of so many digits fit the big integer of every database


def number_from(text: str) -> int | None:
    """Return a whole number of at most ``DIGITS`` digits; None for other text.

    Only ASCII digits count, with leading zeros.
    """
    is_number = len(text) <= DIGITS and text.isascii() and text.isdecimal()
    return int(text) if is_number else None
