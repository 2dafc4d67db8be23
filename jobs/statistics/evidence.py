"""Evidence of a data set: its questions on two sides, paired where both have the answers.

One function gives the difference, for each place that has one: statement, comparison, baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from jobs.statistics.bootstrap import bootstrap_difference
from jobs.statistics.clusters import cells_of, design_effect, mean_of_differences
from jobs.statistics.paired import Interval, Z, paired_difference
from jobs.statistics.power import paired_variance
from jobs.statistics.strata import Share, pooled_difference, weights_of

Scores = Mapping[object, Sequence[float]]  # question -> scores of its answers, from 0 to 1
ALL = ""  # name of counts without a set's name
# Formula of a difference: see the functions.
Method = Literal["paired", "clustered", "bootstrap", "unpaired"]
Cells = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Accuracy of both sides on one data set.

    ``cells``: questions correct in both, only in the first, only in the second, in neither; None
    without one answer a question on both sides. ``gaps``: difference of each question's mean score,
    None for different questions. ``step``: least difference of a question. ``printed``: shares as a
    table has them, rounded. ``is_share``: scores are 0 or 1.
    """

    name: str
    group: str
    first: Share
    second: Share
    cells: Cells | None = None
    gaps: Sequence[float] | None = None
    step: float = 1.0
    printed: tuple[float, float] | None = None
    is_share: bool = True

    @property
    def gap(self) -> float:
        """Return the difference as a table of the sets has it."""
        if self.printed:
            return self.printed[1] - self.printed[0]
        return self.second.value - self.first.value


@dataclass(frozen=True, slots=True)
class Difference:
    """Accuracy of the second side minus that of the first, over all sets, with its interval.

    ``variance``: of one question's difference. ``cells``: those of all sets; None for other methods
    than "paired".
    """

    interval: Interval
    method: Method
    variance: float
    cells: Cells | None = None


def difference_of(evidence: Sequence[Evidence], z: float = Z) -> Difference:
    """Return the difference; ``z``: quantile of its interval."""
    cells = _summed(evidence)
    if cells:
        variance = paired_variance(cells[1], cells[2], sum(cells))
        return Difference(paired_difference(*cells, z), "paired", variance, cells)
    gaps = [gap for one in evidence if one.gaps is not None for gap in one.gaps]
    if all(one.gaps is not None for one in evidence):
        step = max(one.step for one in evidence)
        if all(one.is_share for one in evidence):
            interval, is_resampled = mean_of_differences(gaps, step, z), False
        else:
            interval, is_resampled = bootstrap_difference(gaps, step, z)
        variance = len(gaps) * ((interval.high - interval.low) / (2 * z)) ** 2
        return Difference(interval, "bootstrap" if is_resampled else "clustered", variance)
    firsts, seconds = [one.first for one in evidence], [one.second for one in evidence]
    interval = pooled_difference(firsts, seconds, z)
    return Difference(interval, "unpaired", _unpaired(firsts, seconds))


def gap_of_same(first: Scores, second: Scores) -> Interval | None:
    """Return the difference of two sides with the same questions; None for others, or none."""
    if not first or first.keys() != second.keys():
        return None
    return difference_of([from_scores(ALL, "", first, second)]).interval


def from_scores(name: str, group: str, first: Scores, second: Scores) -> Evidence:
    """Return the evidence of the common questions; there is at least one."""
    common = [key for key in first if key in second]
    sides = [[first[key] for key in common], [second[key] for key in common]]
    is_share = _is_share(sides)
    gaps = [_mean(after) - _mean(before) for before, after in zip(*sides, strict=True)]
    fewest = min(len(scores) for side in sides for scores in side)
    return Evidence(
        name,
        group,
        _share(sides[0]),
        _share(sides[1]),
        cells=cells_of(*sides),
        gaps=gaps,
        step=1 / fewest,
        is_share=is_share,
    )


def _share(questions: Sequence[Sequence[float]]) -> Share:
    """Return the mean of the questions; the design effect is that of their answers."""
    total = len(questions)
    return Share(sum(map(_mean, questions)), total, design_effect(questions))


def _is_share(sides: Sequence[Sequence[Sequence[float]]]) -> bool:
    return all(score in (0, 1) for side in sides for scores in side for score in scores)


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)


def _summed(evidence: Sequence[Evidence]) -> Cells | None:
    """Return the pairs of all sets; None where a set has none."""
    each = [one.cells for one in evidence if one.cells is not None]
    if len(each) < len(evidence):
        return None
    both, lost, gained, neither = map(sum, zip(*each, strict=True))
    return both, lost, gained, neither


def _unpaired(firsts: Sequence[Share], seconds: Sequence[Share]) -> float:
    """Return the variance of one question's difference, each set with its weight."""
    total = min(sum(one.total for one in firsts), sum(one.total for one in seconds))
    return total * sum(
        weight**2 * (a.variance / a.total + b.variance / b.total)
        for weight, a, b in zip(weights_of(firsts, seconds), firsts, seconds, strict=True)
    )
