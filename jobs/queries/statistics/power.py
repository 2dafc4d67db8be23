"""More questions until a verdict, from what was seen: conditional power.

The questions so far keep their difference; only those that are added are random. Their true
difference is a condition that a page says in words. Lan and Wittes 1988, Biometrics 44, 579-585.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

from jobs.paired import Goal
from jobs.queries.statistics.base import POWER, probability

MOST_QUESTIONS = 10**9


def paired_variance(only_first: int, only_second: int, total: int) -> float:
    """Return the variance of a question's difference, from the changed answers.

    One changed answer is added to those observed: none in ten questions promises nothing.
    """
    gap = (only_second - only_first) / (total + 2)
    return (only_first + only_second + 1) / (total + 2) - gap**2


def conditional_power(
    goal: Goal, seen: tuple[int, float], more: int, variance: float, margin: float, z: float
) -> float:
    """Return the probability that ``more`` questions after those ``seen`` show the goal, if both
    sides are equally accurate.

    ``seen``: number of questions and their difference, from 0 to 1. ``variance``: of one question.
    ``z``: quantile of the interval with all questions.
    """
    asked, gap = seen
    total = asked + more
    middle = asked * gap / total
    spread = sqrt(variance * more) / total
    half = z * sqrt(variance / total)

    def above(bound: float) -> float:
        return 1 - probability((bound - middle) / spread)

    if goal == "at_least":
        return above(half - margin)
    return max(0.0, above(half - margin) - above(margin - half))


def more_questions(
    goal: Goal,
    seen: tuple[int, float],
    variance: float,
    margin: float,
    z_of: Callable[[int], float],
) -> int:
    """Return about how many more questions show the goal with a power of 80 %; at most
    ``MOST_QUESTIONS``.

    ``z_of``: quantile of the interval by the number of all questions, because another look needs
    a wider one. For the other arguments see :func:`conditional_power`.
    """

    def is_enough(more: int) -> bool:
        z = z_of(seen[0] + more)
        return conditional_power(goal, seen, more, variance, margin, z) >= POWER

    high = 1
    while not is_enough(high):
        if high >= MOST_QUESTIONS:
            return MOST_QUESTIONS
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high
