"""Means and quantiles of runs and requests: intervals, ratios, missing runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil, exp, expm1, fsum, lgamma, log, log1p, sqrt
from statistics import fmean, geometric_mean

from jobs.statistics.base import Z_POWER, student_t
from jobs.statistics.paired import Interval, Z

_TAIL = 0.025  # on each side of a 95 % interval
LEAST_RUNS = 3  # fewer runs give no useful variance


def mean(values: Sequence[float]) -> float:
    """Return the mean; of equal values exactly this value, of counts a count where it is one.

    ``statistics.mean`` calculates with fractions, in forty times the time: a comparison has
    thousands. Both differ by a relative error below 1e-15.
    """
    first = values[0]
    if all(value == first for value in values):
        return first
    middle = fmean(values)
    return int(middle) if isinstance(first, int) and middle.is_integer() else middle


def variance(values: Sequence[float]) -> float:
    """Return the variance of a sample of two or more values; of equal values exactly 0."""
    middle = mean(values)
    return fsum((value - middle) ** 2 for value in values) / (len(values) - 1)


def mean_difference(first: Sequence[float], second: Sequence[float]) -> Interval | None:
    """Return mean of ``second`` minus mean of ``first`` (Welch).

    None below three values each, or without a spread: equal repeats prove nothing about others.
    """
    if min(len(first), len(second)) < LEAST_RUNS:
        return None
    spread_first = variance(first) / len(first)
    spread_second = variance(second) / len(second)
    value, spread = mean(second) - mean(first), spread_first + spread_second
    if spread == 0:
        return None
    freedom = spread**2 / (
        spread_first**2 / (len(first) - 1) + spread_second**2 / (len(second) - 1)
    )
    half = student_t(freedom) * sqrt(spread)
    return Interval(value, value - half, value + half)


def relative_change(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the ratio of geometric means, ``second`` to ``first``, minus 1: the value of
    :func:`relative_difference` for any number of runs.

    None without values, or with a value not above 0.
    """
    if not first or not second or min(*first, *second) <= 0:
        return None
    return geometric_mean(second) / geometric_mean(first) - 1


def relative_difference(first: Sequence[float], second: Sequence[float]) -> Interval | None:
    """Return the ratio of geometric means, ``second`` to ``first``, minus 1, with its interval.

    The interval is Welch's on logarithms: no bound is below -1.

    None with fewer than three values each, without a spread, or with a value not above 0.
    """
    if min((*first, *second), default=0) <= 0:
        return None
    difference = mean_difference([log(one) for one in first], [log(one) for one in second])
    if difference is None:
        return None
    return Interval(expm1(difference.value), expm1(difference.low), expm1(difference.high))


def runs_to_tell(first: Sequence[float], second: Sequence[float]) -> int | None:
    """Return about how many more runs of each make the relative difference significant (power 80 %)
    if mean and variance stay; None with fewer than two of each, or without a difference.

    Sample size of the two-sample t test on logarithms, with Guenther's correction for small
    samples (Guenther 1981, The American Statistician 35, 243-244).
    """
    if min(len(first), len(second)) < 2 or min((*first, *second)) <= 0:
        return None
    logs = [[log(one) for one in runs] for runs in (first, second)]
    gap = mean(logs[1]) - mean(logs[0])
    spread = (variance(logs[0]) + variance(logs[1])) / 2
    if gap == 0 or spread == 0:
        return None
    wanted = 2 * (Z + Z_POWER) ** 2 * spread / (gap * gap) + Z * Z / 4
    return max(1, ceil(wanted) - min(len(first), len(second)))


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Return the mean of repeats with its interval; None with fewer than three, or without a
    spread.

    Of values above 0 (rates, times), Student's interval of the logarithm of the mean, with the
    variance by the delta method: mean · exp(± t · s / (mean · √n)). No bound is below 0, and the
    mean is inside. Of others, Student's interval of the mean.
    """
    if len(values) < LEAST_RUNS or variance(values) == 0:
        return None
    middle = mean(values)
    half = student_t(len(values) - 1) * sqrt(variance(values) / len(values))
    if min(values) <= 0:
        return Interval(middle, middle - half, middle + half)
    factor = exp(half / middle)
    return Interval(middle, middle / factor, middle * factor)


def quantile_interval(ordered: Sequence[float], share: float) -> Interval | None:
    """Return a quantile of rising samples with its interval between two of them.

    Distribution-free, from the binomial distribution (Conover 1999, Practical Nonparametric
    Statistics, 3.2). The value is the smallest sample that ``share`` of the samples do not exceed.
    None with fewer than :func:`least_samples`, because one bound would be unlimited.
    """
    total = len(ordered)
    ranks = _ranks(total, share)
    if ranks is None:
        return None
    low, high = ranks
    return Interval(ordered[max(0, ceil(share * total) - 1)], ordered[low - 1], ordered[high - 1])


def least_samples(share: float) -> int:
    """Return the fewest samples that give a 95 % interval of the quantile ``share``: 6 for the
    median, 36 for p90, 368 for p99."""
    return ceil(log(_TAIL) / log(max(share, 1 - share)))


@lru_cache(maxsize=256)
def _ranks(total: int, share: float) -> tuple[int, int] | None:
    """Return the ranks, from 1, of the samples that bound the quantile; None where one is
    missing."""
    middle, spread = total * share, sqrt(total * share * (1 - share))
    # Counts further away are rarer than 1e-11.
    first, last = max(0, int(middle - 7 * spread) - 2), min(total, ceil(middle + 7 * spread) + 2)
    below, low, high = 0.0, 0, 0
    for count in range(first, last + 1):
        if below <= _TAIL:
            low = count  # P(fewer than ``low`` samples lie below the quantile) is in the tail
        below += _binomial(total, share, count)
        if not high and below >= 1 - _TAIL:
            high = count + 1
    return (low, high) if low >= 1 and 0 < high <= total else None


def _binomial(total: int, share: float, count: int) -> float:
    """Return the probability of ``count`` of ``total``, each with the probability ``share``."""
    ways = lgamma(total + 1) - lgamma(count + 1) - lgamma(total - count + 1)
    return exp(ways + count * log(share) + (total - count) * log1p(-share))
