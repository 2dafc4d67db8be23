"""Shared parts of the rows: goals, figures, interleaved rounds, time of a process."""

import math
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table, and one object of ``--json``."""

    name: str
    measured: float
    limit: float | None
    ratio: float | None
    goal: str
    met: bool
    unit: str

    def to_json(self) -> dict[str, Any]:
        """As ``--json`` prints it, to four digits."""
        return {
            name: float(f"{value:.4g}") if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure of a row, and its bound.

    ``of`` is what ``bound`` is held against: "measured", "ratio" (measured / limit) or "added"
    (measured - limit). ``at_least``: more is better.
    """

    name: str
    unit: str
    bound: float
    of: str = "measured"
    at_least: bool = False

    @property
    def text(self) -> str:
        """The goal as it is printed: "ratio ≥ 0.9", "≤ 2 ms"."""
        sign = "≥" if self.at_least else "≤"
        if self.of == "ratio":
            return f"ratio {sign} {self.bound:g}"
        return f"{'added ' * (self.of == 'added')}{sign} {self.bound:g} {self.unit}".strip()

    def figure(self, row: str, measured: float, limit: float | None = None) -> Figure:
        ratio = None if not limit else measured / limit
        held = {"measured": measured, "ratio": ratio, "added": measured - (limit or 0.0)}[self.of]
        if held is None:
            raise ValueError(f"{row}.{self.name} has a goal for its ratio, and no limit")
        met = held >= self.bound if self.at_least else held <= self.bound
        name = f"{row}.{self.name}"
        return Figure(name, measured, limit, ratio, self.text, met, self.unit)


# Goal's name -> measured, or (measured, limit) where there is something beside it.
Readings = Mapping[str, float | tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Bench:
    """Arguments of a row: a folder of its own; ``quick``: a check without reliable figures;
    ``share`` of the amount that the row names as growing, 0 to 1."""

    folder: Path
    quick: bool
    share: float = 1.0

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def amount(self, full: int, quick: int) -> int:
        """The size that grows: ``make bench ARGS=growth`` measures a tenth of it, too."""
        return max(1, round(self.size(full, quick) * self.share))


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. ``limit_s`` bounds its time, the start of what it needs included.
    ``grows`` names its :meth:`Bench.amount`; "": it has none."""

    name: str
    what: str
    goals: tuple[Goal, ...]
    limit_s: int
    grows: str
    measure: Callable[[Bench], Readings]

    def figures(self, bench: Bench) -> list[Figure]:
        values = self.measure(bench)
        readings = [values[goal.name] for goal in self.goals]
        return [
            goal.figure(self.name, *(each if isinstance(each, tuple) else (each,)))
            for goal, each in zip(self.goals, readings, strict=True)
        ]


def row(
    name: str, what: str, *goals: Goal, limit_s: int, grows: str = ""
) -> Callable[[Callable[[Bench], Readings]], Row]:
    """Make a row of a function that measures each of ``goals``."""
    return lambda measure: Row(name, what, goals, limit_s, grows, measure)


def exponent(tenth: float, full: float) -> float | None:
    """Return e of "a figure grows as its size to the e": 0 stays, 1 is linear. None: a figure is
    zero."""
    return math.log10(full / tenth) if tenth > 0 and full > 0 else None


Medians = dict[str, float]


def interleaved(rounds: int, **ways: Callable[[], Mapping[str, float]]) -> dict[str, Medians]:
    """Run each way once a round, the order turned round each time, and take medians.

    What the machine does beside it hits all ways alike, and no way is always the second.
    """
    by_name: dict[str, list[Mapping[str, float]]] = {name: [] for name in ways}
    for number in range(rounds):
        names = list(ways)
        for name in names if number % 2 == 0 else reversed(names):
            by_name[name].append(ways[name]())
    return {name: medians(samples) for name, samples in by_name.items()}


def medians(samples: Sequence[Mapping[str, float]]) -> Medians:
    """The median of each figure over all samples."""
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def cpu_s(*pids: int, with_ended: bool = False) -> float:
    """Seconds of CPU that these processes have used so far, all their threads together.

    ``with_ended``: also those of their children that have ended.
    """
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11 : 15 if with_ended else 13]))
    return ticks / _TICKS_S


def own_mb(pid: int) -> float:
    """MB of memory that a process shares with no other."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024 / 1e6
