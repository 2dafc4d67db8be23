"""Difference of two accuracies on the same questions: of single runs, or of groups of repeats.

Most runs have one answer a question, correct or not: these verdicts are stored as bits, so that
lists compare many pairs without reading answers. Of others the scores of each question are
compared. Repeats ask the same questions, and at temperature 0 all give the same answers: their
spread proves nothing about other questions. So the unit is the question with all its answers.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isclose
from typing import NamedTuple

from jobs import statistics as stats
from jobs.base.files import text_sha256
from jobs.models import Answer, AnswerRow, Result
from jobs.queries.results.results import accuracy
from jobs.statistics import Interval, Scores, Share

# Parts of the included questions, from names of sets such as "short_en".
PARTS = ("short", "choice", "en", "zh")
_PART_OF = {"accuracy": "", **{f"accuracy_{part}": part for part in PARTS}}
CORRECT = 0.5  # a score from here counts as correct where an answer is or is not
MOST_FLIPS = 20  # read with their texts; the reader of answers has all
# Two sets may use one name, and one id: the checksum is of text and expected answer.
Question = tuple[str, str, str]  # set, id, checksum
Key = tuple[str, str, str, int]  # with the number of the sample
Verdicts = Mapping[Key, tuple[int, float]]  # index of the answer, its score


def is_accuracy(metric: str) -> bool:
    return metric in _PART_OF


def _is_of(subset: str, metric: str) -> bool:
    part = _PART_OF[metric]
    return not part or part in subset.split("_")


def answered(
    results: Sequence[Result],
) -> Iterator[tuple[Question, int, int, int, float | None]]:
    """Yield (question, sample, id of the result, index, score) of each answer, by result and index;
    the score is None without one. Rows of the reader have no long texts."""
    rows = AnswerRow.objects.filter(result__in=results).order_by("result_id", "index")
    names = ("subset", "question_id", "content", "sample", "result_id", "index", "verdict", "score")
    for subset, own, content, sample, run, index, verdict, score in rows.values_list(
        *names
    ).iterator():
        is_scored = verdict != AnswerRow.Verdict.UNSCORED
        yield (subset, own, content), sample, run, index, score if is_scored else None


class ScoredAnswers(NamedTuple):
    """Answers of a result and its repeats. ``sets``: scores by set and question; ``asked``: number
    of all questions of a set, those without a score included."""

    head: Result
    sets: Mapping[str, Scores]
    asked: Mapping[str, int]

    def scores(self, metric: str = "accuracy") -> Scores:
        """Return the scores of the questions that an accuracy is of."""
        return {
            (subset, question): scores
            for subset, questions in self.sets.items()
            if _is_of(subset, metric)
            for question, scores in questions.items()
        }

    def interval(self, metric: str, value: float) -> Interval | None:
        """Return the interval of an accuracy with the mean ``value`` over the runs: Wilson's, with
        the design effect of several answers to a question. None without known questions."""
        scores = list(self.scores(metric).values())
        if scores:
            total = len(scores)
            return Share(value * total, total, stats.design_effect(scores)).interval()
        return accuracy(self.head, value) if metric == "accuracy" else None


def scored_answers(runs: Sequence[Result]) -> ScoredAnswers:
    found: dict[str, dict[object, list[float]]] = defaultdict(lambda: defaultdict(list))
    for question, _sample, _run, _index, score in answered(runs):
        scores = found[question[0]][question[1:]]
        if score is not None:
            scores.append(score)
    scored = {
        subset: {question: scores for question, scores in questions.items() if scores}
        for subset, questions in found.items()
    }
    return ScoredAnswers(
        runs[0],
        {subset: questions for subset, questions in scored.items() if questions},
        {subset: len(questions) for subset, questions in found.items()},
    )


def group_gap(
    base: ScoredAnswers, other: ScoredAnswers, metric: str, mine: float, theirs: float
) -> Interval | None:
    """Return the difference of two means: paired by question; else, where the common questions do
    not give the shown difference, unpaired. None without known questions."""
    paired = stats.gap_of_same(base.scores(metric), other.scores(metric))
    if paired and isclose(paired.value, theirs - mine, abs_tol=1e-9):
        return paired
    before, after = base.interval(metric, mine), other.interval(metric, theirs)
    return stats.difference(after, before) if before and after else None


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


class Paired(NamedTuple):
    """Baseline and another result on their common questions.

    ``answers``: number of pairs, one a question; with several samples one a sample. Then, and for
    scores between 0 and 1, ``p`` of McNemar's test is None. ``flips``: the first :data:`MOST_FLIPS`
    changed answers, if read. ``is_whole``: both have the same questions. ``parts``: difference for
    each part of the questions by metric, such as "accuracy_en".
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
        return self.only_base + self.only_other


@dataclass(frozen=True)
class BaselineAnswers:
    """Scored answers of a baseline by question, and their stored verdicts as one integer, a bit for
    each question in the order of ``keys``. ``questions``: SHA-256 and number."""

    verdicts: Verdicts
    questions: str = ""

    @cached_property
    def keys(self) -> list[Key]:
        return sorted(self.verdicts)

    @cached_property
    def bits(self) -> int:
        return self.bits_of(self.verdicts)

    def bits_of(self, verdicts: Verdicts) -> int:
        return _bits(verdicts[key][1] >= CORRECT for key in self.keys)

    @cached_property
    def masks(self) -> Mapping[str, int]:
        """Return the bits of all questions, and of each part that has some, by metric."""
        masks = {
            name: _bits(_is_of(subset, name) for subset, *_rest in self.keys) for name in _PART_OF
        }
        return {name: mask for name, mask in masks.items() if mask}

    @property
    def is_plain(self) -> bool:
        """Return True where each question has one answer, correct or not."""
        return all(score in (0, 1) and not key[3] for key, (_at, score) in self.verdicts.items())


def _bits(flags: Iterable[bool]) -> int:
    return int("".join("1" if flag else "0" for flag in flags), 2)


def _cells(first: int, second: int, mask: int) -> stats.Cells:
    """Return the questions correct in both, only the first, only the second, none."""
    both = (first & second & mask).bit_count()
    only_first, only_second = (one.bit_count() - both for one in (first & mask, second & mask))
    return both, only_first, only_second, mask.bit_count() - both - only_first - only_second


def _stored(result: Result) -> tuple[str, int]:
    """Return stored verdicts: questions, with the number of them, and bits; "" without any."""
    questions, _, bits = result.verdicts.rpartition(":")
    return questions, int(bits or "0", 16)


def asked_of(base: Result) -> BaselineAnswers:
    return BaselineAnswers(_verdicts(base), _stored(base)[0])


def _verdicts(result: Result) -> dict[Key, tuple[int, float]]:
    return {
        (*question, sample): (index, score)
        for question, sample, _run, index, score in answered([result])
        if score is not None
    }


def pair(
    base: Result, other: Result, asked: BaselineAnswers | None = None, *, with_flips: bool = True
) -> Paired | None:
    """Pair two results by question; None without common questions. ``asked``: the questions of
    ``base``, if known. Texts are read of the shown flips only: reasoning may be long."""
    asked = common = asked or asked_of(base)
    questions, second = _stored(other)
    is_stored = questions == asked.questions != ""
    is_stored = is_stored and int(questions.rpartition(":")[2]) == len(asked.verdicts)
    is_whole = is_plain = True
    if not is_stored:
        theirs = BaselineAnswers(_verdicts(other))
        shared = {key: own for key, own in asked.verdicts.items() if key in theirs.verdicts}
        if not shared:
            return None
        common, is_plain = BaselineAnswers(shared), asked.is_plain and theirs.is_plain
        second = common.bits_of(theirs.verdicts)
        is_whole = len(shared) == len(asked.verdicts) == len(theirs.verdicts)
    counts = {name: _cells(common.bits, second, mask) for name, mask in common.masks.items()}
    cells = counts["accuracy"]
    if is_plain:
        gaps = {name: stats.paired_difference(*own) for name, own in counts.items()}
    else:
        sides = scored_answers([base]), scored_answers([other])
        scores = {name: [side.scores(name) for side in sides] for name in counts}
        gaps = {
            name: stats.difference_of([stats.from_scores("", "", *own)]).interval
            for name, own in scores.items()
        }
    gap, p = gaps.pop("accuracy"), stats.mcnemar(cells[1], cells[2]) if is_plain else None
    flips = _flips(base, other, common, second) if with_flips else ()
    return Paired(sum(cells), *cells, gap, p, flips, is_whole, gaps)


def _flips(base: Result, other: Result, common: BaselineAnswers, second: int) -> list[Flip]:
    """Return the first changed answers in the order of the baseline, with their texts."""
    marks, gained = (f"{one:0{len(common.keys)}b}" for one in (common.bits ^ second, second))
    changed = sorted(
        (common.verdicts[key][0], key, after == "1")
        for key, mark, after in zip(common.keys, marks, gained, strict=True)
        if mark == "1"
    )[:MOST_FLIPS]
    mine = Answer.objects.filter(result=base, index__in=[own for own, _key, _gained in changed])
    texts = {
        answer.index: answer
        for answer in mine.only("index", "subset", "question", "expected", "answer", "detail")
    }
    contents = [content for _own, (_set, _id, content, _sample), _gained in changed]
    rows = AnswerRow.objects.filter(result=other, content__in=contents).values_list(
        "subset", "question_id", "content", "sample", "index", "answer__answer"
    )
    answers = {tuple(key): (index, answer) for *key, index, answer in rows}
    flips = []
    for own, key, is_gained in changed:
        text = texts[own]
        index, answer = answers.get(key, (own, ""))
        category = str(text.detail.get("category") or text.subset)
        asked = (category, text.question, text.expected)
        flips.append(Flip(own, index, *asked, text.answer, answer, gained=is_gained))
    return flips


def paired_gap(base: Result, other: Result) -> Interval | None:
    """Return the difference of two accuracies on the same questions; None if these differ. Reads
    the stored verdicts, so that a list can ask for many pairs; the answers only of two results that
    have none."""
    if not (base.verdicts or other.verdicts):
        if not all("answers_total" in result.metrics for result in (base, other)):
            return None
        return stats.gap_of_same(*(scored_answers([result]).scores() for result in (base, other)))
    (questions, first), (others, second) = _stored(base), _stored(other)
    if questions != others:
        return None
    total = int(questions.rpartition(":")[2])
    return stats.paired_difference(*_cells(first, second, (1 << total) - 1))


def verdicts_text(result: Result) -> str:
    """Return the verdicts on an evaluation's questions: "questions' SHA-256:number:hex", with a bit
    for each question in the order of their keys; "" unless each has one answer, correct or not."""
    asked = BaselineAnswers(_verdicts(result))
    if not asked.verdicts or not asked.is_plain:
        return ""
    digest = text_sha256(json.dumps(asked.keys))
    return f"{digest}:{len(asked.keys)}:{asked.bits:x}"
