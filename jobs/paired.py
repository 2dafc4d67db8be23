"""Paired difference of two accuracies: its interval, its decision, and an early stop.

One implementation for two places: a job that may stop early runs it as a file of its plan
(``ask_until_decided.py``), the dashboard imports it. Standard library only, no import of this
project, because a plan's file stands alone.

The rule: the number of questions is fixed before the start. After a share ``t`` of them, the
interval uses ``2.2414 / sqrt(t)`` in place of 1.96. All these intervals together miss the true
difference in at most 5 % of evaluations, however often somebody looks: a Brownian motion leaves the
boundary before its end with probability ``2 (1 - probability(2.2414)) = 2.5 %`` on each side
(reflection principle; spending function 1 of Lan and DeMets 1983, Biometrika 70, 659-663). So
*equivalent*, *better* and *worse* are each said wrongly in at most 2.5 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import copysign, inf, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

_NORMAL = NormalDist()
Z = _NORMAL.inv_cdf(0.975)  # of a 95 % interval
BOUNDARY = _NORMAL.inv_cdf(1 - 0.025 / 2)

Decision = Literal["equivalent", "better", "worse", "unknown"]


@dataclass(frozen=True)
class Interval:
    """Value with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Return True when the interval includes 0: not significant."""
        return self.low <= 0 <= self.high


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
    return square_and_add(second, first, _phi(both, only_first, only_second, neither))


def square_and_add(a: Interval, b: Interval, phi: float) -> Interval:
    """Return ``a - b`` of two shares whose answers correlate by ``phi``."""
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


def score_difference(
    both: int, only_first: int, only_second: int, neither: int, z: float = Z
) -> Interval:
    """Return the same difference with the score interval (Tango 1998, Statistics in Medicine 17,
    891-908).

    For an early stop: at its large ``z``, Newcombe's interval is too narrow when few answers
    change. With no change, this one is ``± z² / (total + z²)``.
    """
    total = both + only_first + only_second + neither
    value = (only_second - only_first) / total

    def score(gap: float) -> float:
        """Return the distance of the observed from a true ``gap``, in standard errors."""
        # The most likely share of answers that only the first has, with this gap.
        linear = (2 * total + only_first - only_second) * gap - only_first - only_second
        constant = -only_first * gap * (1 - gap)
        root = sqrt(max(0.0, linear**2 - 8 * total * constant))
        variance = total * ((root - linear) / (2 * total) + gap * (1 - gap))
        observed = total * (value - gap)
        return observed / sqrt(variance) if variance > 0 else copysign(inf, observed)

    return Interval(value, _crossing(score, -1.0, value, z), _crossing(score, value, 1.0, -z))


def _crossing(falling: Callable[[float], float], low: float, high: float, wanted: float) -> float:
    """Return where a falling function has the wanted value, by bisection."""
    for _ in range(50):
        middle = (low + high) / 2
        if falling(middle) > wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def decision(interval: Interval, margin: float) -> Decision:
    """Return the verdict on a difference; both from 0 to 1. A significant difference inside of the
    margin is *equivalent*."""
    if -margin < interval.low and interval.high < margin:
        return "equivalent"
    if interval.low > 0:
        return "better"
    if interval.high < 0:
        return "worse"
    return "unknown"


def least_margin(planned: int) -> float:
    """Return the margin, from 0 to 1, above which ``planned`` questions can show equivalence: no
    answer changes, and all are asked."""
    return score_difference(planned, 0, 0, 0, BOUNDARY).high


def monitored_z(asked: int, planned: int) -> float:
    """Return the quantile of an interval after ``asked`` of ``planned`` questions."""
    return BOUNDARY / sqrt(min(1.0, asked / planned))
