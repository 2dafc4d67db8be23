"""Decision about a difference: equivalent, better, worse, or how many questions are missing.

*Equivalent* means that the whole 95 % interval is inside of the margin: two one-sided tests at
2.5 % (Schuirmann 1987, J. Pharmacokinetics and Biopharmaceutics 15, 657-680). The test with the
90 % interval has 5 %; with the 95 % interval an approximation that is a little off stays below 5 %,
and the interval that a page draws is the one that decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from jobs.paired import Z
from jobs.queries.statistics.base import Z_POWER, quantile

_Z_BOTH = quantile(0.9)  # power 80 % of two tests at once, 10 % lost by each
MOST_QUESTIONS = 10**9


@dataclass(frozen=True, slots=True)
class Missing:
    """Number of questions until a decision, with power 80 %.

    ``is_if_equal``: if the accuracies are equal; else if the difference stays as it is.
    """

    questions: int
    is_if_equal: bool


def questions_for_equivalence(
    variance: float, margin: float, gap: float = 0.0, z: float = Z
) -> float:
    """Return the number of questions that show a true difference ``gap`` to be inside of
    ``margin``, with power 80 %.

    ``variance`` is that of one question: ``p1 (1 - p1) + p2 (1 - p2)`` for other questions,
    :func:`paired_variance` for the same. Chow, Shao and Wang 2008, Sample Size Calculations in
    Clinical Research, page 91, where ``z`` is 1.645.
    """
    return variance * ((z + _Z_BOTH) / (margin - abs(gap))) ** 2


def paired_variance(only_first: int, only_second: int, total: int) -> float:
    """Return the variance of a question's difference, from the changed answers.

    One changed answer is added to those observed: none in ten questions promises nothing.
    """
    gap = (only_second - only_first) / (total + 2)
    return (only_first + only_second + 1) / (total + 2) - gap**2


def missing(variance: float, total: int, gap: float, margin: float, z: float = Z) -> Missing:
    """Return how many more questions than ``total`` decide."""
    if_equal = questions_for_equivalence(variance, margin, z=z)
    if if_equal > total:
        return _missing(if_equal - total, is_if_equal=True)
    wanted = []
    if abs(gap) < margin:
        wanted.append(questions_for_equivalence(variance, margin, gap, z))
    if gap:
        wanted.append(variance * ((z + Z_POWER) / gap) ** 2)
    return _missing(min(wanted) - total, is_if_equal=False)


def _missing(questions: float, *, is_if_equal: bool) -> Missing:
    return Missing(min(MOST_QUESTIONS, max(1, ceil(questions))), is_if_equal)
