"""Pooled shares over data sets, and their difference.

Each set keeps its weight, so questions of one set are compared with questions of the same set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.statistics.paired import Interval, Z, wilson
from jobs.statistics.shares import difference

_MOST_GAIN = 2.0  # of questions, by sets of unequal accuracy


@dataclass(frozen=True, slots=True)
class Share:
    """Accuracy of one set: ``right`` of ``total`` questions, means of several answers to each.

    ``effect``: variance relative to one answer a question, see ``clusters.design_effect``.
    """

    right: float
    total: int
    effect: float = 1.0

    @property
    def value(self) -> float:
        """Return the share, from 0 to 1."""
        return min(1.0, max(0.0, self.right / self.total))

    @property
    def variance(self) -> float:
        """Return the variance of one question, with one right and one wrong answer added: never
        0."""
        share = (self.value * self.total + 1) / (self.total + 2)
        return self.effect * share * (1 - share)

    def interval(self, z: float = Z) -> Interval:
        """Return the share with its interval."""
        total = self.total / self.effect
        return wilson(self.value * total, total, z)


def weights_of(first: Sequence[Share], second: Sequence[Share]) -> list[float]:
    """Return the weight of each set: its share of the questions; with unequal numbers of questions
    that of Mantel and Haenszel (Cochran 1954, Biometrics 10, 417-451)."""
    each = [a.total * b.total / (a.total + b.total) for a, b in zip(first, second, strict=True)]
    return [one / sum(each) for one in each]


def pooled(shares: Sequence[Share], weights: Sequence[float], z: float = Z) -> Interval:
    """Return the weighted share with Wilson's interval of the effective number of questions.

    Variance: ``sum(w² effect p (1 - p) / (n - 1))``. The effective number is that of a single
    sample with this variance (Korn and Graubard 1998, Survey Methodology 24, 193-201; Wilson's
    interval with it: Franco et al. 2019, J. Survey Statistics and Methodology 7, 334-364). One set
    gives exactly Wilson's interval.
    """
    pairs = list(zip(weights, shares, strict=True))
    value = sum(weight * one.value for weight, one in pairs)
    total = sum(one.total for one in shares)
    plain = value * (1 - value) / max(1, total - 1)
    variance = sum(
        weight**2 * one.effect * one.value * (1 - one.value) / max(1, one.total - 1)
        if one.total > 1
        else weight**2 * value * (1 - value)
        for weight, one in pairs
    )
    effect = sum(weight * one.effect for weight, one in pairs)
    gain = 1.0 if plain <= 0 else plain * effect / variance if variance > 0 else _MOST_GAIN
    effective = total / effect * min(_MOST_GAIN, gain)
    return wilson(value * effective, effective, z)


def pooled_difference(first: Sequence[Share], second: Sequence[Share], z: float = Z) -> Interval:
    """Return second minus first over all sets: Newcombe's hybrid interval of both
    :func:`pooled` shares."""
    weights = weights_of(first, second)
    return difference(pooled(second, weights, z), pooled(first, weights, z))
