"""Shares of correct answers: differences of other questions, McNemar's test, sample size."""

from __future__ import annotations

from math import ceil, sqrt

from jobs.paired import Interval, Z, square_and_add
from jobs.queries.statistics.base import Z_POWER


def difference(second: Interval, first: Interval) -> Interval:
    """Return ``second - first``, shares of different questions (Newcombe 1998, ibid. 873-890,
    method 10)."""
    return square_and_add(second, first, 0.0)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact, two-sided p value of McNemar's test."""
    flips = only_first + only_second
    ways = total = 1
    for k in range(1, min(only_first, only_second) + 1):
        ways = ways * (flips - k + 1) // k
        total += ways
    p: float = 2 * total / 2**flips
    return min(1.0, p)


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
