"""Parity of stored results: evidence, statement, other differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.models import AnswerRow, Result
from jobs.queries.parity.sides import Notes, Side, evidence_of, side_of
from jobs.queries.parity.statement import Looks, Statement, state
from jobs.queries.parity.warnings import Unequal, unequal
from jobs.statistics import Goal

MARGIN = 1.0  # points, unless the address has another
LEAST_MARGIN, MOST_MARGIN = 0.01, 50.0


@dataclass(frozen=True, slots=True)
class Parity:
    """``statement`` is None without a common data set. ``unequal``: None for tables and counts."""

    statement: Statement | None
    notes: Notes
    unequal: Unequal | None = None


def parity(
    base: Sequence[Result],
    result: Sequence[Result],
    margin: float,
    goal: Goal,
    planned: int | None = None,
) -> Parity:
    """Return the parity of two evaluations, or groups of their repeats; ``margin`` in points."""
    planned = max((planned or 0, *map(planned_questions, (*base, *result)))) or None
    looks = Looks(planned, max(looks_at(base), looks_at(result)))
    found = of_sides(side_of(base), side_of(result), margin, goal, looks)
    return Parity(found.statement, found.notes, unequal(base, result, margin / 100))


def planned_questions(result: Result) -> int:
    """Return the planned questions of an evaluation that could stop early; 0 for others."""
    return int(result.metrics.get("planned_questions") or 0)


def looks_at(runs: Sequence[Result]) -> int:
    """Return the number of looks at a side: one, and one for each later run that has scored answers
    to questions without one before."""
    if len(runs) < 2:
        return 1
    asked: dict[int, set[tuple[str, str, str]]] = {}
    rows = AnswerRow.objects.filter(result__in=runs).exclude(verdict=AnswerRow.Verdict.UNSCORED)
    rows = rows.order_by("result_id")
    for run, *question in rows.values_list("result_id", "subset", "question_id", "content"):
        subset, own, content = question
        asked.setdefault(run, set()).add((subset, own, content))
    known, looks = set[tuple[str, str, str]](), 0
    for questions in asked.values():
        looks += not questions <= known
        known |= questions
    return max(1, looks)


def usual_goal(base: Sequence[Result], result: Sequence[Result]) -> Goal:
    """Return what is asked if nobody says: ours at least as accurate as an external baseline, or
    the same accuracy."""
    ours = not any(one.is_external for one in result)
    return "at_least" if ours and all(one.is_external for one in base) else "same"


def of_sides(
    base: Side, result: Side, margin: float, goal: Goal, looks: Looks | None = None
) -> Parity:
    """Return the parity of two sides; ``margin`` in points."""
    evidence, notes = evidence_of(base, result)
    return Parity(state(evidence, margin / 100, goal, looks) if evidence else None, notes)
