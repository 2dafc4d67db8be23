"""Confidence intervals and tests at 95 %. Pure functions with sources.

SciPy is not used: 100 MB of packages for four closed formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, comb, exp, expm1, lgamma, log, log1p, sqrt
from statistics import geometric_mean, mean, variance

Z = 1.959963984540054
Z_POWER = 0.8416212335729143  # power 80 %
_TAIL = 0.025  # on each side of a 95 % interval
LEAST_RUNS = 3  # fewer runs give no useful variance
# Student's t, 97.5 %, for 1 … 30 degrees of freedom.
_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


@dataclass(frozen=True, slots=True)
class Interval:
    """Value with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Return True when the interval includes 0: not significant."""
        return self.low <= 0 <= self.high


def wilson(right: float, total: int) -> Interval:
    """Return the share ``right / total`` with its interval (Wilson 1927).

    ``total`` is at least 1; the share is clamped to 0 … 1.
    """
    share = min(1.0, max(0.0, right / total))
    scale = 1 + Z * Z / total
    middle = (share + Z * Z / (2 * total)) / scale
    half = Z * sqrt(share * (1 - share) / total + Z * Z / (4 * total * total)) / scale
    # Rounding must not push 0 or 1 out of the interval.
    return Interval(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


def paired_difference(both: int, only_first: int, only_second: int, neither: int) -> Interval:
    """Return the accuracy of the second minus that of the first, on the same questions.

    Newcombe 1998, Statistics in Medicine 17, 2635-2650, method 10.
    """
    total = both + only_first + only_second + neither
    second = wilson(both + only_second, total)
    first = wilson(both + only_first, total)
    phi = _phi(both, only_first, only_second, neither)
    return _square_and_add(second, first, phi)


def difference(second: Interval, first: Interval) -> Interval:
    """Return ``second - first``, shares of different questions (Newcombe 1998, ibid. 873-890)."""
    return _square_and_add(second, first, 0.0)


def _square_and_add(a: Interval, b: Interval, phi: float) -> Interval:
    value = a.value - b.value
    down, up = a.value - a.low, a.high - a.value
    b_down, b_up = b.value - b.low, b.high - b.value
    low = sqrt(max(0.0, down * down - 2 * phi * down * b_up + b_up * b_up))
    high = sqrt(max(0.0, up * up - 2 * phi * up * b_down + b_down * b_down))
    return Interval(value, value - low, value + high)


def _phi(both: int, only_first: int, only_second: int, neither: int) -> float:
    """Return the correlation of the pairs, with Newcombe's continuity correction if positive."""
    margins = (
        (both + only_second)
        * (only_first + neither)
        * (both + only_first)
        * (only_second + neither)
    )
    if margins == 0:
        return 0.0
    excess: float = both * neither - only_first * only_second
    if excess > 0:
        excess = max(0.0, excess - (both + only_first + only_second + neither) / 2)
    return excess / sqrt(margins)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact, two-sided p value of McNemar's test."""
    flips = only_first + only_second
    fewer = min(only_first, only_second)
    tail: float = sum(comb(flips, k) for k in range(fewer + 1)) / 2**flips
    return min(1.0, 2.0 * tail)


def questions_to_tell(only_first: int, only_second: int, total: int) -> int | None:
    """Return about how many more questions make this difference significant (power 80 %); None
    without a difference.

    Sample size of McNemar's test (Connor 1987, Biometrics 43, 207-211).
    """
    if only_first == only_second:
        return None
    gap = abs(only_second - only_first) / total
    flips = (only_first + only_second) / total
    wanted = ((Z * sqrt(flips) + Z_POWER * sqrt(flips - gap * gap)) / gap) ** 2
    return max(0, ceil(wanted) - total)


def mean_difference(first: Sequence[float], second: Sequence[float]) -> Interval | None:
    """Return mean of ``second`` minus mean of ``first`` (Welch); None below three values each."""
    if min(len(first), len(second)) < LEAST_RUNS:
        return None
    spread_first = variance(first) / len(first)
    spread_second = variance(second) / len(second)
    value, spread = mean(second) - mean(first), spread_first + spread_second
    if spread == 0:
        return Interval(value, value, value)
    freedom = spread**2 / (
        spread_first**2 / (len(first) - 1) + spread_second**2 / (len(second) - 1)
    )
    half = _t(freedom) * sqrt(spread)
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

    None with fewer than three values each, or with a value not above 0.
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
    """Return the mean of repeats with its interval; None with fewer than three."""
    if len(values) < LEAST_RUNS:
        return None
    middle = mean(values)
    half = _t(len(values) - 1) * sqrt(variance(values) / len(values))
    return Interval(middle, middle - half, middle + half)


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


def _t(freedom: float) -> float:
    """Return Student's t at 97.5 %, rounded to the safe side between whole degrees of freedom."""
    return _T[min(max(1, int(freedom)), len(_T)) - 1]
