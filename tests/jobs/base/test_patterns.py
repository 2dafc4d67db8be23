"""Patterns for a stranger's text."""

import pytest

from jobs.base.patterns import pattern
from jobs.catalog.known_failures import KNOWN_FAILURES

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
