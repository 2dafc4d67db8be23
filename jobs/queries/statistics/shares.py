"""Shares of correct answers: intervals, differences, McNemar's test."""

from __future__ import annotations

from math import ceil, sqrt

from jobs.queries.statistics.base import Z_POWER, Interval, Z


def wilson(right: float, total: float, z: float = Z) -> Interval:
    """Return the share ``right / total`` with its interval (Wilson 1927).

    ``total`` is at least 1; the share is clamped to 0 … 1.
    """
    share = min(1.0, max(0.0, right / total))
    scale = 1 + z * z / total
    middle = (share + z * z / (2 * total)) / scale
    half = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / scale
    # Rounding must not push 0 or 1 out of the interval.
    return Interval(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


def paired_difference(
    both: int, only_first: int, only_second: int, neither: int, z: float = Z
) -> Interval:
    """Return the accuracy of the second minus that of the first, on the same questions.

    Newcombe 1998, Statistics in Medicine 17, 2635-2650, method 10.
    """
    total = both + only_first + only_second + neither
    second = wilson(both + only_second, total, z)
    first = wilson(both + only_first, total, z)
    phi = _phi(both, only_first, only_second, neither)
    return _square_and_add(second, first, phi)


def difference(second: Interval, first: Interval) -> Interval:
    """Return ``second - first``, shares of different questions (Newcombe 1998, ibid. 873-890,
    method 10)."""
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
