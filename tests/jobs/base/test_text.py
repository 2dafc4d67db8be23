"""Text of people and of strangers: whole numbers, patterns, what no database takes."""

import pytest

from jobs.base.numbers import number_from, result_number, result_pk
from jobs.base.patterns import pattern
from jobs.base.sanitize import sanitize
from jobs.catalog.known_failures import KNOWN_FAILURES
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


RE2 = type(pattern("a"))


@pytest.mark.parametrize("text", [r"a(?=b)", r"(?<!a)b", r"(a)\1", "("])
def test_what_re2_cannot_find_in_linear_time_is_refused(text):
    with pytest.raises(ValueError, match="no pattern"):
        pattern(text)


def test_lines_and_dots_are_as_asked():
    assert pattern("^b$", lines=True).search("a\nb\nc")
    assert pattern("a.b", dot_all=True).search("a\nb")
    assert not pattern("a.b").search("a\nb")
    assert pattern("ABC", ignore_case=True).search("abc")


def test_signatures_of_known_failures_are_of_re2():
    compiled = [
        signature.compiled
        for failure in KNOWN_FAILURES.values()
        for signature in failure.signatures
        if signature.pattern
    ]

    assert compiled
    assert {type(one) for one in compiled} == {RE2}


def test_a_number_that_is_none_becomes_null():
    values = {"a": float("nan"), "b": float("inf"), "c": 10**400, "d": -(2**63) - 1}

    assert sanitize(values) == dict.fromkeys(values)


def test_counts_flags_and_rates_stay_what_they_are():
    values = {"a": 2**63 - 1, "b": True, "c": -1.5, "d": [0]}

    assert sanitize(values) == values
    assert sanitize(True) is True
