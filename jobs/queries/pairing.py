"""Two evaluations question by question: what both answered, and which changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.models import Answer, Result
from jobs.queries.statistics import Interval, mcnemar, paired_difference, questions_to_tell


@dataclass(frozen=True, slots=True)
class Flip:
    """A question that the base and another result answered with different success."""

    index: int
    category: str
    question: str
    expected: str
    base_answer: str
    other_answer: str
    gained: bool


@dataclass(frozen=True, slots=True)
class Paired:
    """Base and another result on the questions that both answered.

    ``is_whole``: each answered those of the other and no more.
    """

    questions: int
    both: int
    only_base: int
    only_other: int
    neither: int
    gap: Interval
    p: float
    more_needed: int | None
    flips: Sequence[Flip]
    is_whole: bool


def pair(base: Result, other: Result) -> Paired | None:
    """Question by question; None when the two share none."""
    mine, theirs = _answers(base), _answers(other)
    shared = [key for key in mine if key in theirs]
    if not shared:
        return None
    flips = []
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for key in shared:
        a, b = mine[key], theirs[key]
        verdicts = (a.score >= 0.5, b.score >= 0.5)
        counts[verdicts] += 1
        if verdicts[0] != verdicts[1]:
            category = str(a.detail.get("category") or a.subset)
            flips.append(
                Flip(
                    a.index,
                    category,
                    a.question,
                    a.expected,
                    a.answer,
                    b.answer,
                    gained=verdicts[1],
                )
            )
    both, only_base = counts[True, True], counts[True, False]
    only_other, neither = counts[False, True], counts[False, False]
    gap = paired_difference(both, only_base, only_other, neither)
    needed = questions_to_tell(only_base, only_other, len(shared)) if gap.holds_zero else None
    p = mcnemar(only_base, only_other)
    is_whole = len(shared) == len(mine) == len(theirs)
    return Paired(
        len(shared), both, only_base, only_other, neither, gap, p, needed, flips, is_whole
    )


def _answers(result: Result) -> dict[tuple[str, str, int], Answer]:
    """By subset, question and sample: a set that grew keeps its old questions comparable."""
    return {a.key: a for a in Answer.objects.scored().filter(result=result)}
