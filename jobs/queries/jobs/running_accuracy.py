"""How an evaluation stands while it runs: accuracy with its interval, pace, what is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jobs.models import Job
from jobs.plans import ACCURACY, LONGEST_PART
from jobs.queries.statistics import Interval, wilson


@dataclass(frozen=True, slots=True)
class Standing:
    """One data set, or all of them under the name "".

    ``total`` is 0 where nobody knows it yet. ``accuracy`` is the share right of the ``scored``,
    None before the first. ``left_s``: until all is asked, None without a pace or a total.
    ``is_partial``: sets are asked one after the other, and not all have begun, so that the interval
    of ``accuracy`` is that of the sets asked so far and says nothing of the whole.
    """

    name: str
    answered: int
    total: int
    scored: int
    right: float
    cut: int
    errors: int
    accuracy: Interval | None
    per_minute: float | None
    left_s: float | None
    is_partial: bool = False

    @property
    def title(self) -> str:
        """The name without the benchmark that a part belongs to."""
        return self.name.rpartition("/")[2]

    @property
    def asked(self) -> int:
        """Questions that came to an end, with an answer or without."""
        return self.answered + self.errors

    @property
    def is_done(self) -> bool:
        """True when nothing is left to ask or to score; False where the total is not known."""
        return 0 < self.total <= self.asked and self.scored >= self.answered

    @property
    def waits_for_scores(self) -> bool:
        """True where answers are there and no score of any is."""
        return self.answered > 0 and self.scored == 0


@dataclass(frozen=True, slots=True)
class Standings:
    """All of a run, in the order of the plan."""

    whole: Standing
    sets: tuple[Standing, ...]
    begun_at: float | None = None  # when the last set began (seconds, the host's clock)

    @property
    def scored_sets(self) -> int:
        """How many sets were asked and scored whole."""
        return sum(one.is_done for one in self.sets)


def standings(job: Job) -> Standings | None:
    """How the job's evaluation stands; None for a job that is none, or that tells nothing."""
    expected = _expected(job.plan)
    if expected is None:
        return None
    known: Mapping[str, Any] = job.scores or {}
    names = list(dict.fromkeys([*expected, *sorted(known, key=lambda name: _since(known, name))]))
    sets = [_standing(name, known.get(name), expected.get(name, 0)) for name in names if name]
    total = sum(one.total for one in sets) if all(one.total for one in sets) else 0
    has_begun = all(one.asked for one in sets)
    whole = replace(_standing("", known.get(""), total), is_partial=not has_begun)
    starts = [_since(known, one.name)[0] for one in sets] if has_begun else []
    return Standings(whole, tuple(sets), max(starts, default=None))


def whole_standing(job: Job) -> Standing | None:
    """All sets together; None before the first question was asked."""
    if not (job.scores or {}).get(""):  # lists read the plan of an evaluation that runs alone
        return None
    found = standings(job)
    return found.whole if found and found.whole.asked else None


def _expected(plan: Mapping[str, Any]) -> dict[str, int] | None:
    """The parts of the plan's watch of accuracy, with their sizes; None where it has none."""
    for watch in plan.get("watches", ()):
        if watch.get("name") == ACCURACY:
            return {str(name)[:LONGEST_PART]: int(size) for name, size in watch.get("expected", ())}
    return None


def _since(known: Mapping[str, Any], name: str) -> tuple[float, str]:
    return float(known[name].get("since", 0.0)), name


def _standing(name: str, counts: Mapping[str, Any] | None, total: int) -> Standing:
    found = counts or {}
    answered, scored = int(found.get("answered", 0)), int(found.get("scored", 0))
    right, whole = float(found.get("right", 0.0)), int(found.get("total", 0)) or total
    errors = int(found.get("errors", 0))
    span = found.get("at", 0.0) - found.get("since", 0.0)
    grown = answered + errors - found.get("base", 0)
    pace = grown / span if span > 0 and grown > 0 else None
    left = max(0, whole - answered - errors) if whole else None
    return Standing(
        name=name,
        answered=answered,
        total=whole,
        scored=scored,
        right=right,
        cut=int(found.get("cut", 0)),
        errors=errors,
        accuracy=wilson(right, scored) if scored else None,
        per_minute=None if pace is None else 60 * pace,
        left_s=None if pace is None or left is None else left / pace,
    )
