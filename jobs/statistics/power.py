"""Numbers of questions: for a margin before a launch, and until a verdict after one."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, comb, exp, sqrt

from jobs.statistics.paired import Goal, Z, excess
from jobs.statistics.samples import NORMAL, POWER

MOST_QUESTIONS = 10**9
_FINE = 1e-7
# Expected changed answers below which their number is counted out, up to a most.
_FEW, _MOST_OF_FEW = 6, 20


def paired_variance(only_first: int, only_second: int, total: int) -> float:
    """Return the variance of a question's difference, from the changed answers.

    One changed answer is added to those observed: none in ten questions promises nothing.
    """
    gap = (only_second - only_first) / (total + 2)
    return (only_first + only_second + 1) / (total + 2) - gap**2


@dataclass(frozen=True, slots=True)
class Seen:
    """Answered ``questions`` with the difference ``gap``, from 0 to 1, and the ``variance`` of one
    question's difference. ``changed``: answers of pairs that differ; None for other methods.
    """

    questions: int
    gap: float
    variance: float
    changed: int | None = None

    @property
    def rate(self) -> float:
        """Return the expected share of changed answers: one is added to those observed."""
        return ((self.changed or 0) + 1) / (self.questions + 2)


def conditional_power(goal: Goal, seen: Seen, more: int, margin: float, z: float) -> float:
    """Return the probability that ``more`` questions after those ``seen`` show the goal, if both
    sides are equally accurate. ``z``: quantile of the interval with all questions.
    """
    if seen.changed is not None and more * seen.rate < _FEW:
        return _of_few(goal, seen, more, margin, z)
    total = seen.questions + more
    middle = seen.questions * seen.gap / total
    spread = sqrt(seen.variance * more) / total
    least, most = _least(seen, more, margin, z), -_least(seen, more, margin, z)
    power = NORMAL.cdf((middle - least) / spread)
    if goal == "at_least":
        return power
    return max(0.0, power - NORMAL.cdf((middle - most) / spread))


def _of_few(goal: Goal, seen: Seen, more: int, margin: float, z: float) -> float:
    """Return the conditional power where so few answers are expected to change that their number
    is a Poisson variable and no normal one."""
    total, changed = seen.questions + more, seen.changed or 0
    gained = round((changed + seen.gap * seen.questions) / 2)
    mean, power = more * seen.rate, 0.0
    chance = exp(-mean)  # of `new` changed answers
    for new in range(_MOST_OF_FEW):
        for fixed in range(new + 1):
            shares = (changed - gained + new - fixed) / total, (gained + fixed) / total
            is_shown = excess(*shares, total, -margin, z) > 0
            if is_shown and goal == "same":
                is_shown = excess(*shares[::-1], total, -margin, z) > 0
            power += is_shown * chance * comb(new, fixed) / 2**new
        chance *= mean / (new + 1)
    return power


def _least(seen: Seen, more: int, margin: float, z: float) -> float:
    """Return the least difference over all questions whose interval is above ``-margin``."""
    total = seen.questions + more
    if seen.changed is None:
        # No method has an interval below that of equal answers.
        return max(z * sqrt(seen.variance / total), z * z / (total + z * z)) - margin
    # Tango's interval, with as many changed answers as are expected.
    changed = (seen.changed + more * seen.rate) / total
    low, high = -margin, changed
    if excess(0.0, high, total, -margin, z) <= 0:
        return high
    while high - low > _FINE:
        middle = (low + high) / 2
        lost, gained = max(0.0, (changed - middle) / 2), max(0.0, (changed + middle) / 2)
        low, high = (low, middle) if excess(lost, gained, total, -margin, z) > 0 else (middle, high)
    return high


def more_questions(goal: Goal, seen: Seen, margin: float, z_of: Callable[[int], float]) -> int:
    """Return about how many more questions show the goal with a power of 80 %; at most
    ``MOST_QUESTIONS``.

    ``z_of``: quantile of the interval by the number of all questions, because another look needs
    a wider one.
    """

    def is_enough(more: int) -> bool:
        z = z_of(seen.questions + more)
        return conditional_power(goal, seen, more, margin, z) >= POWER

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


MARGIN = 0.01  # one point
USUAL_ACCURACY = 0.9  # where nothing was measured
# Assumed share of the questions that two runs of alike models answer differently.
USUAL_CHANGED = 0.05


def questions_for_interval(accuracy: float, margin: float = MARGIN) -> int:
    """Return questions that give one accuracy a 95 % interval of ± ``margin`` (normal
    approximation, Cochran 1977, Sampling Techniques, 4.2)."""
    return ceil(Z * Z * _spread(accuracy) / margin**2)


def questions_unpaired(goal: Goal, accuracy: float, margin: float = MARGIN, z: float = Z) -> int:
    """Return questions on each side that show the goal with a power of 80 %, if both are equally
    accurate and answer different questions."""
    return _questions(goal, 2 * _spread(accuracy), margin, z)


def questions_paired(
    goal: Goal, changed: float = USUAL_CHANGED, margin: float = MARGIN, z: float = Z
) -> int:
    """Return questions that both sides answer to show the goal with a power of 80 %, if both are
    equally accurate and the share ``changed`` of the answers differs."""
    return _questions(goal, changed, margin, z)


def _questions(goal: Goal, variance: float, margin: float, z: float) -> int:
    """Chow, Shao and Wang 2008, Sample Size Calculations in Clinical Research, 3.2: of two tests at
    once, each may lose half of what the power leaves. ``variance``: of one question."""
    power = POWER if goal == "at_least" else (1 + POWER) / 2
    return ceil(variance * ((z + NORMAL.inv_cdf(power)) / margin) ** 2)


def _spread(accuracy: float) -> float:
    """Variance of one answer; at 0 and 1 that of the nearest share of ten thousand answers."""
    share = min(0.9999, max(0.0001, accuracy))
    return share * (1 - share)
