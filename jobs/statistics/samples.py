"""Quantiles; means and quantiles of runs and requests: intervals, ratios, missing runs."""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil, exp, expm1, fsum, inf, lgamma, log, log1p, sqrt
from statistics import NormalDist, fmean, geometric_mean

from jobs.statistics.paired import Interval, Z

NORMAL = NormalDist()
POWER = 0.8
Z_POWER = NORMAL.inv_cdf(POWER)
# Student's t, 97.5 %, for 1 … 30 degrees of freedom.
_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


def student_t(freedom: float) -> float:
    """Return Student's t at 97.5 %, rounded to the safe side between whole degrees of freedom."""
    if freedom == inf:
        return Z
    whole = max(1, int(freedom))
    if whole <= len(_T):
        return _T[whole - 1]
    # Cornish-Fisher expansion (Abramowitz and Stegun 1964, 26.7.5), off by less than 0.0001 here.
    first, second = (Z**3 + Z) / 4, (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96
    return Z + first / whole + second / whole**2 + 0.0001


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
    found = mean_difference([log(one) for one in first], [log(one) for one in second])
    return Interval(expm1(found.value), expm1(found.low), expm1(found.high)) if found else None


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
    if (ranks := _ranks(total, share)) is None:
        return None
    place = max(0, ceil(share * total) - 1)
    return Interval(ordered[place], *(ordered[rank - 1] for rank in ranks))


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
        ways = lgamma(total + 1) - lgamma(count + 1) - lgamma(total - count + 1)
        below += exp(ways + count * log(share) + (total - count) * log1p(-share))
        if not high and below >= 1 - _TAIL:
            high = count + 1
    return (low, high) if low >= 1 and 0 < high <= total else None
