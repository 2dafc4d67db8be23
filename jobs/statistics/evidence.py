"""Evidence of a data set: its questions on two sides, paired where both have the answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import Literal

from jobs.statistics.paired import Interval, Z, paired_difference
from jobs.statistics.power import paired_variance
from jobs.statistics.samples import NORMAL
from jobs.statistics.shares import (
    Share,
    cells_of,
    design_effect,
    mean_of_differences,
    pooled_difference,
    weights_of,
)

SEED = 20_250_403
RESAMPLES, DRAWS = 2000, 4_000_000  # resamples; fewer above so many draws
LEAST_DIFFERENT = 10  # fewer differing questions: resampling invents no others


def bootstrap_difference(
    differences: Sequence[float], step: float, z: float = Z, seed: int = SEED
) -> tuple[Interval, bool]:
    """Return the mean with its interval, and True where it is from resampling.

    Bias-corrected and accelerated (Efron 1987, J. American Statistical Association 82, 171-185),
    with a fixed seed: the same answers give the same interval. With few differing questions, or
    wider than 95 %, it is ``clusters.mean_of_differences``.
    """
    if len(set(differences)) < 2 or sum(d != 0 for d in differences) < LEAST_DIFFERENT or z > Z:
        return mean_of_differences(differences, step, z), False
    total, middle = len(differences), fmean(differences)
    draw = Random(seed)  # noqa: S311 -- resampling, no secret
    count = max(500, min(RESAMPLES, DRAWS // total))
    means = sorted(fmean(draw.choices(differences, k=total)) for _ in range(count))
    below = (sum(one < middle for one in means) + sum(one <= middle for one in means)) / 2
    bias = NORMAL.inv_cdf(min(1 - 0.5 / count, max(0.5 / count, below / count)))
    # Jackknife of a mean: its skewness.
    cubes = sum((middle - one) ** 3 for one in differences)
    squares = sum((middle - one) ** 2 for one in differences)
    skew = -cubes / (6 * squares**1.5) if squares else 0.0
    moved = [bias + side for side in (-z, z)]
    low, high = (_at(means, NORMAL.cdf(bias + one / (1 - skew * one))) for one in moved)
    return Interval(middle, min(middle, low), max(middle, high)), True


def _at(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    index = min(len(ordered) - 2, max(0, int(place)))
    part = place - index
    return ordered[index] * (1 - part) + ordered[index + 1] * part


Scores = Mapping[object, Sequence[float]]  # question -> scores of its answers, from 0 to 1
# Formula of a difference: see the functions.
Method = Literal["paired", "clustered", "bootstrap", "unpaired"]
Cells = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Accuracy of both sides on one data set.

    ``cells``: questions correct in both, only in the first, only in the second, in neither; None
    without one answer a question on both sides. ``gaps``: difference of each question's mean score,
    None for different questions. ``step``: least difference of a question. ``printed``: shares as a
    table has them, rounded, which give ``gap``. ``is_share``: scores are 0 or 1. ``name`` is "" for
    counts without one.
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
    each = [one.cells for one in evidence if one.cells is not None]
    if len(each) == len(evidence):
        both, lost, gained, neither = map(sum, zip(*each, strict=True))
        cells = both, lost, gained, neither
        variance = paired_variance(lost, gained, sum(cells))
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
    total = min(sum(one.total for one in firsts), sum(one.total for one in seconds))
    variance = total * sum(
        weight**2 * (a.variance / a.total + b.variance / b.total)
        for weight, a, b in zip(weights_of(firsts, seconds), firsts, seconds, strict=True)
    )
    return Difference(pooled_difference(firsts, seconds, z), "unpaired", variance)


def gap_of_same(first: Scores, second: Scores) -> Interval | None:
    """Return the difference of two sides with the same questions; None for others, or none."""
    if not first or first.keys() != second.keys():
        return None
    return difference_of([from_scores("", "", first, second)]).interval


def from_scores(name: str, group: str, first: Scores, second: Scores) -> Evidence:
    """Return the evidence of the common questions; there is at least one."""
    common = [key for key in first if key in second]
    sides = [[first[key] for key in common], [second[key] for key in common]]
    shares = [Share(sum(map(_mean, side)), len(common), design_effect(side)) for side in sides]
    return Evidence(
        name,
        group,
        shares[0],
        shares[1],
        cells=cells_of(*sides),
        gaps=[_mean(after) - _mean(before) for before, after in zip(*sides, strict=True)],
        step=1 / min(len(scores) for side in sides for scores in side),
        is_share=all(score in (0, 1) for side in sides for scores in side for score in scores),
    )


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)
