"""Parity of stored results: evidence, statement, other differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.models import Result
from jobs.queries.parity.sides import Notes, Side, evidence_of, side_of
from jobs.queries.parity.statement import Statement, state
from jobs.queries.parity.warnings import Unequal, unequal

MARGIN = 1.0  # points, unless the address has another
LEAST_MARGIN, MOST_MARGIN = 0.01, 50.0


@dataclass(frozen=True, slots=True)
class Parity:
    """``statement`` is None without a common data set. ``unequal``: None for tables and counts."""

    statement: Statement | None
    notes: Notes
    unequal: Unequal | None = None


def parity(
    base: Sequence[Result], result: Sequence[Result], margin: float, planned: int | None = None
) -> Parity:
    """Return the parity of two evaluations, or groups of their repeats; ``margin`` in points."""
    share = margin / 100
    planned = max((planned or 0, *map(planned_questions, (*base, *result)))) or None
    found = of_sides(side_of(base), side_of(result), margin, planned)
    return Parity(found.statement, found.notes, unequal(base, result, share))


def planned_questions(result: Result) -> int:
    """Return the planned questions of an evaluation that could stop early; 0 for others."""
    return int(result.metrics.get("planned_questions") or 0)


def of_sides(base: Side, result: Side, margin: float, planned: int | None = None) -> Parity:
    """Return the parity of two sides; ``margin`` in points."""
    evidence, notes = evidence_of(base, result)
    return Parity(state(evidence, margin / 100, planned) if evidence else None, notes)
