"""Paired difference of two accuracies: its interval, its verdict, and repeated looks.

One implementation for two places: a job that may stop early runs it as a file of its plan
(``ask_until_decided.py``), the dashboard imports it. Standard library only, no import of this
project, because a plan's file stands alone.

Every verdict is read off one interval of 95 %, so each is wrong in about 2.5 % of cases
(``python -m tests.coverage`` computes it). Two cases need a wider interval:

Early stop
    The number of questions is fixed before the start. After a share ``t`` of them, the interval
    uses ``2.2414 / sqrt(t)`` in place of 1.96. All these intervals together miss the true
    difference in at most 5 % of evaluations, however many looks: a Brownian motion
    leaves the boundary before its end with probability ``2 (1 - probability(2.2414)) = 2.5 %`` on
    each side (reflection principle; spending function 1 of Lan and DeMets 1983, Biometrika 70,
    659-663).
Extension
    Questions are added after a look. Look ``k`` spends ``2.5 % / (k (k - 1))`` on each side: all
    looks after the first together 2.5 %, however many (Bonferroni). With the first, or with an
    early stop, it is 5 % for each verdict. *Better* and *worse* are two: together at most 10 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_NORMAL = NormalDist()
Z = _NORMAL.inv_cdf(0.975)  # of a 95 % interval
BOUNDARY = _NORMAL.inv_cdf(1 - 0.025 / 2)
_BESIDE = 1e-9

# What a person asks: is the second at least as accurate as the first, or are both equally accurate?
Goal = Literal["at_least", "same"]
Decision = Literal["better", "worse", "equivalent", "not_worse", "cannot_tell"]


@dataclass(frozen=True)
class Interval:
    """Value with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @property
    def includes_zero(self) -> bool:
        """Return True when the difference is not significant."""
        return self.low <= 0 <= self.high


def wilson(right: float, total: float, z: float = Z) -> Interval:
    """Return the share ``right / total`` with its interval (Wilson 1927). ``total`` is at least 1;
    the share is clamped to 0 … 1."""
    share = min(1.0, max(0.0, right / total))
    scale = 1 + z * z / total
    middle = (share + z * z / (2 * total)) / scale
    half = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / scale
    # Rounding must not push 0 or 1 out of the interval.
    return Interval(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


def paired_difference(
    both: int, only_first: int, only_second: int, neither: int, z: float = Z
) -> Interval:
    """Return the accuracy of the second minus that of the first, on the same questions: Tango's
    score interval (1998, Statistics in Medicine 17, 891-908)."""
    return bounded_mean({-1.0: only_first, 0.0: both + neither, 1.0: only_second}, -1.0, z)


def bounded_mean(counts: Mapping[float, int], least: float, z: float = Z) -> Interval:
    """Return the mean of independent values from ``least`` to 1 with its score interval: means that
    are at most ``z`` standard errors away from the observed one. ``counts``: of each value.

    The standard error is that of the most likely distribution with this mean (empirical
    likelihood, Owen 1988, Biometrika 75, 237-249). It may have the values ``least`` and 1 unseen:
    64 equal samples of each question exclude no question that is lost as a whole. Its weights are
    the bets of Waudby-Smith and Ramdas 2024 (J. Royal Statistical Society B 86, 1-27), bounded in
    the same way. Of 0 and 1 it is Wilson's interval, of -1, 0 and 1 Tango's. Where the spread is
    small, it ends as if ``z²`` more values had been seen, all at one end of the range.
    """
    seen = [(value, count) for value, count in counts.items() if count]
    total = sum(count for _, count in seen)
    value = sum(one * count for one, count in seen) / total
    low = least + _lowest([(one - least, count) for one, count in seen], total, z)
    high = 1 - _lowest([(1 - one, count) for one, count in seen], total, z)
    return Interval(value, min(value, low), max(value, high))


def _lowest(seen: Sequence[tuple[float, int]], total: int, z: float) -> float:
    """Return the low end of the mean of values that are 0 or more."""
    value = sum(one * count for one, count in seen) / total

    def at(tilt: float) -> tuple[float, float]:
        """Return the mean of the tilted values, and how much closer it is than ``z``."""
        whole = first = second = 0.0
        for one, count in seen:
            weight = count / (1 - tilt + tilt * one)
            whole += weight
            first += one * weight
            second += one * one * weight
        mean = first / whole
        variance = max(0.0, second / whole - mean * mean)
        return mean, z * z * variance / total - (value - mean) ** 2

    if value <= 0:
        return 0.0
    if min(one for one, _ in seen) > 0 and at(1.0)[1] > -_BESIDE * _BESIDE:  # or rounding
        return value * total / (total + z * z)
    return at(_root(lambda tilt: at(tilt)[1], 0.0, 1 - _BESIDE))[0]


def excess(lost: float, gained: float, total: float, gap: float, z: float) -> float:
    """Return the distance of the observed difference from a true ``gap``, beyond ``z`` standard
    errors. Positive: the low end of the interval is above ``gap``. ``lost`` and ``gained``: shares
    of the questions that only the first, or only the second, has correct."""
    value = gained - lost
    # The most likely share of answers that only the first has, with this gap.
    linear = (2 - value) * gap - lost - gained
    root = sqrt(max(0.0, linear**2 + 8 * lost * gap * (1 - gap)))
    variance = (root - linear) / 2 + gap * (1 - gap)
    return value - gap - z * sqrt(max(0.0, variance) / total)


def _root(changes_sign: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function goes from positive to negative, between two bounds (false position,
    Illinois rule)."""
    left, right = changes_sign(low), changes_sign(high)
    if left <= 0 or right >= 0:
        return low if left <= 0 else high
    kept = 0
    for _ in range(100):
        middle = (low * right - high * left) / (right - left)
        found = changes_sign(middle)
        if abs(found) < 1e-14 or high - low < 1e-14:
            break
        if found > 0:
            low, left, right = middle, found, right / 2 if kept > 0 else right
            kept = 1
        else:
            high, right, left = middle, found, left / 2 if kept < 0 else left
            kept = -1
    return middle


def decision(interval: Interval, margin: float, goal: Goal) -> Decision:
    """Return the verdict on a difference; both from 0 to 1.

    *better* and *worse*: all of the interval on one side of 0. *not_worse*: above ``-margin``, the
    test of non-inferiority. *equivalent*: within the margin. A significant difference inside of
    the margin is *equivalent*, or *not_worse*.
    """
    if goal == "same" and -margin < interval.low and interval.high < margin:
        return "equivalent"
    if interval.low > 0:
        return "better"
    if goal == "at_least" and interval.low > -margin:
        return "not_worse"
    return "worse" if interval.high < 0 else "cannot_tell"


def least_margin(planned: int) -> float:
    """Return the margin, from 0 to 1, above which ``planned`` questions can reach a verdict: no
    answer changes, and all are asked."""
    return paired_difference(planned, 0, 0, 0, BOUNDARY).high


def monitored_z(asked: int, planned: int) -> float:
    """Return the quantile of an interval after ``asked`` of ``planned`` questions."""
    return BOUNDARY / sqrt(min(1.0, asked / planned))


def extended_z(look: int) -> float:
    """Return the quantile of an interval at the look number ``look``, each with more questions
    than the one before; 1.96 at the first."""
    return Z if look < 2 else _NORMAL.inv_cdf(1 - 0.025 / (look * (look - 1)))
