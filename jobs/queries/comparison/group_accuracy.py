"""Accuracy of repeats: intervals over the questions.

Repeats ask the same questions. At temperature 0 all give the same answers, so their spread is 0 and
proves nothing about other questions. The unit is the question with all its answers, as in a parity
statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose

from jobs.models import Result
from jobs.queries.answers.question_scores import Scores, scores_by_question
from jobs.queries.comparison.pairing import PARTS
from jobs.queries.results.results import accuracy
from jobs.statistics import Interval, Share, design_effect, difference, gap_of_same

_PART_OF = {"accuracy": "", **{f"accuracy_{part}": part for part in PARTS}}


@dataclass(frozen=True, slots=True)
class GroupAccuracy:
    """Accuracies of a result and its repeats. ``answers``: scores by set and question."""

    head: Result
    answers: Mapping[str, Scores]

    def scores(self, metric: str) -> dict[object, Sequence[float]]:
        """Return the scores of the questions that an accuracy is of."""
        part = _PART_OF[metric]
        return {
            (subset, question): scores
            for subset, questions in self.answers.items()
            if not part or part in subset.split("_")
            for question, scores in questions.items()
        }

    def interval(self, metric: str, value: float) -> Interval | None:
        """Return the interval of an accuracy with the mean ``value`` over the runs: Wilson's, with
        the design effect of several answers to a question. None without known questions."""
        scores = list(self.scores(metric).values())
        if scores:
            total = len(scores)
            return Share(value * total, total, design_effect(scores)).interval()
        return accuracy(self.head, value) if metric == "accuracy" else None


def group_accuracy(runs: Sequence[Result]) -> GroupAccuracy:
    """Return the accuracies of runs of one identity."""
    return GroupAccuracy(runs[0], scores_by_question(runs).scores)


def is_accuracy(metric: str) -> bool:
    """Return True for a metric that is a share of correct answers."""
    return metric in _PART_OF


def gap(
    base: GroupAccuracy, other: GroupAccuracy, metric: str, mine: float, theirs: float
) -> Interval | None:
    """Return the difference of two means: paired by question; else, where the common questions do
    not give the shown difference, unpaired. None without known questions."""
    first, second = base.scores(metric), other.scores(metric)
    paired = gap_of_same(first, second)
    if paired and isclose(paired.value, theirs - mine, abs_tol=1e-9):
        return paired
    before, after = base.interval(metric, mine), other.interval(metric, theirs)
    return difference(after, before) if before and after else None
