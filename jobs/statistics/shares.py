"""Shares of correct answers: differences of other questions, McNemar's test."""

from __future__ import annotations

from math import sqrt

from jobs.statistics.paired import Interval


def difference(second: Interval, first: Interval) -> Interval:
    """Return ``second - first``, shares of different questions (Newcombe 1998, Statistics in
    Medicine 17, 873-890, method 10)."""
    value = second.value - first.value
    down, up = second.value - second.low, second.high - second.value
    first_down, first_up = first.value - first.low, first.high - first.value
    return Interval(value, value - sqrt(down**2 + first_up**2), value + sqrt(up**2 + first_down**2))


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact, two-sided p value of McNemar's test."""
    flips = only_first + only_second
    ways = total = 1
    for k in range(1, min(only_first, only_second) + 1):
        ways = ways * (flips - k + 1) // k
        total += ways
    p: float = 2 * total / 2**flips
    return min(1.0, p)
