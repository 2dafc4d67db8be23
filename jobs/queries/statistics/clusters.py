"""Questions with several answers: answers to one question are not independent.

The question is the unit: its mean score is one observation (Miller 2024, "Adding Error Bars to
Evals", arXiv 2411.00640, sections 2.2 and 4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from jobs.paired import Interval, Z
from jobs.queries.statistics.base import student_t


def clustered_error(questions: Sequence[Sequence[float]]) -> float:
    """Return the standard error of the mean of all scores; ``questions`` has those of each.

    Cluster-robust, without a correction for few clusters (Miller 2024, equation 4).
    """
    total = sum(map(len, questions))
    middle = sum(map(sum, questions)) / total
    return sqrt(sum(sum(score - middle for score in scores) ** 2 for scores in questions)) / total


def design_effect(questions: Sequence[Sequence[float]]) -> float:
    """Return the variance of the mean, relative to one answer for each question.

    1 where all answers to a question are equal, 1 divided by their number where they are
    independent. 1 without any spread.
    """
    total = sum(map(len, questions))
    share = sum(map(sum, questions)) / total
    spread = share * (1 - share)
    if spread <= 0:
        return 1.0
    unit = spread / len(questions)
    return min(1.0, max(len(questions) / total, clustered_error(questions) ** 2 / unit))


def mean_of_differences(differences: Sequence[float], step: float, z: float = Z) -> Interval:
    """Return the mean difference of questions: mean score of the second minus that of the first.

    ``step`` is the least difference of a question: 1 divided by its number of answers. Student's
    interval, with half a question added at ``+step`` and half at ``-step``, one at 0: without them
    equal answers would give an interval without width. For one answer a question it is Agresti and
    Min 2005, Statistics in Medicine 24, 729-740 (section 3.2), with t in place of z.
    """
    total, sum_of = len(differences), sum(differences)
    adjusted = total + 2
    middle = sum_of / adjusted
    squares = sum(value * value for value in differences) + step * step
    half = student_t(max(1, total - 1)) / Z * z * sqrt((squares / adjusted - middle**2) / adjusted)
    value = sum_of / total
    # The centre is adjusted, too; the interval includes the difference that a page shows.
    return Interval(value, min(value, middle - half), max(value, middle + half))
