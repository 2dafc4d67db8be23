"""Whole numbers that people and programs write."""

import pytest

from jobs.base.numbers import number_from


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("17", 17), ("0017", 17), ("9" * 18, 10**18 - 1), ("000001000000", 1_000_000)],
)
def test_digits_are_a_number(text, number):
    assert number_from(text) == number


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
    assert number_from(text) is None
