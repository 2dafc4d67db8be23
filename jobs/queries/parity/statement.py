"""Statement on two sides: difference of each data set and of all, with its verdict. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from jobs.paired import BOUNDARY
from jobs.queries.parity.evidence import Evidence
from jobs.queries.statistics import (
    Decision,
    Goal,
    Interval,
    Share,
    Z,
    bootstrap_difference,
    decision,
    extended_z,
    mcnemar,
    mean_of_differences,
    monitored_z,
    more_questions,
    paired_difference,
    paired_variance,
    pooled,
    pooled_difference,
    weights_of,
)

# Formula of a difference: see jobs.queries.statistics.
Method = Literal["paired", "clustered", "bootstrap", "unpaired"]


@dataclass(frozen=True, slots=True)
class Looks:
    """Looks at a comparison that is not made once, with a fixed number of questions.

    ``planned``: questions of an evaluation that may stop early, fixed before; None for others.
    ``number``: of this look, where each had more questions than the one before.
    """

    planned: int | None = None
    number: int = 1

    def z(self, asked: int) -> float:
        """Return the quantile of the intervals after ``asked`` questions."""
        if self.planned is None:
            return extended_z(self.number)
        if asked <= self.planned:
            return monitored_z(asked, self.planned)
        return max(BOUNDARY, extended_z(self.number))

    def next_z(self, asked: int) -> float:
        """Return the quantile of the intervals of the next look."""
        return Looks(self.planned, self.number + 1).z(asked)


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
        """Return the verdict on all questions."""
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
    """Request of a statement. ``z``: quantile of its intervals."""

    margin: float
    goal: Goal
    looks: Looks
    z: float


def _row(evidence: Sequence[Evidence], asks: _Asks, name: str) -> Row:
    firsts, seconds = [one.first for one in evidence], [one.second for one in evidence]
    weights, z = weights_of(firsts, seconds), asks.z
    first, second = _side(firsts, seconds, weights, z), _side(seconds, firsts, weights, z)
    questions = (sum(one.total for one in firsts), sum(one.total for one in seconds))
    gap, method, variance = _difference(evidence, z)
    cells = _summed(evidence)
    said = decision(gap, asks.margin, asks.goal)
    is_counted = all(one.is_share and _is_whole(one) for one in evidence)
    rights = (sum(one.right for one in firsts), sum(one.right for one in seconds))
    more = None
    if said == "cannot_tell":
        seen = (min(questions), gap.value)
        more = more_questions(asks.goal, seen, variance, asks.margin, asks.looks.next_z)
    return Row(
        name,
        evidence[0].group,
        first,
        second,
        rights if is_counted else None,
        questions,
        gap,
        method,
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


def _is_whole(one: Evidence) -> bool:
    return all(abs(side.right - round(side.right)) < 1e-6 for side in (one.first, one.second))


def _summed(evidence: Sequence[Evidence]) -> tuple[int, int, int, int] | None:
    """Return the pairs of all sets; None where a set has none."""
    each = [one.cells for one in evidence if one.cells is not None]
    if len(each) < len(evidence):
        return None
    both, lost, gained, neither = map(sum, zip(*each, strict=True))
    return both, lost, gained, neither


def _difference(evidence: Sequence[Evidence], z: float) -> tuple[Interval, Method, float]:
    """Return the difference, its method, and the variance of one question's difference."""
    cells = _summed(evidence)
    if cells:
        variance = paired_variance(cells[1], cells[2], sum(cells))
        return paired_difference(*cells, z), "paired", variance
    gaps = [gap for one in evidence if one.gaps is not None for gap in one.gaps]
    if all(one.gaps is not None for one in evidence):
        step = max(one.step for one in evidence)
        if all(one.is_share for one in evidence):
            interval, is_resampled = mean_of_differences(gaps, step, z), False
        else:
            interval, is_resampled = bootstrap_difference(gaps, step, z)
        variance = len(gaps) * ((interval.high - interval.low) / (2 * z)) ** 2
        return interval, "bootstrap" if is_resampled else "clustered", variance
    firsts, seconds = [one.first for one in evidence], [one.second for one in evidence]
    return pooled_difference(firsts, seconds, z), "unpaired", _unpaired(firsts, seconds)


def _unpaired(firsts: Sequence[Share], seconds: Sequence[Share]) -> float:
    """Return the variance of one question's difference, each set with its weight."""
    total = min(sum(one.total for one in firsts), sum(one.total for one in seconds))
    return total * sum(
        weight**2 * (a.variance / a.total + b.variance / b.total)
        for weight, a, b in zip(weights_of(firsts, seconds), firsts, seconds, strict=True)
    )
