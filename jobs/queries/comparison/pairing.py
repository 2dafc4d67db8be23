"""Paired comparison of two evaluations by question.

Most have one answer a question, correct or not: these verdicts are stored as bits, so that lists
compare many pairs without reading answers. Of others the scores of each question are compared.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256

from jobs.models import Answer, AnswerRow, Result
from jobs.queries.answers.question_scores import scores_by_question
from jobs.statistics import (
    Interval,
    difference_of,
    from_scores,
    gap_of_same,
    mcnemar,
    paired_difference,
)

# Parts of the included questions, from names of sets such as "short_en".
PARTS = ("short", "choice", "en", "zh")
CORRECT = 0.5  # a score from here counts as correct where an answer is or is not
MOST_FLIPS = 20  # read with their texts; the reader of answers has all
Key = tuple[str, str, str, int]  # of a question: set, id, its checksum, number of the sample
Verdicts = Mapping[Key, tuple[int, float]]  # index of the answer, its score
Cells = tuple[
    int, int, int, int
]  # questions correct in both, only the first, only the second, none


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

    ``answers``: number of pairs, one a question; with several samples one a sample. Then, and for
    scores between 0 and 1, ``p`` of McNemar's test is None. ``flips`` are the first
    :data:`MOST_FLIPS` of ``changed`` answers, if read. ``is_whole``: both have the same questions.
    ``parts`` has the difference for each part of the questions by metric, such as "accuracy_en".
    """

    answers: int
    both: int
    only_base: int
    only_other: int
    neither: int
    gap: Interval
    p: float | None
    flips: Sequence[Flip]
    is_whole: bool
    parts: Mapping[str, Interval]

    @property
    def changed(self) -> int:
        """Return the number of answers with a different verdict."""
        return self.only_base + self.only_other


def pair(
    base: Result, other: Result, asked: Asked | None = None, *, with_flips: bool = True
) -> Paired | None:
    """Pair two results by question; None without common questions. ``asked``: the questions of
    ``base``, if known. Texts are read of the shown flips only: reasoning may be long."""
    asked = asked_of(base) if asked is None else asked
    found = _by_bits(asked, other) or _by_question(asked, verdicts_by_question(other))
    if found is None:
        return None
    flips = _flips(base, other, found.changed(asked)[:MOST_FLIPS]) if with_flips else ()
    cells, gap, parts, p = found.cells, found.gap, found.gaps, None
    if gap is None:
        gap, p = paired_difference(*cells), mcnemar(cells[1], cells[2])
        parts = {name: paired_difference(*counts) for name, counts in found.parts.items()}
    return Paired(sum(cells), *cells, gap, p, flips, found.is_whole, parts)


@dataclass(frozen=True)
class Asked:
    """Scored answers of a baseline by question. Stored verdicts have a bit for each question in
    the order of ``keys``; their integers are counted without a step for each question."""

    verdicts: Verdicts
    questions: str  # as stored: SHA-256 and number

    @cached_property
    def keys(self) -> list[Key]:
        """Return the questions in the order of their bits."""
        return sorted(self.verdicts)

    @cached_property
    def bits(self) -> int:
        """Return the verdicts."""
        return _bits(self.verdicts[key][1] >= CORRECT for key in self.keys)

    @cached_property
    def parts(self) -> Mapping[str, int]:
        """Return the bits of the questions of each part, by metric."""
        sets = {subset for subset, *_rest in self.keys}
        found = {}
        for part in PARTS:
            named = {subset for subset in sets if part in subset.split("_")}
            if named:
                found[f"accuracy_{part}"] = _bits(subset in named for subset, *_rest in self.keys)
        return found


def _bits(flags: Iterable[bool]) -> int:
    return int("".join("1" if flag else "0" for flag in flags), 2)


def asked_of(base: Result) -> Asked:
    """Return the questions of a baseline."""
    return Asked(verdicts_by_question(base), base.verdicts.rpartition(":")[0])


@dataclass(frozen=True, slots=True)
class _Found:
    """Counts of the common questions, and of those of each part. ``flips``: the changed ones, as
    (question, gained). ``gap`` and ``gaps``: differences that these counts do not give."""

    cells: Cells
    parts: Mapping[str, Cells]
    flips: Callable[[], Iterable[tuple[Key, bool]]]
    is_whole: bool
    gap: Interval | None = None
    gaps: Mapping[str, Interval] = field(default_factory=dict)

    def changed(self, asked: Asked) -> list[tuple[int, Key, bool]]:
        """Return the changed questions in the order of the baseline, with their indexes there."""
        return sorted((asked.verdicts[key][0], key, gained) for key, gained in self.flips())


def _by_bits(asked: Asked, other: Result) -> _Found | None:
    """Return the counts from the stored verdicts of ``other``, without a query; None if these are
    of other questions."""
    questions, _, text = other.verdicts.rpartition(":")
    total = len(asked.verdicts)
    if not text or questions != asked.questions or int(questions.rpartition(":")[2]) != total:
        return None
    first, second = asked.bits, int(text, 16)
    everything = (1 << total) - 1

    def cells(mask: int) -> Cells:
        both = (first & second & mask).bit_count()
        only_first, only_second = (one.bit_count() - both for one in (first & mask, second & mask))
        return both, only_first, only_second, mask.bit_count() - both - only_first - only_second

    def flips() -> Iterable[tuple[Key, bool]]:
        marks, gained = (f"{one:0{total}b}" for one in (first ^ second, second))
        for place, mark in enumerate(marks):
            if mark == "1":
                yield asked.keys[place], gained[place] == "1"

    parts = {name: cells(mask) for name, mask in asked.parts.items()}
    return _Found(cells(everything), parts, flips, is_whole=True)


def _by_question(asked: Asked, theirs: Verdicts) -> _Found | None:
    """Return the counts of the questions that both have; None without any."""
    mine = asked.verdicts
    pairs = {
        key: (mine[key][1] >= CORRECT, theirs[key][1] >= CORRECT) for key in mine if key in theirs
    }
    if not pairs:
        return None
    by_set: dict[str, Counter[tuple[bool, bool]]] = defaultdict(Counter)
    for (subset, *_rest), verdicts in pairs.items():
        by_set[subset][verdicts] += 1
    named = {
        f"accuracy_{part}": sets
        for part in PARTS
        if (sets := {subset for subset in by_set if part in subset.split("_")})
    }
    parts = {
        name: _cells(sum((by_set[subset] for subset in sets), Counter()))
        for name, sets in named.items()
    }
    changed = [(key, after) for key, (before, after) in pairs.items() if before != after]
    is_whole = len(pairs) == len(mine) == len(theirs)
    found = _Found(_cells(Counter(pairs.values())), parts, lambda: changed, is_whole)
    if is_plain(mine) and is_plain(theirs):
        return found
    gaps = {name: _gap_of(mine, theirs, sets) for name, sets in {"": by_set, **named}.items()}
    return replace(found, gap=gaps.pop(""), gaps=gaps)


def is_plain(verdicts: Verdicts) -> bool:
    """Return True where each question has one answer, correct or not."""
    return all(score in (0, 1) and not key[3] for key, (_index, score) in verdicts.items())


def _gap_of(mine: Verdicts, theirs: Verdicts, sets: Container[str]) -> Interval:
    """Return the difference of the common questions of some sets, with all answers to each."""
    sides: list[dict[object, list[float]]] = []
    for verdicts in (mine, theirs):
        scores: dict[object, list[float]] = defaultdict(list)
        for (subset, own, content, _sample), (_index, score) in verdicts.items():
            if subset in sets:
                scores[subset, own, content].append(score)
        sides.append(scores)
    return difference_of([from_scores("", "", *sides)]).interval


def _cells(counts: Counter[tuple[bool, bool]]) -> Cells:
    return counts[True, True], counts[True, False], counts[False, True], counts[False, False]


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
    rows = AnswerRow.objects.filter(
        result=result, content__in=[content for _s, _i, content, _ in keys]
    )
    parts = rows.values_list(
        "subset", "question_id", "content", "sample", "index", "answer__answer"
    )
    return {
        (subset, own, content, sample): (index, answer)
        for subset, own, content, sample, index, answer in parts
    }


def paired_gap(base: Result, other: Result) -> Interval | None:
    """Return the difference of two accuracies on the same questions; None if these differ.

    Reads the stored verdicts, so that a list can ask for many pairs; the answers only of two
    results that have none.
    """
    mine, theirs = (result.verdicts.rpartition(":") for result in (base, other))
    if not (base.verdicts or other.verdicts):
        return _gap_of_answers(base, other)
    if mine[0] != theirs[0]:
        return None
    first, second = int(mine[2], 16), int(theirs[2], 16)
    both, either = (first & second).bit_count(), (first | second).bit_count()
    only_first, only_second = first.bit_count() - both, second.bit_count() - both
    total = int(mine[0].rpartition(":")[2])
    return paired_difference(both, only_first, only_second, total - either)


def _gap_of_answers(base: Result, other: Result) -> Interval | None:
    if not all("answers_total" in result.metrics for result in (base, other)):
        return None
    return gap_of_same(*(scores_by_question([result]).pooled for result in (base, other)))


def verdicts_text(result: Result) -> str:
    """Return the verdicts on an evaluation's questions: "questions' SHA-256:number:hex", with a bit
    for each question in the order of their keys; "" unless each has one answer, correct or not."""
    verdicts = verdicts_by_question(result)
    if not verdicts or not is_plain(verdicts):
        return ""
    keys = sorted(verdicts)
    digest = sha256(json.dumps(keys).encode()).hexdigest()
    bits = _bits(verdicts[key][1] >= CORRECT for key in keys)
    return f"{digest}:{len(keys)}:{bits:x}"


def verdicts_by_question(result: Result) -> Verdicts:
    """Return the scored answers by question, in order, from the rows of the reader."""
    rows = AnswerRow.objects.filter(result=result).exclude(verdict=AnswerRow.Verdict.UNSCORED)
    named = rows.order_by("index").values_list(
        "subset", "question_id", "content", "sample", "index", "score"
    )
    return {
        (subset, own, content, sample): (index, score)
        for subset, own, content, sample, index, score in named.iterator()
    }
