"""Runs of a side: repeats, looks, missing questions, evaluations to choose from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.kinds.lib import evaluations
from jobs.models import Result
from jobs.queries.answers.own_questions import (
    NoQuestions,
    OwnQuestions,
    joined,
    questions_at,
    set_of,
)
from jobs.queries.comparison.accuracy import Question, answered
from jobs.queries.comparison.work_differs import QUESTIONS

MOST = 50  # evaluations to choose from
# Parameters that choose the questions, and those that change no answer.
CHOICE = frozenset(("questions", "language", "limit", "question_seed"))
_NOT_ASKED = CHOICE.union(("batch", "retries", *evaluations.STOP_FIELDS))
# Which questions a run asked, and how many at once: each question counts once, in any run.
_QUESTIONS = CHOICE.union(("batch", QUESTIONS, *evaluations.STOP_FIELDS))
_MOST_LATER = 5


def latest_evaluations() -> Sequence[Result]:
    """Return the evaluations that a person may choose, newest first."""
    rows = Result.objects.filter(type=Result.Type.EVALUATION).order_by("-created_at", "-id")
    return list(rows.select_related("deployment", "endpoint", "imported")[:MOST])


@dataclass(frozen=True, slots=True)
class Later:
    """A later run of the same kind on the same engine, with the number of missing questions that it
    answered."""

    result: Result
    answered: int


@dataclass(frozen=True, slots=True)
class Lacking:
    """``places``: answers of the other side to the missing questions, by result. ``later``: runs
    to add to the side."""

    places: Mapping[int, Sequence[int]]
    total: int
    later: Sequence[Later]


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
    places: dict[int, list[int]] = {}
    for pk, index in missing.values():
        places.setdefault(pk, []).append(index)
    return Lacking(places, len(missing), _later(side, other, missing))


def lacking_questions(other: Sequence[Result], found: Lacking) -> OwnQuestions:
    """Return the missing questions, as the set of ``other`` has them.

    Raises:
        NoQuestions: see ``own_questions.set_of``.
    """
    by_pk = {result.pk: result for result in other}
    return joined([questions_at(by_pk[pk], indexes) for pk, indexes in found.places.items()])


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
) -> list[Later]:
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
            found.append(Later(run, number))
    return found


def _asked(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name not in _NOT_ASKED}


def no_repeat(runs: Sequence[Result]) -> tuple[Result, list[str]] | None:
    """Return the first run that is of another measurement than the first one, with the parts of
    its identity that differ or are unknown; None where all are of one."""
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
    """Return True where unknown parts are equal, because one deployment or endpoint answered; and
    where nothing is unknown."""
    if all(run.identity and not run.identity.get("unknown") for run in (first, second)):
        return True
    deployments = first.deployment_id, second.deployment_id
    endpoints = first.endpoint_id, second.endpoint_id
    return any(one is not None and one == other for one, other in (deployments, endpoints))
