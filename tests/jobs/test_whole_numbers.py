"""Whole numbers that people and programs write."""

import pytest

from jobs.whole_numbers import whole_number


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("17", 17), ("0017", 17), ("9" * 18, 10**18 - 1), ("000001000000", 1_000_000)],
)
def test_digits_are_a_number(text, number):
    assert whole_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "-1", "+1", "1.0", "1e3", "1_0", "0x1"),
        "١",
        "１",
        "²",
        "9" * 19,
        "9" * 5000,
    ],
)
def test_any_other_text_is_none(text):
    assert whole_number(text) is None
