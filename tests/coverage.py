"""Coverage of intervals, and errors of verdicts: ``python -m tests.coverage``.

Paired differences are computed: all counts of changed answers with their probabilities, so the
figures are exact. Clusters, sets, other questions and repeated looks are simulated with a fixed
seed. Prints tables in Markdown, those of docs/coverage.md; the exit code is 1 if a bound is broken.
``--quick``: a part, in seconds.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import copysign, exp, inf, lgamma, log, log1p, sqrt
from random import Random

from jobs.statistics import Interval, Z
from jobs.statistics.paired import decision, extended_z
from tests.jobs.lib import truth

QUESTIONS = (30, 60, 142, 198, 240, 500, 1135, 5000)
ACCURACIES = (0.1, 0.25, 0.46, 0.5, 0.75, 0.9, 0.98)
CHANGED = (0.0, 0.01, 0.05, 0.2)  # share of answers, beyond what the difference itself needs
MARGINS = (0.005, 0.01, 0.02, 0.05)  # also the true difference
MOST_WRONG, LEAST_COVERED, MOST_COVERED = 0.05, 0.93, 0.97
ENOUGH_CHANGES = 20  # expected; with fewer, an interval may cover more often
RUNS, QUICK_RUNS = 20_000, 1_000


@dataclass(frozen=True, slots=True)
class Cell:
    """Exact shares of evaluations with a true difference of ``-margin``."""

    questions: int
    changed: float
    margin: float
    covered: float
    equivalent: float
    not_worse: float

    @property
    def changes(self) -> float:
        return self.questions * (self.margin + self.changed)

    @property
    def holds(self) -> bool:
        most = MOST_COVERED if self.changes >= ENOUGH_CHANGES else 1.0
        is_covered = LEAST_COVERED <= self.covered <= most
        return is_covered and max(self.equivalent, self.not_worse) <= MOST_WRONG


def cell(questions: int, changed: float, margin: float) -> Cell:
    lost, gained = margin + changed / 2, changed / 2
    covered = equivalent = not_worse = 0.0
    for first, chance in binomial(questions, lost):
        for second, more in binomial(questions - first, gained / (1 - lost)):
            weight = chance * more
            if weight < 1e-13:
                continue
            at = [score(questions, first, second, gap) for gap in (-margin, margin)]
            covered += weight * (abs(at[0]) <= Z)
            not_worse += weight * (at[0] > Z)
            equivalent += weight * (at[0] > Z and at[1] < -Z)
    return Cell(questions, changed, margin, covered, equivalent, not_worse)


def score(total: int, lost: int, gained: int, gap: float) -> float:
    """Return the distance of the observed from a true difference in standard errors.

    Written from Tango 1998 anew: the interval of the product is where it is 1.96.
    """
    linear = (2 * total + lost - gained) * gap - lost - gained
    constant = -lost * gap * (1 - gap)
    share = (sqrt(max(0.0, linear**2 - 8 * total * constant)) - linear) / (4 * total)
    variance = total * (2 * share + gap * (1 - gap))
    observed = gained - lost - total * gap
    return observed / sqrt(variance) if variance > 0 else copysign(inf, observed)


@cache
def binomial(total: int, share: float) -> Sequence[tuple[int, float]]:
    """Return counts with their probabilities; the rest is rarer than 1e-12."""
    if share <= 0:
        return [(0, 1.0)]
    middle, far = total * share, 7.5 * sqrt(total * share * (1 - share)) + 3
    counts = range(max(0, int(middle - far)), min(total, int(middle + far) + 1) + 1)
    return [
        (
            n,
            exp(
                lgamma(total + 1)
                - lgamma(n + 1)
                - lgamma(total - n + 1)
                + n * log(share)
                + (total - n) * log1p(-share)
            ),
        )
        for n in counts
    ]


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


@dataclass(frozen=True, slots=True)
class Simulated:
    """Share of simulated evaluations; ``least`` and ``most`` are its bounds."""

    name: str
    share: float
    runs: int
    least: float
    most: float

    @property
    def holds(self) -> bool:
        """Return True within the bounds, three standard errors of the simulation apart."""
        error = 3 * sqrt(max(self.share * (1 - self.share), 0.01) / self.runs)
        return self.least - error <= self.share <= self.most + error


# Accuracies of single questions: as of a mixed set, of one that is right or wrong as a whole, of an
# easy and of a hard set.
SPREADS = {
    "mixed": (0.1, 0.5, 0.8, 0.95),
    "U-shaped": (0.0, 0.02, 0.1, 0.5, 0.9, 0.98, 1.0),
    "easy": (0.4, 0.9, 0.98, 1.0, 1.0, 1.0),
    "hard": (0.0, 0.0, 0.02, 0.1, 0.3, 0.8),
    "always or never": (0.0, 1.0, 1.0),
}
SIZES = ((30, 64), (30, 4), (142, 4))
# Accuracy, difference, changed answers, number of questions.
PAIRED_SETS = {
    "equal differences": [(0.6, -0.01, 0.1, 198), (0.9, -0.01, 0.04, 1000)],
    "opposed differences": [(0.5, -0.1, 0.2, 198), (0.9, 0.02, 0.04, 1000)],
}
SETS = [(0.6, 198), (0.9, 500), (0.95, 1135)]


def simulated(runs: int, sizes: Sequence[tuple[int, int]]) -> Iterator[Simulated]:
    """Yield the simulated shares: coverage of clusters and sets, errors of repeated looks."""
    for total, samples in sizes:
        for name, spread in SPREADS.items():
            middle = sum(spread) / len(spread)
            title = f"{total} × {samples}, {name}"
            one = truth.clustered(total, samples, spread)
            yield _covered(f"accuracy, {title}", one, middle, runs, most=1.0)
            for gap in (-0.01, -0.05):
                shift = sum(truth.moved(p, gap) - p for p in spread) / len(spread)
                one = truth.sampled(total, samples, gap, spread)
                title_of = f"difference {100 * gap:+.0f}, {title}"
                yield _covered(title_of, one, shift, runs, most=1.0)
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
    return Simulated(f"covered: {name}", covered, runs, LEAST_COVERED, most)


def _looks(runs: int) -> Iterator[Simulated]:
    """Yield the errors of an early stop with ten looks, and of extensions."""
    fewer = max(300, runs // 10)
    for name, one, gap, margin in (
        ("90 %, 14,000", truth.monitored(0.9, -0.01, 0.05, 14_000, 10, 0.01), -0.01, 0.01),
        ("50 %, 140", truth.monitored(0.5, -0.05, 0.06, 140, 10, 0.05), -0.05, 0.05),
    ):
        wrong = truth.simulate(one, gap, margin, fewer).wrong(gap, margin)
        yield Simulated(f"wrong: early stop, ten looks, {name}", wrong, fewer, 0.0, MOST_WRONG)
    for sizes in ((500, 1000), (500, 1000, 2000), (198, 250, 300, 400, 600)):
        zs = [extended_z(look) for look in range(1, len(sizes) + 1)]
        looks = "looks at " + ", ".join(map(str, sizes))
        for word, gap, margin in (("better", 0.0, 0.02), ("equivalent", -0.05, 0.05)):
            one_of = truth.extended(0.6, gap, 0.1, sizes, zs)
            said = _ever_said(one_of, margin, fewer)
            yield Simulated(f"wrong: {word}, {looks}", said[word], fewer, 0.0, MOST_WRONG)


def _ever_said(
    one: Callable[[Random], Iterable[Interval]], margin: float, runs: int
) -> Counter[str]:
    """Return the shares of the first verdict; nobody extends a decided comparison."""
    draw, said = Random(truth.SEED), Counter[str]()
    for _ in range(runs):
        words = [decision(interval, margin, "same") for interval in one(draw)]
        said[next((word for word in words if word != "cannot_tell"), "cannot_tell")] += 1
    return Counter({word: count / runs for word, count in said.items()})


def main(arguments: Sequence[str]) -> int:
    """Print the tables; return 1 if a bound is broken."""
    is_quick = "--quick" in arguments
    sizes = QUESTIONS[:-2] if is_quick else QUESTIONS
    cells = [
        cell(questions, changed, margin)
        for questions in sizes
        for changed in CHANGED
        for margin in MARGINS
    ]
    print("\n".join(_grid(cells)))
    print("\n".join(_list_impossible()))
    others = []
    print("\n| simulated | share |\n| -- | --: |")
    for one in simulated(*((QUICK_RUNS, SIZES[:1]) if is_quick else (RUNS, SIZES))):
        others.append(one)
        print(f"| {one.name} | {one.share:.3f}{'' if one.holds else ' (!)'} |", flush=True)
    return 0 if all(one.holds for one in [*cells, *others]) else 1


def _grid(cells: Sequence[Cell]) -> list[str]:
    lines = [
        "| questions | changed | " + " | ".join(f"±{100 * m:g}" for m in MARGINS) + " |",
        "| --: | --: |" + " --: |" * len(MARGINS),
    ]
    for start in range(0, len(cells), len(MARGINS)):
        row = cells[start : start + len(MARGINS)]
        shown = [
            f"{100 * one.covered:.1f} / {100 * one.equivalent:.1f} / {100 * one.not_worse:.1f}"
            + ("" if one.holds else " (!)")
            for one in row
        ]
        lines.append(f"| {row[0].questions} | {row[0].changed:.0%} | {' | '.join(shown)} |")
    return lines


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
