"""Statement on two accuracies: difference of each data set and of all, with its verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from jobs import statistics as stats
from jobs.base import grouped
from jobs.models import Result
from jobs.queries.parity.runs import Unequal, looks_at, unequal
from jobs.queries.parity.sides import Notes, SideSets, evidence_of, side_of
from jobs.statistics import Evidence, Goal, Interval, Share, pooled
from jobs.statistics.paired import BOUNDARY, Decision, decision, extended_z, monitored_z


class Looks(NamedTuple):
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


class StatementRow(NamedTuple):
    """Both sides on one data set or on several, and their difference (second minus first).

    ``rights``: correct answers of each side, None where they are means of several answers. ``p``:
    of McNemar's test, None where it does not apply, and with several looks, which it does not
    count. ``flips``: regressed and fixed questions. ``more``: questions until a verdict, if both
    sides are equally accurate.
    """

    name: str
    group: str
    first: Interval
    second: Interval
    rights: tuple[float, float] | None
    questions: tuple[int, int]
    gap: Interval
    method: stats.Method
    p: float | None
    flips: tuple[int, int] | None
    decision: Decision
    more: int | None


class Statement(NamedTuple):
    """``margin`` from 0 to 1. ``groups``: of several sets, pooled, by name. ``plain``: mean over
    the sets of their differences. ``looks``: those that the intervals allow for."""

    margin: float
    goal: Goal
    rows: Sequence[StatementRow]
    groups: Mapping[str, StatementRow]
    pooled: StatementRow
    plain: float
    looks: Looks

    @property
    def decision(self) -> Decision:
        return self.pooled.decision

    @property
    def is_opposed(self) -> bool:
        """Return True when plain mean of sets and pooled difference have different signs."""
        return self.plain * self.pooled.gap.value < 0


def state(
    evidence: Sequence[Evidence], margin: float, goal: Goal, looks: Looks | None = None
) -> Statement:
    """Return the statement; at least one set is needed."""
    looks = looks or Looks()
    asked = min(sum(one.first.total for one in evidence), sum(one.second.total for one in evidence))
    row = partial(_row, margin, goal, looks, looks.z(asked))
    in_groups = grouped((one.group, one) for one in evidence)
    groups = {
        name: row(ones, name)
        for name, ones in in_groups.items()
        if name and len(ones) > 1 and len(in_groups) > 1
    }
    rows, plain = [row([one], one.name) for one in evidence], sum(one.gap for one in evidence)
    return Statement(margin, goal, rows, groups, row(evidence, ""), plain / len(evidence), looks)


def _row(
    margin: float, goal: Goal, looks: Looks, z: float, evidence: Sequence[Evidence], name: str
) -> StatementRow:
    """Return a row; ``z``: quantile of its intervals."""
    firsts, seconds = [one.first for one in evidence], [one.second for one in evidence]
    weights = stats.weights_of(firsts, seconds)
    first, second = _side(firsts, seconds, weights, z), _side(seconds, firsts, weights, z)
    questions = (sum(one.total for one in firsts), sum(one.total for one in seconds))
    found = stats.difference_of(evidence, z)
    gap = found.interval
    flips = found.cells[1:3] if found.cells else None
    said = decision(gap, margin, goal)
    is_counted = all(
        one.is_share and abs(side.right - round(side.right)) < 1e-6
        for one in evidence
        for side in (one.first, one.second)
    )
    rights = (sum(one.right for one in firsts), sum(one.right for one in seconds))
    more = None
    if said == "cannot_tell":
        changed = sum(flips) if flips else None
        seen = stats.Seen(min(questions), gap.value, found.variance, changed)
        more = stats.more_questions(goal, seen, margin, looks.next_z)
    return StatementRow(
        name=name,
        group=evidence[0].group,
        first=first,
        second=second,
        rights=rights if is_counted else None,
        questions=questions,
        gap=gap,
        method=found.method,
        p=stats.mcnemar(*flips) if flips and z <= stats.Z else None,
        flips=flips,
        decision=said,
        more=more,
    )


def _side(
    own: Sequence[Share], other: Sequence[Share], weights: Sequence[float], z: float
) -> Interval:
    """Return the accuracy of a side over all sets, with the interval that its own page shows; with
    unequal numbers of questions the weighted share."""
    if [one.total for one in own] != [one.total for one in other]:
        return pooled(own, weights, z)
    return stats.joined(own).interval(z)


MARGIN = 1.0  # points, unless the address has another
LEAST_MARGIN, MOST_MARGIN = 0.01, 50.0


@dataclass(frozen=True, slots=True)
class Parity:
    """``statement``, of ``evidence``, is None without a common data set. ``unequal``: None for
    tables and counts."""

    statement: Statement | None
    notes: Notes
    unequal: Unequal | None = None
    evidence: Sequence[Evidence] = ()


def parity(
    base: Sequence[Result],
    result: Sequence[Result],
    margin: float,
    goal: Goal,
    planned: int | None = None,
) -> Parity:
    """Return the parity of two evaluations, or groups of their repeats; ``margin`` in points.
    ``planned``: questions of an evaluation that may stop early, if its results do not tell."""
    runs = [*base, *result]
    stored = (int(run.metrics.get("planned_questions") or 0) for run in runs)
    looks = Looks(max(planned or 0, *stored) or None, max(looks_at(base), looks_at(result)))
    found = of_sides(side_of(base), side_of(result), margin, goal, looks)
    return replace(found, unequal=unequal(base, result, margin / 100))


def usual_goal(base: Sequence[Result], result: Sequence[Result]) -> Goal:
    """Return "at_least" for ours against an external baseline, else "same"."""
    ours = not any(one.is_external for one in result)
    return "at_least" if ours and all(one.is_external for one in base) else "same"


def of_sides(
    base: SideSets, result: SideSets, margin: float, goal: Goal, looks: Looks | None = None
) -> Parity:
    """``margin`` in points."""
    evidence, notes = evidence_of(base, result)
    statement = state(evidence, margin / 100, goal, looks) if evidence else None
    return Parity(statement, notes, evidence=evidence)


ERROR = 0.05  # of all verdicts of a family together
_FARTHEST = 9.0  # quantile: no smaller p value is told apart
_HALVINGS = 40


class Adjusted(NamedTuple):
    """Verdict on one of several candidates, corrected for their number. ``p``: the smallest error
    at which its interval has a verdict, ``adjusted`` by Holm; None: above ``ERROR``."""

    decision: Decision
    p: float | None
    adjusted: float | None


def adjusted(family: Sequence[Parity]) -> list[Adjusted | None]:
    """Return the verdict on each candidate against one baseline; None without a statement. The k-th
    smallest p value decides at ``ERROR / (number - k + 1)`` (Holm), by an interval that is as much
    wider. All are of one look."""
    found: list[Adjusted | None] = [None] * len(family)
    known = [(place, one.statement) for place, one in enumerate(family) if one.statement]
    values = [_p(family[place].evidence, statement) for place, statement in known]
    corrected = stats.holm([1.0 if p is None else p for p in values])
    for (place, statement), p, own in zip(known, values, corrected, strict=True):
        said: Decision = "cannot_tell"
        if own <= ERROR and p:
            z = stats.NORMAL.inv_cdf(1 - ERROR * min(1.0, p / own) / 2)
            gap = stats.difference_of(family[place].evidence, z).interval
            said = decision(gap, statement.margin, statement.goal)
        found[place] = Adjusted(said, p, None if p is None else own)
    return found


def _p(evidence: Sequence[Evidence], statement: Statement) -> float | None:
    if statement.decision == "cannot_tell":
        return None
    low, high = stats.Z, _FARTHEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        gap = stats.difference_of(evidence, middle).interval
        is_told = decision(gap, statement.margin, statement.goal) != "cannot_tell"
        low, high = (middle, high) if is_told else (low, middle)
    return 2 * stats.NORMAL.cdf(-low)
