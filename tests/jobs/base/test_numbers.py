"""Whole numbers in text of people."""

import pytest

from jobs.base.numbers import number_from, result_number, result_pk
from jobs.kinds.lib.base import promised_job


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("17", 17), ("0017", 17), ("9" * 18, 10**18 - 1), ("000001000000", 1_000_000)],
)
def test_a_number_is_read(text, number):
    assert number_from(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "-1", "+1", "1.5", "1e3", "1_0", "0x1", "x"),
        *("١", "１", "²", "9" * 19, "9" * 5000),
    ],
)
def test_other_text_is_no_number(text):
    assert number_from(text) is None


@pytest.mark.parametrize(
    ("key", "job"),
    [("job:17", 17), ("17", None), ("job:", None), ("job:-3", None), (f"job:{'9' * 5000}", None)],
)
def test_the_job_of_a_promise(key, job):
    assert promised_job(key) == job
    assert promised_job(None) is None


@pytest.mark.parametrize("text", ["res-15", " res-15 ", "RES-15"])
def test_the_number_of_a_result_is_read(text):
    assert (result_pk(text), result_number(15)) == (15, "res-15")


@pytest.mark.parametrize(
    "text",
    ["", "15", "#15", "res-", "res-0", "res-015", "res-+1", "res- 1", "res-²", f"res-{'9' * 19}"],
)
def test_other_text_numbers_no_result(text):
    assert result_pk(text) is None
