"""Evaluations that a later one may be compared with while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs.catalog import Question
from jobs.kinds import KINDS
from jobs.kinds.evaluate.evaluate import Evaluate
from jobs.kinds.lib.base import Baseline
from jobs.models import AnswerRow, Job, Result
from jobs.queries.answers.own_questions import is_same
from jobs.queries.results.best_first import best_first

MOST = 100  # choices of a form
_READ = 300  # to find them


def baselines(pk: int | None = None) -> Sequence[Baseline]:
    """Return evaluations with one answer to each question, in the order of
    :mod:`~jobs.queries.results.best_first`; the result ``pk`` alone. Those that left questions out
    are none.
    """
    own = [name for name, kind in KINDS.items() if isinstance(kind, Evaluate)]
    rows = Result.objects.filter(type=Result.Type.EVALUATION, job__kind__in=own)
    if pk is not None:
        rows = rows.filter(pk=pk)
    fields = ("metrics", "tool", "simulated", "job__title", "job__params", "endpoint", "imported")
    read = best_first(rows.select_related("job").only(*fields))[:_READ]
    found = [_baseline(row.job, row) for row in read if row.job]
    return [one for one in found if one.questions and one.params.get("samples", 1) == 1][:MOST]


def _baseline(job: Job, result: Result) -> Baseline:
    def verdicts(asked: Sequence[Question]) -> Mapping[str, bool | None]:
        return _verdicts(result.pk, asked)

    questions = int(result.metrics.get("questions") or 0)
    about = (result.pk, job.title, questions, result.tool, result.simulated, job.params)
    return Baseline(*about, verdicts, result.is_external)


def _verdicts(result: int, asked: Sequence[Question]) -> dict[str, bool | None]:
    by_id, found = {one.id: one for one in asked}, dict[str, bool | None]()
    # Rows, not answers: SQLite reads the long texts of an answer to reach its score.
    rows = AnswerRow.objects.filter(result=result)
    fields = rows.values_list("question_id", "answer__question", "answer__expected", "verdict")
    for own, text, expected, verdict in fields.iterator():
        question = by_id.get(own)
        if question is not None and is_same(question, text, expected):
            is_scored = verdict != AnswerRow.Verdict.UNSCORED
            found[own] = verdict == AnswerRow.Verdict.CORRECT if is_scored else None
    return found
