"""Questions with several answers: answers to one question are not independent.

The question is the unit: its mean score is one observation (Miller 2024, "Adding Error Bars to
Evals", arXiv 2411.00640, sections 2.2 and 4.2). Few questions of unequal difficulty make their
variance uncertain, so Student's quantile has the degrees of freedom of that variance, by the
kurtosis of the questions (O'Neill 2014, The American Statistician 68, 282-296). Coverage:
``python -m tests.coverage``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import fsum, inf, sqrt
from statistics import fmean

from jobs.statistics.base import student_t
from jobs.statistics.paired import Interval, Z

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
