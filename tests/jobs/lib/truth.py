"""Simulated evaluations with a known difference: how often statements about them are true.

Counts are drawn from exact binomial distributions, with a fixed seed. ``tests.coverage`` has the
table of many accuracies and sizes.
"""

from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import exp, lgamma, log, log1p, sqrt
from random import Random

from jobs.statistics import (
    Goal,
    Interval,
    Share,
    difference,
    joined,
    mean_of_differences,
    paired_difference,
    pooled_difference,
    share_of,
    wilson,
)
from jobs.statistics.paired import Decision, decision, monitored_z

SEED = 15


@dataclass(frozen=True)
class Truth:
    """Shares of simulated evaluations. ``said``: of each decision."""

    covered: float
    said: Counter[Decision]

    def wrong(self, gap: float, margin: float) -> float:
        """Return the share of evaluations with a false decision."""
        return sum(
            share
            for word, share in self.said.items()
            if (word == "equivalent" and abs(gap) >= margin)
            or (word == "not_worse" and gap <= -margin)
            or (word == "better" and gap <= 0)
            or (word == "worse" and gap >= 0)
        )


@cache
def chances(total: int, share: float) -> Sequence[tuple[int, float]]:
    """Return binomial counts with their probabilities; the rest is rarer than 1e-11."""
    if share <= 0 or share >= 1:
        return [(total if share >= 1 else 0, 1.0)]
    ways, right, wrong = lgamma(total + 1), log(share), log1p(-share)
    middle, far = total * share, 7 * sqrt(total * share * (1 - share)) + 3
    return [
        (n, exp(ways - lgamma(n + 1) - lgamma(total - n + 1) + n * right + (total - n) * wrong))
        for n in range(max(0, int(middle - far)), min(total, int(middle + far)) + 1)
    ]


@cache
def _cumulative(total: int, share: float) -> tuple[int, list[float]]:
    """Return the distribution of a binomial count, from the first count that may occur."""
    each = chances(total, share)
    return each[0][0], list(accumulate(chance for _, chance in each))


def binomial(draw: Random, total: int, share: float) -> int:
    """Return a count of ``total``, each with the probability ``share``."""
    first, below = _cumulative(total, share)
    return min(total, first + bisect(below, draw.random()))


def simulate(
    one: Callable[[Random], Interval],
    gap: float,
    margin: float,
    runs: int,
    goal: Goal = "same",
) -> Truth:
    """Return what ``runs`` intervals of a true difference ``gap`` say."""
    draw = Random(SEED)
    covered, said = 0, Counter[Decision]()
    for _ in range(runs):
        interval = one(draw)
        covered += interval.low <= gap <= interval.high
        said[decision(interval, margin, goal)] += 1
    return Truth(covered / runs, Counter({word: n / runs for word, n in said.items()}))


def unpaired(share: float, gap: float, total: int) -> Callable[[Random], Interval]:
    """Return evaluations on different questions."""
    known = cache(lambda a, b: difference(wilson(b, total), wilson(a, total)))
    return lambda draw: known(binomial(draw, total, share), binomial(draw, total, share + gap))


def paired(share: float, gap: float, changed: float, total: int) -> Callable[[Random], Interval]:
    """Return evaluations on the same questions, ``changed`` of them with another verdict."""
    known = cache(paired_difference)
    return lambda draw: known(*_cells(draw, share, gap, changed, total))


def _cells(
    draw: Random, share: float, gap: float, changed: float, total: int
) -> tuple[int, int, int, int]:
    """Return questions that both have right, that were lost, gained, and that none has."""
    flips = binomial(draw, total, changed)
    gained = binomial(draw, flips, (changed + gap) / (2 * changed))
    # Both correct: all questions that the first has right and keeps.
    kept = (share - (changed - gap) / 2) / (1 - changed)
    both = binomial(draw, total - flips, kept)
    return both, flips - gained, gained, total - flips - both


def paired_in_sets(
    sets: Sequence[tuple[float, float, float, int]],
) -> tuple[Callable[[Random], Interval], float]:
    """Return evaluations on the same questions of several sets, and their true difference. A set:
    accuracy, difference, changed answers, questions."""
    total = sum(size for *_, size in sets)

    def one(draw: Random) -> Interval:
        cells = [_cells(draw, *each) for each in sets]
        return paired_difference(*map(sum, zip(*cells, strict=True)))

    return one, sum(gap * size for _share, gap, _changed, size in sets) / total


def in_sets(sets: Sequence[tuple[float, int]], gap: float) -> Callable[[Random], Interval]:
    """Return pooled evaluations of (accuracy, questions)."""

    def one(draw: Random) -> Interval:
        first = [Share(binomial(draw, n, share), n) for share, n in sets]
        second = [Share(binomial(draw, n, share + gap), n) for share, n in sets]
        return pooled_difference(first, second)

    return one


@dataclass(frozen=True)
class Change:
    """Change of the second side: each question by ``shift``, and shares of the questions that are
    ``lost`` or ``gained`` as a whole, from 98 to 2 % correct or back."""

    shift: float = 0.0
    lost: float = 0.0
    gained: float = 0.0


_ALMOST = 0.98


def gaps(samples: int, spread: Sequence[float], change: Change) -> dict[float, float]:
    """Return the differences of a question with their probabilities. Both sides have several
    samples of it; its difficulty is one of ``spread``."""
    usual = (1 - change.lost - change.gained) / len(spread)
    kinds = [(usual, one, min(1.0, max(0.0, one + change.shift))) for one in spread]
    kinds += [(change.lost, _ALMOST, 1 - _ALMOST), (change.gained, 1 - _ALMOST, _ALMOST)]
    found: dict[float, float] = defaultdict(float)
    for weight, first, second in kinds:
        for before, chance in chances(samples, first):
            for after, more in chances(samples, second):
                found[(after - before) / samples] += weight * chance * more
    return dict(found)


def drawn(population: Mapping[float, float], total: int) -> Callable[[Random], Interval]:
    """Return evaluations of questions whose differences have these probabilities."""
    values, below = list(population), list(accumulate(population.values()))
    return lambda draw: mean_of_differences(draw.choices(values, cum_weights=below, k=total))


def clustered(
    samples: int, sets: Sequence[tuple[int, Sequence[float]]]
) -> Callable[[Random], Interval]:
    """Return accuracies over sets of questions with several samples; a set has so many questions,
    each with one of these accuracies."""

    def one(draw: Random) -> Interval:
        shares = []
        for total, spread in sets:
            rights = [binomial(draw, samples, draw.choice(spread)) for _ in range(total)]
            scores = [[1.0] * right + [0.0] * (samples - right) for right in rights]
            shares.append(share_of(scores))
        return joined(shares).interval()

    return one


def extended(
    share: float, gap: float, changed: float, sizes: Sequence[int], zs: Sequence[float]
) -> Callable[[Random], Iterator[Interval]]:
    """Return the intervals of looks at ``sizes`` questions, with the quantiles ``zs``."""
    known = cache(paired_difference)

    def one(draw: Random) -> Iterator[Interval]:
        sums: tuple[int, ...] = (0, 0, 0, 0)
        for size, z in zip(sizes, zs, strict=True):
            more = _cells(draw, share, gap, changed, size - sum(sums))
            sums = tuple(map(sum, zip(sums, more, strict=True)))
            yield known(*sums, z)

    return one


def monitored(
    share: float, gap: float, changed: float, planned: int, looks: int, margin: float
) -> Callable[[Random], Interval]:
    """Return evaluations that stop at the first decision, of ``looks`` at equal distances.

    The interval returned is that of the stop; its coverage is of all looks up to it.
    """
    sizes = [planned // looks * look for look in range(1, looks + 1)]
    run = extended(share, gap, changed, sizes, [monitored_z(size, planned) for size in sizes])

    def one(draw: Random) -> Interval:
        for interval in run(draw):
            missed = not interval.low <= gap <= interval.high
            if missed or decision(interval, margin, "same") != "cannot_tell":
                break
        return interval

    return one


def rounded(interval: Interval, digits: int = 4) -> tuple[float, ...]:
    """Value and bounds of an interval."""
    return tuple(round(v, digits) for v in (interval.value, interval.low, interval.high))
