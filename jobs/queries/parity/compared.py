"""Parity of stored results: statement and other causes of a difference."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jobs.base.numbers import result_number
from jobs.kinds.lib import evaluations
from jobs.models import AnswerRow, Result
from jobs.queries.answers.hygiene import unswitched
from jobs.queries.comparison.work_differs import QUESTIONS, Difference, differences
from jobs.queries.parity.runs import CHOICE, are_same_questions, looks_at
from jobs.queries.parity.sides import Notes, Side, evidence_of, side_of
from jobs.queries.parity.statement import Looks, Statement, state
from jobs.statistics import Goal, Share, difference

TOTAL = "answers_total"
# Flags of answers, stored as counts: jobs.metrics.
FLAGS = (
    *("answers_cut", "answers_open_thought", "answers_not_extracted", "answers_empty"),
    *("answers_failed", "answers_looping"),
)
# Shown by their tool instead.
_TOOL = frozenset(("tool", "kind"))


@dataclass(frozen=True, slots=True)
class Hygiene:
    """A flag whose share of answers differs significantly, or by the margin."""

    flag: str
    first: Share
    second: Share


@dataclass(frozen=True, slots=True)
class Unequal:
    """Differences besides the models.

    ``tools`` is empty for one tool. ``work``: parts of the workload that differ or are unknown.
    ``unscored``: answers without a score, of each side. ``unswitched``: runs whose answers speak
    against the thinking that they chose.
    """

    tools: Sequence[str]
    work: Sequence[Difference]
    hygiene: Sequence[Hygiene]
    unscored: tuple[int, int] | None
    unswitched: Sequence[Result]
    has_simulated: bool
    has_import: bool


def unequal(base: Sequence[Result], result: Sequence[Result], margin: float) -> Unequal:
    """Return the differences of two sides."""
    heads, everyone = [base[0], result[0]], [*base, *result]
    tools = [head.tool for head in heads]
    work = differences(heads, [head.metrics for head in heads])
    # Also inside of a side: repeats have one identity, other groups may not.
    for runs in (base, result):
        for run in runs[1:]:
            known = {one.name for one in work}
            inside = differences([runs[0], run], [runs[0].metrics, run.metrics])
            work += [one for one in inside if one.name not in known]
    has_several = len(everyone) > 2  # of one run each, the checksum says it
    differs = any(one.name == QUESTIONS for one in work)
    if has_several and differs and are_same_questions(base, result):
        work = [one for one in work if one.name not in (QUESTIONS, *CHOICE)]
    if _was_compared(heads[0], heads[1]) or _was_compared(heads[1], heads[0]):
        work = [one for one in work if one.name != QUESTIONS]
    rows = AnswerRow.objects.filter(verdict=AnswerRow.Verdict.UNSCORED)
    unscored = rows.filter(result__in=base).count(), rows.filter(result__in=result).count()
    return Unequal(
        tools if tools[0] != tools[1] else [],
        # The interval of the statement has the rule of an early stop.
        [one for one in work if one.name not in _TOOL.union(evaluations.STOP_FIELDS)],
        [found for flag in FLAGS if (found := _hygiene(flag, base, result, margin))],
        unscored if any(unscored) else None,
        [run for run in everyone if unswitched(run)],
        any(run.simulated for run in everyone),
        any(run.imported_id for run in everyone),
    )


def _was_compared(result: Result, base: Result) -> bool:
    """Return True if ``result`` could stop early against ``base``: it asked a part of the same
    questions, which its launch checked."""
    asked = result.job.params if result.job else {}
    return bool(asked.get("stop_early")) and asked.get("baseline") == result_number(base.pk)


def _hygiene(
    flag: str, base: Sequence[Result], result: Sequence[Result], margin: float
) -> Hygiene | None:
    first, second = _share(flag, base), _share(flag, result)
    if first is None or second is None:
        return None
    gap = difference(second.interval(), first.interval())
    is_equal = gap.includes_zero and abs(gap.value) < margin
    return None if is_equal else Hygiene(flag, first, second)


def _share(flag: str, runs: Sequence[Result]) -> Share | None:
    """Return the flagged answers of all runs; None where they were not counted."""
    known = [run.metrics for run in runs if flag in run.metrics and run.metrics.get(TOTAL)]
    if len(known) < len(runs):
        return None
    total = sum(int(metrics[TOTAL]) for metrics in known)
    return Share(min(total, sum(metrics[flag] for metrics in known)), total)


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
    """Return the parity of two evaluations, or groups of their repeats; ``margin`` in points.

    ``planned``: questions of an evaluation that may stop early, if its results do not tell.
    """
    runs = [*base, *result]
    stored = (int(run.metrics.get("planned_questions") or 0) for run in runs)
    looks = Looks(max(planned or 0, *stored) or None, max(looks_at(base), looks_at(result)))
    found = of_sides(side_of(base), side_of(result), margin, goal, looks)
    return replace(found, unequal=unequal(base, result, margin / 100))


def usual_goal(base: Sequence[Result], result: Sequence[Result]) -> Goal:
    """Return "at_least" for ours against an external baseline, else "same"."""
    ours = not any(one.is_external for one in result)
    return "at_least" if ours and all(one.is_external for one in base) else "same"


def of_sides(
    base: Side, result: Side, margin: float, goal: Goal, looks: Looks | None = None
) -> Parity:
    """Return the parity of two sides; ``margin`` in points."""
    evidence, notes = evidence_of(base, result)
    return Parity(state(evidence, margin / 100, goal, looks) if evidence else None, notes)
