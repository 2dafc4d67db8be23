"""Coverage of intervals, and errors of verdicts: ``python -m tests.coverage``.

Paired differences are computed: all counts of changed answers with their probabilities, so the
figures are exact. Clusters, sets, other questions and repeated looks are simulated with a fixed
seed. Prints tables in Markdown, those of docs/coverage.md; the exit code is 1 if a bound is broken.
``--quick``: a part, in seconds.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from jobs.statistics import Interval, paired_difference
from jobs.statistics.paired import BOUNDARY, decision, extended_z, monitored_z
from tests.jobs.lib import truth
from tests.jobs.lib.truth import Change

QUESTIONS = (30, 60, 142, 198, 240, 500, 1135, 5000)
ACCURACIES = (0.1, 0.25, 0.46, 0.5, 0.75, 0.9, 0.98)
CHANGED = (0.0, 0.01, 0.05, 0.2)  # share of answers, beyond what the difference itself needs
MARGINS = (0.005, 0.01, 0.02, 0.05)  # also the true difference
MOST_WRONG, LEAST_COVERED, MOST_COVERED = 0.05, 0.93, 0.97
MOST_DIFFERENT = 2 * MOST_WRONG  # better or worse, of equal models at several looks
ENOUGH_CHANGES = 20  # expected; with fewer, an interval may cover more often
RUNS, CLUSTER_RUNS, QUICK_RUNS = 20_000, 4_000, 1_000
QUICK_MOST = 8  # changed answers expected: the sum of more takes minutes
RAREST = 1e-10  # probability of counts that the sum leaves out
LOOKS = ((500, 1000), (500, 1000, 2000), (198, 250, 300, 400, 600))


@dataclass(frozen=True, slots=True)
class Cell:
    """Shares of evaluations with a true difference of exactly one margin. ``changes``: expected
    changed answers; of clusters, squared differences: half a question is a quarter of one."""

    changes: float
    covered: float
    equivalent: float
    not_worse: float

    @property
    def holds(self) -> bool:
        most = MOST_COVERED if self.changes >= ENOUGH_CHANGES else 1.0
        is_covered = LEAST_COVERED <= self.covered <= most
        return is_covered and max(self.equivalent, self.not_worse) <= MOST_WRONG

    def __str__(self) -> str:
        shares = (self.covered, self.equivalent, self.not_worse)
        return " / ".join(f"{100 * one:.1f}" for one in shares) + ("" if self.holds else " (!)")


def of_intervals(each: Iterable[tuple[Interval, float]], gap: float, changes: float) -> Cell:
    """Return the shares of intervals with their weights."""
    margin = abs(gap)
    covered = equivalent = not_worse = 0.0
    for interval, weight in each:
        covered += weight * (interval.low <= gap <= interval.high)
        if gap < 0:
            is_said = decision(interval, margin, "at_least") in ("better", "not_worse")
            not_worse += weight * is_said
        equivalent += weight * (decision(interval, margin, "same") == "equivalent")
    return Cell(changes, covered, equivalent, not_worse)


def cell(questions: int, changed: float, margin: float) -> Cell:
    lost, gained = margin + changed / 2, changed / 2
    counts = (
        (difference(questions, first, second), chance * more)
        for first, chance in truth.chances(questions, lost)
        for second, more in truth.chances(questions - first, gained / (1 - lost))
        if chance * more > RAREST
    )
    return of_intervals(counts, -margin, questions * (margin + changed))


@cache
def difference(questions: int, lost: int, gained: int) -> Interval:
    return paired_difference(questions - lost - gained, lost, gained, 0)


def impossible() -> list[tuple[float, float, float]]:
    """Return accuracies of the baseline, changed answers and margins that cannot be together: it
    has fewer correct answers than are lost, or fewer incorrect ones than are fixed."""
    return [
        (accuracy, changed, margin)
        for accuracy in ACCURACIES
        for changed in CHANGED
        for margin in MARGINS
        if max(margin + changed / 2 - accuracy, changed / 2 - (1 - accuracy)) > 1e-9
    ]


# Accuracies of single questions: as of a mixed set, of one that is right or wrong as a whole, of an
# easy and of a hard set.
SPREADS = {
    "mixed": (0.1, 0.5, 0.8, 0.95),
    "U-shaped": (0.0, 0.02, 0.1, 0.5, 0.9, 0.98, 1.0),
    "easy": (0.4, 0.9, 0.98, 1.0, 1.0, 1.0),
    "hard": (0.0, 0.0, 0.02, 0.1, 0.3, 0.8),
    "always or never": (0.0, 1.0, 1.0),
    "19 of 20 easy": (0.98,) * 19 + (0.02,),
}
CHANGES = {
    "each -1": Change(shift=-0.01),
    "each -5": Change(shift=-0.05),
    "2 % lost": Change(lost=0.02),
    "5 % lost": Change(lost=0.05),
    "10 % lost, 5 % gained": Change(lost=0.1, gained=0.05),
    "3 % lost, others -2": Change(shift=-0.02, lost=0.03),
}
SIZES = ((30, 64), (30, 4), (142, 4), (1000, 4))
# Differences of questions with scores from 0 to 1: value -> probability.
SCORES = {
    "small": {-0.2: 0.2, -0.1: 0.2, 0.0: 0.3, 0.1: 0.2, 0.2: 0.1},
    "rare, large": {-0.7: 0.08, -0.1: 0.1, 0.0: 0.7, 0.1: 0.1, 0.7: 0.02},
    "rare, one-sided": {-0.6: 0.1, 0.0: 0.9},
    "rare, whole": {-1.0: 0.04, -0.1: 0.2, 0.0: 0.56, 0.1: 0.2},
}
SCORED = (30, 60, 142, 1000)
# Accuracy, difference, changed answers, number of questions.
PAIRED_SETS = {
    "equal differences": [(0.6, -0.01, 0.1, 198), (0.9, -0.01, 0.04, 1000)],
    "opposed differences": [(0.5, -0.1, 0.2, 198), (0.9, 0.02, 0.04, 1000)],
}
SETS_OF_SAMPLES = {
    "30 mixed + 198 easy": [(30, "mixed"), (198, "easy")],
    "100 mixed + 100 always or never": [(100, "mixed"), (100, "always or never")],
}
SETS = [(0.6, 198), (0.9, 500), (0.95, 1135)]


def cluster_cell(population: Mapping[float, float], total: int, runs: int) -> Cell:
    """Return the simulated shares of questions whose differences have these probabilities."""
    one, draw = truth.drawn(population, total), Random(truth.SEED)
    gap = sum(value * chance for value, chance in population.items())
    squares = sum(value * value * chance for value, chance in population.items())
    return of_intervals(((one(draw), 1 / runs) for _ in range(runs)), gap, total * squares)


Row = tuple[str, list[Cell]]


def cluster_rows(runs: int) -> Iterator[Row]:
    for spread, accuracies in SPREADS.items():
        for change, changed in CHANGES.items():
            each = [truth.gaps(samples, accuracies, changed) for _, samples in SIZES]
            sizes = [total for total, _ in SIZES]
            cells = [cluster_cell(one, n, runs) for one, n in zip(each, sizes, strict=True)]
            yield f"{spread} | {change}", cells


def score_rows(runs: int) -> Iterator[Row]:
    for name, population in SCORES.items():
        yield name, [cluster_cell(population, total, runs) for total in SCORED]


def quick_rows(runs: int) -> Iterator[Row]:
    """Yield few cells of many runs: a bound that is broken in the tables is broken here."""
    for total, samples, spread, change in (
        (30, 64, "mixed", "5 % lost"),
        (30, 64, "always or never", "2 % lost"),
        (30, 64, "easy", "3 % lost, others -2"),
        (30, 4, "easy", "10 % lost, 5 % gained"),
        (142, 4, "mixed", "each -5"),
    ):
        population = truth.gaps(samples, SPREADS[spread], CHANGES[change])
        yield f"{total} × {samples}, {spread}, {change}", [cluster_cell(population, total, runs)]
    population = SCORES["rare, large"]
    yield "rare, large scores, 30", [cluster_cell(population, 30, runs)]


@dataclass(frozen=True, slots=True)
class Simulated:
    """Share of simulated evaluations; ``least`` and ``most`` are its bounds. The seed is fixed, so
    the share is, too."""

    name: str
    share: float
    least: float
    most: float

    @property
    def holds(self) -> bool:
        return self.least <= self.share <= self.most


def simulated(runs: int, sizes: Sequence[tuple[int, int]]) -> Iterator[Simulated]:
    """Yield the simulated shares: coverage of accuracies and sets, errors of repeated looks."""
    for total, samples in sizes:
        for name, spread in SPREADS.items():
            correct = sum(one * one for one in spread) / len(spread)
            incorrect = sum((1 - one) ** 2 for one in spread) / len(spread)
            is_enough = total * min(correct, incorrect) >= ENOUGH_CHANGES
            one, middle = truth.clustered(samples, [(total, spread)]), sum(spread) / len(spread)
            title = f"accuracy, {total} × {samples}, {name}"
            most = MOST_COVERED if is_enough else 1.0
            yield _covered(title, one, middle, max(QUICK_RUNS, runs // 5), most)
    for name, sizes_of in SETS_OF_SAMPLES.items():
        sets = [(total, SPREADS[spread]) for total, spread in sizes_of]
        right = sum(total * sum(spread) / len(spread) for total, spread in sets)
        title, middle = f"accuracy, 4 samples, {name}", right / sum(total for total, _ in sets)
        yield _covered(title, truth.clustered(4, sets), middle, max(QUICK_RUNS, runs // 5))
    for share, gap, total in ((0.955, 0.0, 1135), (0.5, -0.01, 198), (0.8, -0.03, 500)):
        title = f"other questions, {share:.0%} {100 * gap:+.0f}, {total}"
        yield _covered(title, truth.unpaired(share, gap, total), gap, runs)
    for name, sets in PAIRED_SETS.items():
        one, gap = truth.paired_in_sets(sets)
        yield _covered(f"sets of the same questions, {name}", one, gap, runs)
    for gap in (0.0, 0.01):
        one = truth.in_sets(SETS, gap)
        yield _covered(f"three sets, other questions, {100 * gap:+.0f}", one, gap, runs)
    yield from _looks(runs)


def _covered(
    name: str, one: Callable[[Random], Interval], gap: float, runs: int, most: float = MOST_COVERED
) -> Simulated:
    covered = truth.simulate(one, gap, 0.01, runs).covered
    return Simulated(f"covered: {name}", covered, LEAST_COVERED, most)


def _looks(runs: int) -> Iterator[Simulated]:
    """Yield the errors of an early stop with ten looks, of extensions, and of both."""
    fewer = max(300, runs // 10)
    for name, one, gap, margin in (
        ("90 %, 14,000", truth.monitored(0.9, -0.01, 0.05, 14_000, 10, 0.01), -0.01, 0.01),
        ("50 %, 140", truth.monitored(0.5, -0.05, 0.06, 140, 10, 0.05), -0.05, 0.05),
    ):
        wrong = truth.simulate(one, gap, margin, fewer).wrong(gap, margin)
        yield Simulated(f"wrong: early stop, ten looks, {name}", wrong, 0.0, MOST_WRONG)
    stops = [50 * look for look in range(1, 11)]
    for title, sizes, zs in (
        *((", ".join(map(str, sizes)), sizes, extended(sizes)) for sizes in LOOKS),
        (
            "50, 100 … 500 (early stop), then 1000, 2000",
            [*stops, 1000, 2000],
            [*(monitored_z(size, 500) for size in stops), BOUNDARY, extended_z(3)],
        ),
    ):
        for word, gap, margin in (("better", 0.0, 0.02), ("equivalent", -0.05, 0.05)):
            said = _ever_said(truth.extended(0.6, gap, 0.1, sizes, zs), margin, fewer)
            yield Simulated(f"wrong: {word}, looks at {title}", said[word], 0.0, MOST_WRONG)
            if word == "better":
                both = said["better"] + said["worse"]
                yield Simulated(f"better or worse, looks at {title}", both, 0.0, MOST_DIFFERENT)


def extended(sizes: Sequence[int]) -> list[float]:
    return [extended_z(look) for look in range(1, len(sizes) + 1)]


def _ever_said(
    one: Callable[[Random], Iterable[Interval]], margin: float, runs: int
) -> Counter[str]:
    """Return the shares of the first verdict; nobody extends a decided comparison."""
    draw, said = Random(truth.SEED), Counter[str]()
    for _ in range(runs):
        words = (decision(interval, margin, "same") for interval in one(draw))
        said[next((word for word in words if word != "cannot_tell"), "cannot_tell")] += 1
    return Counter({word: count / runs for word, count in said.items()})


def main(arguments: Sequence[str]) -> int:
    """Print the tables; return 1 if a bound is broken."""
    is_quick = "--quick" in arguments
    margins = " | ".join(f"±{100 * m:g}" for m in MARGINS)
    rows = ((f"{n} | {c:.0%}", [cell(n, c, m) for m in MARGINS]) for n, c in _grid(is_quick))
    held = [_print(f"questions | changed | {margins}", rows)]
    print("\n".join(_list_impossible()))
    if is_quick:
        held.append(_print("clusters | -5 and less", quick_rows(CLUSTER_RUNS)))
    else:
        sizes = " | ".join(f"{total} × {samples}" for total, samples in SIZES)
        held.append(_print(f"accuracies | change | {sizes}", cluster_rows(CLUSTER_RUNS)))
        totals = " | ".join(map(str, SCORED))
        held.append(_print(f"scores | {totals}", score_rows(CLUSTER_RUNS)))
    print("\n| simulated | share |\n| -- | --: |")
    for one in simulated(*((QUICK_RUNS, SIZES[:1]) if is_quick else (RUNS, SIZES))):
        held.append(one.holds)
        print(f"| {one.name} | {one.share:.3f}{'' if one.holds else ' (!)'} |", flush=True)
    return 0 if all(held) else 1


def _grid(is_quick: bool) -> list[tuple[int, float]]:
    every = [(questions, changed) for questions in QUESTIONS for changed in CHANGED]
    return [one for one in every if one[0] * one[1] <= QUICK_MOST] if is_quick else every


def _print(head: str, rows: Iterable[Row]) -> bool:
    """Print a table; return True where all of it holds."""
    print(f"\n| {head} |\n|{' --: |' * (head.count('|') + 1)}")
    is_held = True
    for name, cells in rows:
        print(f"| {name} | {' | '.join(map(str, cells))} |", flush=True)
        is_held &= all(one.holds for one in cells)
    return is_held


def _list_impossible() -> list[str]:
    lines = ["", "| accuracy | changed | impossible margins |", "| --: | --: | -- |"]
    found: dict[tuple[float, float], list[str]] = {}
    for accuracy, changed, margin in impossible():
        found.setdefault((accuracy, changed), []).append(f"{100 * margin:g}")
    for (accuracy, changed), margins in found.items():
        lines.append(f"| {accuracy:.0%} | {changed:.0%} | {', '.join(margins)} |")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
