"""Paired comparison of two evaluations by question."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from django.db.models import Case, Q, TextField, Value, When

from jobs.models import Answer, Result
from jobs.queries.statistics import Interval, mcnemar, paired_difference, questions_to_tell

# Parts of the included questions, from names of sets such as "short_en".
PARTS = ("short", "choice", "en", "zh")
MOST_FLIPS = 20  # read with their texts; the reader of answers has all
Key = tuple[str, str, str, int]  # of a question: set, id, text without an id, number of the sample
Verdicts = Mapping[Key, tuple[int, bool]]  # index of the answer, right or wrong


@dataclass(frozen=True, slots=True)
class Flip:
    """Question with a different verdict in the baseline and another result."""

    index: int  # in the baseline
    other_index: int
    category: str
    question: str
    expected: str
    base_answer: str
    other_answer: str
    gained: bool


@dataclass(frozen=True, slots=True)
class Paired:
    """Baseline and another result on their common questions.

    ``flips`` are the first :data:`MOST_FLIPS` of ``changed`` questions. ``is_whole``: both have the
    same questions. ``parts`` has the difference for each part of the questions by metric, such as
    "accuracy_en".
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

    @property
    def changed(self) -> int:
        """Return the number of questions with a different verdict."""
        return self.only_base + self.only_other


def pair(base: Result, other: Result, mine: Verdicts | None = None) -> Paired | None:
    """Pair two results by question; None without common questions. ``mine``: the verdicts of
    ``base``, if known. Texts are read of the shown flips only: thoughts may be long."""
    mine = verdicts_by_question(base) if mine is None else mine
    theirs = _verdicts(base, other, mine)
    shared = [key for key in mine if key in theirs]
    if not shared:
        return None
    verdicts_of = {key: (mine[key][1], theirs[key]) for key in shared}
    changed = [
        (mine[key][0], key, verdicts[1])
        for key, verdicts in verdicts_of.items()
        if verdicts[0] != verdicts[1]
    ]
    cells = _cells(verdicts_of.values())
    _both, only_base, only_other, _neither = cells
    gap = paired_difference(*cells)
    needed = questions_to_tell(only_base, only_other, len(shared)) if gap.holds_zero else None
    p = mcnemar(only_base, only_other)
    flips = _flips(base, other, changed[:MOST_FLIPS])
    is_whole = len(shared) == len(mine) == len(theirs)
    return Paired(len(shared), *cells, gap, p, needed, flips, is_whole, _parts(verdicts_of))


def _verdicts(base: Result, other: Result, mine: Verdicts) -> Mapping[Key, bool]:
    """Return the verdicts of ``other``: from the stored ones without a query, if these are of the
    questions of ``base``, which has the verdicts ``mine``."""
    questions, _, bits = other.verdicts.rpartition(":")
    if bits and questions == base.verdicts.rpartition(":")[0]:
        total = int(questions.rpartition(":")[2])
        if total == len(mine):
            return {
                key: bit == "1"
                for key, bit in zip(sorted(mine), f"{int(bits, 16):0{total}b}", strict=True)
            }
    return {key: right for key, (_index, right) in verdicts_by_question(other).items()}


def _flips(base: Result, other: Result, changed: Sequence[tuple[int, Key, bool]]) -> list[Flip]:
    """Return the flips of (index in the baseline, question, gained)."""
    mine = Answer.objects.filter(result=base, index__in=[own for own, _key, _gained in changed])
    asked = {
        answer.index: answer
        for answer in mine.only("index", "subset", "question", "expected", "answer", "detail")
    }
    answered = _answers(other, [key for _own, key, _gained in changed])
    return [
        Flip(
            own,
            answered[key][0] if key in answered else own,
            str(asked[own].detail.get("category") or asked[own].subset),
            asked[own].question,
            asked[own].expected,
            asked[own].answer,
            answered[key][1] if key in answered else "",
            gained=gained,
        )
        for own, key, gained in changed
    ]


def _answers(result: Result, keys: Sequence[Key]) -> dict[Key, tuple[int, str]]:
    """Return the scored answers to these questions, with their indexes."""
    named = Q(question_id__in=[key for _set, key, _text, _sample in keys if key])
    unnamed = Q(question_id="", question__in=[text for _set, key, text, _s in keys if not key])
    rows = Answer.objects.scored().filter(named | unnamed, result=result)
    parts = rows.values_list("subset", "question_id", "question", "sample", "index", "answer")
    return {
        (subset, key, "" if key else text, sample): (index, answer)
        for subset, key, text, sample, index, answer in parts
    }


def paired_gap(base: Result, other: Result) -> Interval | None:
    """Return the difference of two accuracies on the same questions; None if these differ.

    Reads the stored verdicts only, so that a list can ask for many pairs.
    """
    mine, theirs = (result.verdicts.rpartition(":") for result in (base, other))
    if not base.verdicts or mine[0] != theirs[0]:
        return None
    first, second = int(mine[2], 16), int(theirs[2], 16)
    both, either = (first & second).bit_count(), (first | second).bit_count()
    only_first, only_second = first.bit_count() - both, second.bit_count() - both
    total = int(mine[0].rpartition(":")[2])
    return paired_difference(both, only_first, only_second, total - either)


def verdicts_text(result: Result) -> str:
    """Return the verdicts on an evaluation's questions: "questions' SHA-256:number:hex", with a bit
    for each question in the order of their keys; "" without scored answers."""
    verdicts = verdicts_by_question(result)
    if not verdicts:
        return ""
    keys = sorted(verdicts)
    digest = sha256(json.dumps(keys).encode()).hexdigest()
    bits = int("".join("1" if verdicts[key][1] else "0" for key in keys), 2)
    return f"{digest}:{len(keys)}:{bits:x}"


def verdicts_by_question(result: Result) -> Verdicts:
    """Return the scored answers by question, in order. Reads what identifies a question only."""
    text = Case(When(question_id="", then="question"), default=Value(""), output_field=TextField())
    rows = Answer.objects.scored().filter(result=result).annotate(text=text).order_by("index")
    named = rows.values_list("subset", "question_id", "text", "sample", "index", "score")
    return {
        (subset, key, own, sample): (index, score >= 0.5)
        for subset, key, own, sample, index, score in named.iterator()
    }


def _cells(verdicts: Iterable[tuple[bool, bool]]) -> tuple[int, int, int, int]:
    """Return counts of questions correct in both, only the first, only the second, neither."""
    return _cells_of(Counter(verdicts))


def _cells_of(counts: Counter[tuple[bool, bool]]) -> tuple[int, int, int, int]:
    return counts[True, True], counts[True, False], counts[False, True], counts[False, False]


def _parts(verdicts_of: Mapping[Key, tuple[bool, bool]]) -> dict[str, Interval]:
    by_set: dict[str, Counter[tuple[bool, bool]]] = defaultdict(Counter)
    for (subset, *_rest), verdicts in verdicts_of.items():
        by_set[subset][verdicts] += 1
    by_part = {}
    for part in PARTS:
        sets = [counts for subset, counts in by_set.items() if part in subset.split("_")]
        if sets:
            by_part[f"accuracy_{part}"] = paired_difference(*_cells_of(sum(sets, Counter())))
    return by_part
