"""Statement on two sides: difference of each data set and of all, with its verdict. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.statistics import (
    Decision,
    Evidence,
    Goal,
    Interval,
    Method,
    Seen,
    Share,
    Z,
    decision,
    difference_of,
    extended_z,
    mcnemar,
    monitored_z,
    more_questions,
    pooled,
    weights_of,
)
from jobs.statistics.paired import BOUNDARY


@dataclass(frozen=True, slots=True)
class Looks:
    """Looks at a comparison that is not made once, with a fixed number of questions.

    ``planned``: questions of an evaluation that may stop early, fixed before; None for others.
    ``number``: of this look, where each had more questions than the one before. ``are_known``:
    False for counts, which do not tell.
    """

    planned: int | None = None
    number: int = 1
    are_known: bool = True

    def z(self, asked: int) -> float:
        """Return the quantile of the intervals after ``asked`` questions."""
        if self.planned is None:
            return extended_z(self.number)
        if asked <= self.planned:
            return monitored_z(asked, self.planned)
        return max(BOUNDARY, extended_z(self.number))

    def next_z(self, asked: int) -> float:
        """Return the quantile of the intervals of the next look."""
        return Looks(self.planned, self.number + self.are_known).z(asked)


@dataclass(frozen=True, slots=True)
class Row:
    """Both sides on one data set or on several, and their difference (second minus first).

    ``first`` and ``second``: accuracies with their intervals. ``rights``: correct answers of each
    side, None where they are means of several answers. ``p``: of McNemar's test, None where it does
    not apply, and with several looks, which the test does not count. ``flips``: regressed and fixed
    questions. ``more``: questions until a verdict, if both sides are equally accurate.
    """

    name: str
    group: str
    first: Interval
    second: Interval
    rights: tuple[float, float] | None
    questions: tuple[int, int]
    gap: Interval
    method: Method
    p: float | None
    flips: tuple[int, int] | None
    decision: Decision
    more: int | None


@dataclass(frozen=True, slots=True)
class Statement:
    """``margin`` from 0 to 1. ``groups``: of several sets, pooled, by name. ``plain``: mean over
    the sets of their differences. ``looks``: those that the intervals allow for.
    """

    margin: float
    goal: Goal
    rows: Sequence[Row]
    groups: Mapping[str, Row]
    pooled: Row
    plain: float
    looks: Looks

    @property
    def decision(self) -> Decision:
        return self.pooled.decision

    @property
    def is_opposed(self) -> bool:
        """Return True when plain mean of sets and pooled difference have different signs."""
        return self.plain * self.pooled.gap.value < 0

    @property
    def is_significant(self) -> bool:
        """Return True for a difference from 0, of any size."""
        return not self.pooled.gap.includes_zero


def state(
    evidence: Sequence[Evidence], margin: float, goal: Goal, looks: Looks | None = None
) -> Statement:
    """Return the statement; at least one set is needed."""
    looks = looks or Looks()
    asked = min(sum(one.first.total for one in evidence), sum(one.second.total for one in evidence))
    asks = _Asks(margin, goal, looks, looks.z(asked))
    in_groups: dict[str, list[Evidence]] = {}
    for one in evidence:
        in_groups.setdefault(one.group, []).append(one)
    return Statement(
        margin,
        goal,
        [_row([one], asks, one.name) for one in evidence],
        {
            name: _row(ones, asks, name)
            for name, ones in in_groups.items()
            if name and len(ones) > 1 and len(in_groups) > 1
        },
        _row(evidence, asks, ""),
        sum(one.gap for one in evidence) / len(evidence),
        looks,
    )


@dataclass(frozen=True, slots=True)
class _Asks:
    """Request. ``z``: quantile of the intervals."""

    margin: float
    goal: Goal
    looks: Looks
    z: float


def _row(evidence: Sequence[Evidence], asks: _Asks, name: str) -> Row:
    firsts, seconds = [one.first for one in evidence], [one.second for one in evidence]
    weights, z = weights_of(firsts, seconds), asks.z
    first, second = _side(firsts, seconds, weights, z), _side(seconds, firsts, weights, z)
    questions = (sum(one.total for one in firsts), sum(one.total for one in seconds))
    found = difference_of(evidence, z)
    gap, cells = found.interval, found.cells
    said = decision(gap, asks.margin, asks.goal)
    is_counted = all(
        one.is_share and abs(side.right - round(side.right)) < 1e-6
        for one in evidence
        for side in (one.first, one.second)
    )
    rights = (sum(one.right for one in firsts), sum(one.right for one in seconds))
    more = None
    if said == "cannot_tell":
        changed = cells[1] + cells[2] if cells else None
        seen = Seen(min(questions), gap.value, found.variance, changed)
        more = more_questions(asks.goal, seen, asks.margin, asks.looks.next_z)
    return Row(
        name,
        evidence[0].group,
        first,
        second,
        rights if is_counted else None,
        questions,
        gap,
        found.method,
        mcnemar(cells[1], cells[2]) if cells and z <= Z else None,
        cells[1:3] if cells else None,
        said,
        more,
    )


def _side(
    own: Sequence[Share], other: Sequence[Share], weights: Sequence[float], z: float
) -> Interval:
    """Return the accuracy of a side over all sets, with the interval that its own page shows; with
    unequal numbers of questions the weighted share.
    """
    if [one.total for one in own] != [one.total for one in other]:
        return pooled(own, weights, z)
    effect = sum(weight * one.effect for weight, one in zip(weights, own, strict=True))
    return Share(sum(one.right for one in own), sum(one.total for one in own), effect).interval(z)
