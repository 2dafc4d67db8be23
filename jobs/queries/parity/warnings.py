"""Other causes of a difference than the models: other work, other hygiene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.base.numbers import result_number
from jobs.kinds.lib import evaluations
from jobs.models import AnswerRow, Result
from jobs.queries.answers.hygiene import unswitched
from jobs.queries.comparison.work_differs import QUESTIONS, Difference, differences
from jobs.queries.parity.lacking import CHOICE, are_same_questions
from jobs.statistics import Share, difference

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
    heads = [base[0], result[0]]
    tools = [head.tool for head in heads]
    work = differences(heads, [head.metrics for head in heads])
    # Also inside of a side: repeats have one identity, other groups may not.
    for runs in (base, result):
        for run in runs[1:]:
            known = {one.name for one in work}
            inside = differences([runs[0], run], [runs[0].metrics, run.metrics])
            work += [one for one in inside if one.name not in known]
    has_several = max(len(base), len(result)) > 1  # of one run each, the checksum says it
    differs = any(one.name == QUESTIONS for one in work)
    if has_several and differs and are_same_questions(base, result):
        work = [one for one in work if one.name not in (QUESTIONS, *CHOICE)]
    if _was_compared(heads[0], heads[1]) or _was_compared(heads[1], heads[0]):
        work = [one for one in work if one.name != QUESTIONS]
    unscored = (_unscored(base), _unscored(result))
    return Unequal(
        tools if tools[0] != tools[1] else [],
        # The interval of the statement has the rule of an early stop.
        [one for one in work if one.name not in _TOOL.union(evaluations.STOP_FIELDS)],
        [one for flag in FLAGS for one in _hygiene(flag, base, result, margin)],
        unscored if any(unscored) else None,
        [run for run in (*base, *result) if unswitched(run)],
        any(run.simulated for run in (*base, *result)),
        any(run.imported_id for run in (*base, *result)),
    )


def _was_compared(result: Result, base: Result) -> bool:
    """Return True if ``result`` could stop early against ``base``: it asked a part of the same
    questions, which its launch checked."""
    asked = result.job.params if result.job else {}
    return bool(asked.get("stop_early")) and asked.get("baseline") == result_number(base.pk)


def _hygiene(
    flag: str, base: Sequence[Result], result: Sequence[Result], margin: float
) -> list[Hygiene]:
    sides = [_share(flag, base), _share(flag, result)]
    first, second = sides
    if first is None or second is None:
        return []
    gap = difference(second.interval(), first.interval())
    if gap.includes_zero and abs(gap.value) < margin:
        return []
    return [Hygiene(flag, first, second)]


def _share(flag: str, runs: Sequence[Result]) -> Share | None:
    """Return the flagged answers of all runs; None where they were not counted."""
    known = [run.metrics for run in runs if flag in run.metrics and run.metrics.get(TOTAL)]
    if len(known) < len(runs):
        return None
    total = sum(int(metrics[TOTAL]) for metrics in known)
    return Share(min(total, sum(metrics[flag] for metrics in known)), total)


def _unscored(runs: Sequence[Result]) -> int:
    """Return the number of answers without a score."""
    return AnswerRow.objects.filter(result__in=runs, verdict=AnswerRow.Verdict.UNSCORED).count()
