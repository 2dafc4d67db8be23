"""Whole numbers in text of people: addresses, forms, searches."""

from __future__ import annotations

DIGITS = 18  # numbers of so many digits fit the big integer of every database


def number_from(text: str) -> int | None:
    """Return a whole number of at most ``DIGITS`` digits; None for any other text."""
    return int(text) if text.isdecimal() and len(text) <= DIGITS else None
