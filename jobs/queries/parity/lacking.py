"""Questions of one side that the other has no scored answer to, and runs that have one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.kinds.lib import evaluations
from jobs.models import AnswerRow, Result
from jobs.queries.answers.own_questions import (
    NoQuestions,
    OwnQuestions,
    joined,
    questions_at,
    set_of,
)

# Parameters that choose the questions, and those that change no answer.
CHOICE = frozenset(("questions", "language", "limit", "question_seed"))
_NOT_ASKED = CHOICE.union(("batch", "retries", *evaluations.STOP_FIELDS))
_MOST_LATER = 5
_Key = tuple[str, str, str]  # set, id of the question, its checksum


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
    known, missing = _answered(side), dict[_Key, tuple[int, int]]()
    for key, place in _answered(other).items():
        if key not in known:
            missing[key] = place
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
    """Return True when both sides answered the same questions, with equal texts and expected
    answers, however these were spread over their runs."""
    answered = _answered(base).keys()
    return bool(answered) and answered == _answered(result).keys()


def _answered(results: Sequence[Result]) -> dict[_Key, tuple[int, int]]:
    """Return the scored questions, each with (result, index) of its first answer."""
    rows = AnswerRow.objects.filter(result__in=results).exclude(verdict=AnswerRow.Verdict.UNSCORED)
    answered: dict[_Key, tuple[int, int]] = {}
    named = rows.order_by("result_id", "index")
    for pk, index, subset, own, content in named.values_list(
        "result_id", "index", "subset", "question_id", "content"
    ):
        answered.setdefault((subset, own, content), (pk, index))
    return answered


def _later(
    side: Sequence[Result], other: Sequence[Result], missing: Mapping[_Key, Any]
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
        answered = sum(key in missing for key in _answered([run]))
        if answered:
            found.append(Later(run, answered))
    return found


def _asked(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name not in _NOT_ASKED}
