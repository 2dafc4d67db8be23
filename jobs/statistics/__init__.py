"""Intervals, tests and sample sizes of shares, differences and repeats.
Here: pure functions with their sources; every interval is of 95 %.
Not here: which numbers are compared (`comparison`, `parity`).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, comb, exp, expm1, fsum, lgamma, log, log1p, sqrt
from statistics import NormalDist, fmean, geometric_mean
from typing import Literal

from jobs.statistics.paired import Goal as Goal
from jobs.statistics.paired import Interval as Interval
from jobs.statistics.paired import Z as Z
from jobs.statistics.paired import bounded_mean as bounded_mean
from jobs.statistics.paired import excess
from jobs.statistics.paired import paired_difference as paired_difference
from jobs.statistics.paired import wilson as wilson
from jobs.statistics.repeats import LEAST_RUNS as LEAST_RUNS
from jobs.statistics.repeats import mean as mean
from jobs.statistics.repeats import student_t as student_t
from jobs.statistics.repeats import variance as variance

NORMAL = NormalDist()
POWER = 0.8
_TAIL = 0.025  # on each side of a 95 % interval


def mean_difference(first: Sequence[float], second: Sequence[float]) -> Interval | None:
    """Return mean of ``second`` minus mean of ``first`` (Welch). None below three values each, or
    without a spread: equal repeats prove nothing about others."""
    if min(len(first), len(second)) < LEAST_RUNS:
        return None
    spread_first = variance(first) / len(first)
    spread_second = variance(second) / len(second)
    value, spread = mean(second) - mean(first), spread_first + spread_second
    if spread == 0:
        return None
    freedom = spread**2 / (
        spread_first**2 / (len(first) - 1) + spread_second**2 / (len(second) - 1)
    )
    half = student_t(freedom) * sqrt(spread)
    return Interval(value, value - half, value + half)


def relative_change(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the value of :func:`relative_difference` for any number of runs; None without values,
    or with one not above 0."""
    if not first or not second or min(*first, *second) <= 0:
        return None
    return geometric_mean(second) / geometric_mean(first) - 1


def relative_difference(first: Sequence[float], second: Sequence[float]) -> Interval | None:
    """Return the ratio of geometric means, ``second`` to ``first``, minus 1, with Welch's interval
    of logarithms: no bound is below -1. None with fewer than three values each, without a spread,
    or with a value not above 0."""
    if min((*first, *second), default=0) <= 0:
        return None
    found = mean_difference([log(one) for one in first], [log(one) for one in second])
    return Interval(expm1(found.value), expm1(found.low), expm1(found.high)) if found else None


def runs_to_tell(first: Sequence[float], second: Sequence[float]) -> int | None:
    """Return about how many more runs of each make the relative difference significant (power 80 %)
    if mean and variance stay; None with fewer than two of each, or without a difference.

    Sample size of the two-sample t test on logarithms, with Guenther's correction for small
    samples (Guenther 1981, The American Statistician 35, 243-244).
    """
    if min(len(first), len(second)) < 2 or min((*first, *second)) <= 0:
        return None
    logs = [[log(one) for one in runs] for runs in (first, second)]
    gap = mean(logs[1]) - mean(logs[0])
    spread = (variance(logs[0]) + variance(logs[1])) / 2
    if gap == 0 or spread == 0:
        return None
    wanted = 2 * (Z + NORMAL.inv_cdf(POWER)) ** 2 * spread / (gap * gap) + Z * Z / 4
    return max(1, ceil(wanted) - min(len(first), len(second)))


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Return the mean of repeats with its interval; None with fewer than three, or without a
    spread. Of values above 0 (rates, times), Student's interval of the logarithm of the mean, with
    the variance by the delta method: mean · exp(± t · s / (mean · √n)). Of others, of the mean."""
    if len(values) < LEAST_RUNS or (spread := variance(values)) == 0:
        return None
    middle = mean(values)
    half = student_t(len(values) - 1) * sqrt(spread / len(values))
    if min(values) <= 0:
        return Interval(middle, middle - half, middle + half)
    factor = exp(half / middle)
    return Interval(middle, middle / factor, middle * factor)


def quantile_interval(ordered: Sequence[float], share: float) -> Interval | None:
    """Return a quantile of rising samples with its interval between two of them.

    Distribution-free, from the binomial distribution (Conover 1999, Practical Nonparametric
    Statistics, 3.2). The value is the smallest sample that ``share`` of the samples do not exceed.
    None with fewer than :func:`least_samples`, because one bound would be unlimited.
    """
    total = len(ordered)
    if (ranks := _ranks(total, share)) is None:
        return None
    place = max(0, ceil(share * total) - 1)
    return Interval(ordered[place], *(ordered[rank - 1] for rank in ranks))


def least_samples(share: float) -> int:
    """Return the fewest samples that give a 95 % interval of the quantile ``share``: 6 for the
    median, 36 for p90, 368 for p99."""
    return ceil(log(_TAIL) / log(max(share, 1 - share)))


@lru_cache(maxsize=256)
def _ranks(total: int, share: float) -> tuple[int, int] | None:
    """Return the ranks, from 1, of the samples that bound the quantile; None if one is missing."""
    middle, spread = total * share, sqrt(total * share * (1 - share))
    # Counts further away are rarer than 1e-11.
    first, last = max(0, int(middle - 7 * spread) - 2), min(total, ceil(middle + 7 * spread) + 2)
    below, low, high = 0.0, 0, 0
    for count in range(first, last + 1):
        if below <= _TAIL:
            low = count  # P(fewer than ``low`` samples lie below the quantile) is in the tail
        ways = lgamma(total + 1) - lgamma(count + 1) - lgamma(total - count + 1)
        below += exp(ways + count * log(share) + (total - count) * log1p(-share))
        if not high and below >= 1 - _TAIL:
            high = count + 1
    return (low, high) if low >= 1 and 0 < high <= total else None


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


def holm(values: Sequence[float]) -> list[float]:
    """Return p values adjusted for their number, in the given order: of hypotheses that are all
    rejected up to ``p``, one or more is true with a probability of ``p`` at most. Step-down (Holm
    1979, Scandinavian Journal of Statistics 6, 65-70), for dependent tests too."""
    adjusted, least = dict[int, float](), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        least = max(least, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = least
    return [adjusted[place] for place in range(len(values))]


_MOST_GAIN = 2.0  # of questions, by sets of unequal accuracy


@dataclass(frozen=True, slots=True)
class Share:
    """Accuracy of one set: ``right`` of ``total`` questions, means of several answers to each.
    ``effect``: variance relative to one answer a question, see :func:`design_effect`. ``scores``:
    of the answers to each question; empty: not stored."""

    right: float
    total: int
    effect: float = 1.0
    scores: Sequence[Sequence[float]] = ()

    @property
    def value(self) -> float:
        return min(1.0, max(0.0, self.right / self.total))

    @property
    def variance(self) -> float:
        """Return that of one question, with one right and one wrong answer added: never 0."""
        share = (self.value * self.total + 1) / (self.total + 2)
        return self.effect * share * (1 - share)

    def interval(self, z: float = Z) -> Interval:
        total = self.total / self.effect
        return wilson(self.value * total, total, z)


def share_of(scores: Sequence[Sequence[float]]) -> Share:
    """Return the accuracy of questions with these scores of their answers."""
    return Share(fsum(map(fmean, scores)), len(scores), design_effect(scores), scores)


def joined(shares: Sequence[Share]) -> Share:
    """Return the accuracy over all questions of several sets. A set without stored answers has one
    answer a question: with such a set, the effect is the mean over all questions."""
    if len(shares) == 1:
        return shares[0]
    if all(one.scores for one in shares):
        return share_of([scores for one in shares for scores in one.scores])
    total = sum(one.total for one in shares)
    effect = fsum(one.total * one.effect for one in shares) / total if total else 1.0
    return Share(sum(one.right for one in shares), total, effect)


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
    """Return second minus first over all sets: Newcombe's interval of both pooled shares."""
    weights = weights_of(first, second)
    return difference(pooled(second, weights, z), pooled(first, weights, z))


def design_effect(questions: Sequence[Sequence[float]]) -> float:
    """Return the variance of the mean of all scores, relative to one answer for each question.

    1 where all answers to each question are equal; at least 1 divided by their number, as of
    independent answers. Wilson's interval with it includes the :func:`bounded_mean` of the
    questions, and shares an end.
    """
    total, mean = len(questions), bounded_mean(Counter(map(fmean, questions)), 0.0)
    ends = [end for end in (mean.low, mean.high) if 0 < end < 1]
    effects = [total * ((mean.value - end) / Z) ** 2 / (end * (1 - end)) for end in ends]
    return min(1.0, max(total / sum(map(len, questions)), *effects))


def mean_of_differences(differences: Sequence[float], z: float = Z) -> Interval:
    """Return the mean difference of questions: mean score of the second minus that of the first,
    each from 0 to 1."""
    return bounded_mean(Counter(differences), -1.0, z)


def cells_of(
    first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]
) -> tuple[int, int, int, int] | None:
    """Return the questions that are correct on both sides, only on the first, only on the second,
    on neither; None unless all answers of a side to a question are correct, or all incorrect. Both
    have the same questions in the same order."""
    if any(set(scores) not in ({0}, {1}) for scores in (*first, *second)):
        return None
    pairs = Counter((bool(a[0]), bool(b[0])) for a, b in zip(first, second, strict=True))
    return pairs[True, True], pairs[True, False], pairs[False, True], pairs[False, False]


MOST_QUESTIONS = 10**9
_FINE = 1e-7
# Expected changed answers below which their number is counted out, up to a most.
_FEW, _MOST_OF_FEW = 6, 20


def paired_variance(only_first: int, only_second: int, total: int) -> float:
    """Return the variance of a question's difference, from the changed answers. One changed answer
    is added to those observed: none in ten questions promises nothing."""
    gap = (only_second - only_first) / (total + 2)
    return (only_first + only_second + 1) / (total + 2) - gap**2


@dataclass(frozen=True, slots=True)
class Seen:
    """Answered ``questions`` with the difference ``gap``, from 0 to 1, and the ``variance`` of one
    question's difference. ``changed``: answers of pairs that differ; None for other methods."""

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
    sides are equally accurate. ``z``: quantile of the interval with all questions."""
    if seen.changed is not None and more * seen.rate < _FEW:
        return _of_few(goal, seen, more, margin, z)
    total = seen.questions + more
    middle = seen.questions * seen.gap / total
    spread = sqrt(seen.variance * more) / total
    least = _least(seen, more, margin, z)
    power = NORMAL.cdf((middle - least) / spread)
    return power if goal == "at_least" else max(0.0, power - NORMAL.cdf((middle + least) / spread))


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
    ``MOST_QUESTIONS``. ``z_of``: quantile of the interval by the number of all questions, because
    another look needs a wider one."""

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
    return questions_paired(goal, 2 * _spread(accuracy), margin, z)


def questions_paired(
    goal: Goal, changed: float = USUAL_CHANGED, margin: float = MARGIN, z: float = Z
) -> int:
    """Return questions that both sides answer to show the goal with a power of 80 %, if both are
    equally accurate. ``changed``: share of the answers that differs, the variance of a question.

    Chow, Shao and Wang 2008, Sample Size Calculations in Clinical Research, 3.2: of two tests at
    once, each may lose half of what the power leaves.
    """
    power = POWER if goal == "at_least" else (1 + POWER) / 2
    return ceil(changed * ((z + NORMAL.inv_cdf(power)) / margin) ** 2)


def _spread(accuracy: float) -> float:
    """Variance of one answer; at 0 and 1 that of the nearest share of ten thousand answers."""
    share = min(0.9999, max(0.0001, accuracy))
    return share * (1 - share)


Scores = Mapping[object, Sequence[float]]  # question -> scores of its answers, from 0 to 1
# Formula of a difference: see the functions.
Method = Literal["paired", "clustered", "unpaired"]
Cells = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Accuracy of both sides on one data set.

    ``cells``: questions correct in both, only in the first, only in the second, in neither; None
    without one answer a question on both sides. ``gaps``: difference of each question's mean score,
    None for different questions. ``printed``: shares as a table has them, rounded, which give
    ``gap``. ``is_share``: scores are 0 or 1. ``name`` is "" for counts without one.
    """

    name: str
    group: str
    first: Share
    second: Share
    cells: Cells | None = None
    gaps: Sequence[float] | None = None
    printed: tuple[float, float] | None = None
    is_share: bool = True

    @property
    def gap(self) -> float:
        if self.printed:
            return self.printed[1] - self.printed[0]
        return self.second.value - self.first.value


@dataclass(frozen=True, slots=True)
class Difference:
    """Accuracy of the second side minus that of the first, over all sets, with its interval.
    ``variance``: of one question's difference. ``cells``: those of all sets; None for other methods
    than "paired"."""

    interval: Interval
    method: Method
    variance: float
    cells: Cells | None = None


def difference_of(evidence: Sequence[Evidence], z: float = Z) -> Difference:
    each = [one.cells for one in evidence if one.cells is not None]
    if len(each) == len(evidence):
        both, lost, gained, neither = map(sum, zip(*each, strict=True))
        cells = both, lost, gained, neither
        variance = paired_variance(lost, gained, sum(cells))
        return Difference(paired_difference(*cells, z), "paired", variance, cells)
    gaps = [gap for one in evidence if one.gaps is not None for gap in one.gaps]
    if all(one.gaps is not None for one in evidence):
        interval = mean_of_differences(gaps, z)
        squares = fsum((gap - interval.value) ** 2 for gap in gaps)
        spread = max(_FINE, squares / max(1, len(gaps) - 1))
        return Difference(interval, "clustered", spread)
    firsts, seconds = [one.first for one in evidence], [one.second for one in evidence]
    total = min(sum(one.total for one in firsts), sum(one.total for one in seconds))
    variance = total * sum(
        weight**2 * (a.variance / a.total + b.variance / b.total)
        for weight, a, b in zip(weights_of(firsts, seconds), firsts, seconds, strict=True)
    )
    return Difference(pooled_difference(firsts, seconds, z), "unpaired", variance)


def gap_of_same(first: Scores, second: Scores) -> Interval | None:
    """Return the difference of two sides with the same questions; None for others, or none."""
    if not first or first.keys() != second.keys():
        return None
    return difference_of([from_scores("", "", first, second)]).interval


def from_scores(name: str, group: str, first: Scores, second: Scores) -> Evidence:
    """Return the evidence of the common questions; there is at least one."""
    common = [key for key in first if key in second]
    sides = [[first[key] for key in common], [second[key] for key in common]]
    means = [[fmean(scores) for scores in side] for side in sides]
    return Evidence(
        *(name, group, share_of(sides[0]), share_of(sides[1])),
        cells=cells_of(*sides),
        gaps=[after - before for before, after in zip(*means, strict=True)],
        is_share=all(score in (0, 1) for side in sides for scores in side for score in scores),
    )
