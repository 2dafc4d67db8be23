"""Shares of correct answers: of one set, pooled, with several answers to a question."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, inf, sqrt
from statistics import fmean

from jobs.statistics.paired import Interval, Z, wilson
from jobs.statistics.samples import student_t


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


LEAST_FREEDOM = 3


def freedom(values: Sequence[float]) -> float:
    """Return the degrees of freedom of the variance of a sample; infinite without a spread.

    ``2n / (kurtosis - (n - 3) / (n - 1))``, about ``n`` for a normal sample, fewer with outliers.
    """
    total, middle = len(values), fmean(values)
    squares = fsum((value - middle) ** 2 for value in values) / total
    if total < 2 or squares == 0:
        return inf
    kurtosis = fsum((value - middle) ** 4 for value in values) / total / squares**2
    return max(LEAST_FREEDOM, 2 * total / (kurtosis - (total - 3) / (total - 1)))


def clustered_error(questions: Sequence[Sequence[float]]) -> float:
    """Return the standard error of the mean of all scores; ``questions`` has those of each.

    Cluster-robust, without a correction for few clusters (Miller 2024, equation 4).
    """
    total = sum(map(len, questions))
    middle = sum(map(sum, questions)) / total
    return sqrt(sum(sum(score - middle for score in scores) ** 2 for scores in questions)) / total


def design_effect(questions: Sequence[Sequence[float]]) -> float:
    """Return the variance of the mean, relative to one answer for each question.

    1 where all answers to each question are equal; 1 divided by their number where they are
    independent. It includes the correction for few questions and their :func:`freedom`, as Korn
    and Graubard 1998 (Survey Methodology 24, 193-201) do: a little above 1 is possible.
    """
    clusters, total = len(questions), sum(map(len, questions))
    share = sum(map(sum, questions)) / total
    spread = share * (1 - share)
    if spread <= 0 or clusters < 2 or all(len(set(scores)) == 1 for scores in questions):
        return 1.0
    error = clustered_error(questions) ** 2 * clusters / (clusters - 1)
    effect = min(1.0, max(clusters / total, error / (spread / clusters)))
    means = [fmean(scores) for scores in questions]
    return effect * (student_t(freedom(means)) / Z) ** 2


def mean_of_differences(differences: Sequence[float], step: float, z: float = Z) -> Interval:
    """Return the mean difference of questions: mean score of the second minus that of the first.

    ``step`` is the least difference of a question: 1 divided by its number of answers. Student's
    interval, with the :func:`freedom` of the differences. It includes each true difference whose
    least variance, ``step |difference| - difference²``, allows the observed mean: otherwise equal
    answers would give an interval without width, and few changed ones a narrow one.
    """
    total = len(differences)
    value = fsum(differences) / total
    squares = fsum((one - value) ** 2 for one in differences)
    t = student_t(min(freedom(differences), max(1, total - 1))) / Z * z
    half = t * sqrt(squares / (total * max(1, total - 1)))
    low = min(value - half, -_farthest(value, step, total, t))
    high = max(value + half, _farthest(-value, step, total, t))
    return Interval(value, max(-1.0, low), min(1.0, high))


def _farthest(value: float, step: float, total: int, t: float) -> float:
    """Return the largest loss whose least variance allows the mean ``value``; -1 for none."""
    # (value + loss)² total = t² (step loss - loss²)
    linear, square = t * t * step - 2 * total * value, total + t * t
    discriminant = linear * linear - 4 * square * total * value * value
    return (linear + sqrt(discriminant)) / (2 * square) if discriminant >= 0 else -1.0


def cells_of(
    first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]
) -> tuple[int, int, int, int] | None:
    """Return the questions that are correct on both sides, only on the first, only on the second,
    on neither; None unless all answers of a side to a question are correct, or all incorrect.

    Both have the same questions in the same order.
    """
    if any(set(scores) not in ({0}, {1}) for scores in (*first, *second)):
        return None
    pairs = Counter((bool(a[0]), bool(b[0])) for a, b in zip(first, second, strict=True))
    return pairs[True, True], pairs[True, False], pairs[False, True], pairs[False, False]
