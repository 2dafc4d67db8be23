"""Evaluations that a later one may be compared with while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs.catalog import Question
from jobs.kinds import KINDS
from jobs.kinds.evaluate.evaluate import Evaluate
from jobs.kinds.lib.base import Baseline
from jobs.models import Answer, Job, Result
from jobs.queries.answers.own_questions import is_same

MOST = 100


def baselines() -> Sequence[Baseline]:
    """Return the newest evaluations with one answer to each question, newest first."""
    own = [name for name, kind in KINDS.items() if isinstance(kind, Evaluate)]
    rows = Result.objects.filter(type=Result.Type.EVALUATION, job__kind__in=own)
    fields = ("metrics", "tool", "simulated", "job__title", "job__params")
    newest = rows.select_related("job").only(*fields)[:MOST]
    found = [_baseline(row.job, row) for row in newest if row.job is not None]
    return [one for one in found if one.questions and one.params.get("samples", 1) == 1]


def _baseline(job: Job, result: Result) -> Baseline:
    def verdicts(asked: Sequence[Question]) -> Mapping[str, bool | None]:
        return _verdicts(result.pk, asked)

    questions = int(result.metrics.get("questions") or 0)
    about = (job.pk, job.title, questions, result.tool, result.simulated, job.params)
    return Baseline(*about, verdicts)


def _verdicts(result: int, asked: Sequence[Question]) -> dict[str, bool | None]:
    by_id, found = {one.id: one for one in asked}, dict[str, bool | None]()
    rows = Answer.objects.filter(result=result)
    fields = rows.values_list("question_id", "question", "expected", "score", "status")
    for own, text, expected, score, status in fields.iterator():
        question = by_id.get(own)
        if question is not None and is_same(question, text, expected):
            found[own] = None if status else score >= 0.5
    return found
