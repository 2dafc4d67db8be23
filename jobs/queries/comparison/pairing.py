"""Paired comparison of two evaluations by question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Case, TextField, Value, When

from jobs.models import Answer, Result
from jobs.queries.statistics import Interval, mcnemar, paired_difference, questions_to_tell

# Parts of the included questions, from names of sets such as "short_en".
PARTS = ("short", "choice", "en", "zh")


@dataclass(frozen=True, slots=True)
class Flip:
    """Question with a different verdict in the baseline and another result."""

    index: int
    category: str
    question: str
    expected: str
    base_answer: str
    other_answer: str
    gained: bool


@dataclass(frozen=True, slots=True)
class Paired:
    """Baseline and another result on their common questions.

    ``is_whole``: both have the same questions. ``parts`` has the difference for each part of the
    questions by metric, such as "accuracy_en".
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
    parts: Mapping[str, Interval]


def pair(base: Result, other: Result) -> Paired | None:
    """Pair two results by question; None without common questions."""
    mine, theirs = _answers(base), _answers(other)
    shared = [key for key in mine if key in theirs]
    if not shared:
        return None
    flips = []
    verdicts_of = {key: (mine[key].score >= 0.5, theirs[key].score >= 0.5) for key in shared}
    for key, verdicts in verdicts_of.items():
        a, b = mine[key], theirs[key]
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
    cells = _cells(verdicts_of.values())
    _both, only_base, only_other, _neither = cells
    gap = paired_difference(*cells)
    needed = questions_to_tell(only_base, only_other, len(shared)) if gap.holds_zero else None
    p = mcnemar(only_base, only_other)
    is_whole = len(shared) == len(mine) == len(theirs)
    return Paired(len(shared), *cells, gap, p, needed, flips, is_whole, _parts(verdicts_of))


def paired_gap(base: Result, other: Result) -> Interval | None:
    """Return the difference of two accuracies on the same questions; None if these differ.

    Reads what identifies a question only, so that a list can ask for many pairs.
    """
    mine, theirs = _verdicts_of(base), _verdicts_of(other)
    if not mine or mine.keys() != theirs.keys():
        return None
    return paired_difference(*_cells((mine[key], theirs[key]) for key in mine))


def _verdicts_of(result: Result) -> dict[tuple[str, str, str, int], bool]:
    text = Case(When(question_id="", then="question"), default=Value(""), output_field=TextField())
    rows = Answer.objects.scored().filter(result=result).annotate(text=text).order_by()
    named = rows.values_list("subset", "question_id", "text", "sample", "score")
    return {(subset, key, own, n): score >= 0.5 for subset, key, own, n, score in named.iterator()}


def _cells(verdicts: Iterable[tuple[bool, bool]]) -> tuple[int, int, int, int]:
    """Return counts of questions correct in both, only the first, only the second, neither."""
    counts = Counter(verdicts)
    return counts[True, True], counts[True, False], counts[False, True], counts[False, False]


def _parts(verdicts_of: Mapping[tuple[str, str, int], tuple[bool, bool]]) -> dict[str, Interval]:
    by_part = {}
    for part in PARTS:
        verdicts = [v for (subset, _, _), v in verdicts_of.items() if part in subset.split("_")]
        if verdicts:
            by_part[f"accuracy_{part}"] = paired_difference(*_cells(verdicts))
    return by_part


def _answers(result: Result) -> dict[tuple[str, str, int], Answer]:
    """Return answers by subset, question and sample, so that a larger set stays comparable."""
    return {a.key: a for a in Answer.objects.scored().filter(result=result)}
