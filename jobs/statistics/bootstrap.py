"""Bootstrap of the mean difference of questions, for scores that are no share."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from statistics import fmean

from jobs.statistics.base import probability, quantile
from jobs.statistics.clusters import mean_of_differences
from jobs.statistics.paired import Interval, Z

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
    bias = quantile(min(1 - 0.5 / count, max(0.5 / count, below / count)))
    # Jackknife of a mean: its skewness.
    cubes = sum((middle - one) ** 3 for one in differences)
    squares = sum((middle - one) ** 2 for one in differences)
    skew = -cubes / (6 * squares**1.5) if squares else 0.0
    low, high = (_at(means, _adjusted(bias, skew, side)) for side in (-z, z))
    return Interval(middle, min(middle, low), max(middle, high)), True


def _adjusted(bias: float, skew: float, z: float) -> float:
    moved = bias + z
    return probability(bias + moved / (1 - skew * moved))


def _at(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    index = min(len(ordered) - 2, max(0, int(place)))
    part = place - index
    return ordered[index] * (1 - part) + ordered[index + 1] * part
