"""Runs of both sides: questions that one lacks, looks at them, runs that are no repeats, and other
causes of a difference."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jobs import statistics as stats
from jobs.base import grouped
from jobs.base.numbers import result_number
from jobs.kinds.lib import evaluations
from jobs.models import AnswerRow, Result
from jobs.queries.answers.own_questions import NoQuestions, set_of
from jobs.queries.comparison.accuracy import Question, answered
from jobs.queries.comparison.settings import QUESTIONS, SettingDifference, differences
from jobs.queries.results.answer_flags import unswitched
from jobs.statistics import Share

# Parameters that choose the questions, and those that change no answer.
CHOICE = frozenset(("questions", "language", "limit", "question_seed"))
_NOT_ASKED = CHOICE.union(("batch", "retries", *evaluations.STOP_FIELDS))
# Which questions a run asked, and how many at once: each question counts once, in any run.
_QUESTIONS = CHOICE.union(("batch", QUESTIONS, *evaluations.STOP_FIELDS))
_MOST_LATER = 5


class Lacking(NamedTuple):
    """``places``: answers of the other side to the missing questions, by result. ``later``: later
    runs of the same kind on the same engine, to add to the side, each with the number of missing
    questions that it answered."""

    places: Mapping[int, Sequence[int]]
    total: int
    later: Sequence[tuple[Result, int]]


def lacking(side: Sequence[Result], other: Sequence[Result]) -> Lacking | None:
    """Return what ``side`` lacks of the questions of ``other``; None without any, and where these
    are not of a set of this dashboard."""
    try:
        for result in other:
            set_of(result)
    except NoQuestions:
        return None
    known, asked = _first_answers(side), _first_answers(other)
    missing = {question: place for question, place in asked.items() if question not in known}
    if not missing:
        return None
    return Lacking(grouped(missing.values()), len(missing), _later(side, other, missing))


def are_same_questions(base: Sequence[Result], result: Sequence[Result]) -> bool:
    """Return True when both sides answered the same questions, in any of their runs."""
    known = _first_answers(base).keys()
    return bool(known) and known == _first_answers(result).keys()


def looks_at(runs: Sequence[Result]) -> int:
    """Return the number of looks at a side: one, and one for each later run that has scored answers
    to questions without one before."""
    if len(runs) < 2:
        return 1
    return max(1, len({run for run, _index in _first_answers(runs).values()}))


def _first_answers(results: Sequence[Result]) -> dict[Question, tuple[int, int]]:
    """Return the scored questions, each with (result, index) of its first answer."""
    first: dict[Question, tuple[int, int]] = {}
    for question, _sample, run, index, score in answered(results):
        if score is not None:
            first.setdefault(question, (run, index))
    return first


def _later(
    side: Sequence[Result], other: Sequence[Result], missing: Mapping[Question, Any]
) -> list[tuple[Result, int]]:
    head = side[0]
    if head.job is None or not (head.deployment_id or head.endpoint_id):
        return []
    rows = Result.objects.filter(
        type=head.type,
        deployment=head.deployment_id,
        endpoint=head.endpoint_id,
        job__kind=head.job.kind,
        created_at__gte=head.created_at,
    ).exclude(pk__in=[run.pk for run in (*side, *other)])
    found = []
    for run in rows.select_related("job", "deployment", "endpoint", "host")[:_MOST_LATER]:
        if run.job is None or _asked(run.job.params) != _asked(head.job.params):
            continue
        number = sum(question in missing for question in _first_answers([run]))
        if number:
            found.append((run, number))
    return found


def _asked(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name not in _NOT_ASKED}


def no_repeat(runs: Sequence[Result]) -> tuple[Result, list[str]] | None:
    """Return the first run that is of another measurement than the first one, with the parts of its
    identity that differ or are unknown; None where all are of one."""
    for run in runs[1:]:
        if names := _apart(runs[0], run):
            return run, names
    return None


def _apart(first: Result, second: Result) -> list[str]:
    if first.fingerprint and first.fingerprint == second.fingerprint:
        return []
    parts = [
        {name: value for name, value in run.named_parts.items() if name not in _QUESTIONS}
        for run in (first, second)
    ]
    names = dict.fromkeys(name for side in parts for name in side)
    differing = [name for name in names if parts[0].get(name) != parts[1].get(name)]
    if differing or _is_one_engine(first, second):
        return differing
    return [name for name, value in parts[0].items() if value is None] or ["workload"]


def _is_one_engine(first: Result, second: Result) -> bool:
    """Return True where one deployment or endpoint answered, so that unknown parts are equal; and
    where nothing is unknown."""
    if all(run.identity and not run.identity.get("unknown") for run in (first, second)):
        return True
    deployment, endpoint = first.deployment_id, first.endpoint_id
    is_one = deployment is not None and deployment == second.deployment_id
    return is_one or (endpoint is not None and endpoint == second.endpoint_id)


# Flags of answers, stored as counts: jobs.metrics.
FLAGS = (
    *("answers_cut", "answers_open_thought", "answers_not_extracted", "answers_empty"),
    *("answers_failed", "answers_looping"),
)


class Unequal(NamedTuple):
    """Differences besides the models.

    ``tools`` is empty for one tool. ``work``: parts of the workload that differ or are unknown.
    ``hygiene``: flags whose shares of answers differ significantly, or by the margin.
    ``unscored``: answers without a score, of each side. ``unswitched``: runs whose answers speak
    against the thinking that they chose.
    """

    tools: Sequence[str]
    work: Sequence[SettingDifference]
    hygiene: Sequence[tuple[str, Share, Share]]
    unscored: tuple[int, int] | None
    unswitched: Sequence[Result]
    has_simulated: bool
    has_import: bool


def unequal(base: Sequence[Result], result: Sequence[Result], margin: float) -> Unequal:
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
        # Shown by their tool; the interval of the statement has the rule of an early stop.
        [one for one in work if one.name not in ("tool", "kind", *evaluations.STOP_FIELDS)],
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
) -> tuple[str, Share, Share] | None:
    first, second = _share(flag, base), _share(flag, result)
    if first is None or second is None:
        return None
    gap = stats.difference(second.interval(), first.interval())
    is_equal = gap.includes_zero and abs(gap.value) < margin
    return None if is_equal else (flag, first, second)


def _share(flag: str, runs: Sequence[Result]) -> Share | None:
    """Return the flagged answers of all runs; None where they were not counted."""
    rows = [run.metrics for run in runs]
    if not all(flag in metrics and metrics.get("answers_total") for metrics in rows):
        return None
    total = sum(int(metrics["answers_total"]) for metrics in rows)
    return Share(min(total, sum(metrics[flag] for metrics in rows)), total)
