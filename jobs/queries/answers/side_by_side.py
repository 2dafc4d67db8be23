"""Two answers to one question side by side, with the first difference of their reasoning."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobs.models import Answer, Result
from jobs.queries.answers.answer_list import answer_of, same_in

# Of the differing sentence, at most so many characters are marked.
MOST_MARKED = 200
_SENTENCE_END = re.compile(r"[\n。！？]|[.!?](?=\s)")


@dataclass(frozen=True, slots=True)
class Split:
    """A text whose ``marked`` part is the first sentence that differs, "" where none does."""

    before: str
    marked: str
    after: str


@dataclass(frozen=True, slots=True)
class SideBySide:
    """The answer of the base, and the reasoning of both. ``at``: characters that are equal."""

    base: Answer
    theirs: Split
    mine: Split
    at: int


def side_by_side(base: Result, answer: Answer) -> SideBySide | None:
    """Return the base's answer to the same question; None if it was not asked."""
    row = same_in(base, answer.row)
    if row is None:
        return None
    other = answer_of(base.pk, row.index)
    at = equal_characters(other.reasoning, answer.reasoning)
    return SideBySide(other, _split(other.reasoning, at), _split(answer.reasoning, at), at)


def equal_characters(first: str, second: str) -> int:
    """Return the length of the common beginning of two texts."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _split(text: str, at: int) -> Split:
    end = _SENTENCE_END.search(text, at)
    until = min(end.end() if end else len(text), at + MOST_MARKED)
    return Split(text[:at], text[at:until], text[until:])
