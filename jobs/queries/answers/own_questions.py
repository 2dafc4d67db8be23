"""Questions of an evaluation as its question set has them, and evaluations to compare with."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from jobs.base.messages import Message, ReasonError
from jobs.catalog import QUESTION_SETS, Question, QuestionSet
from jobs.kinds import KINDS
from jobs.kinds.evaluate import Evaluate
from jobs.kinds.lib.base import BaselineRun
from jobs.models import Answer, AnswerRow, Result
from jobs.queries.results.repeats import best_first
from jobs.queries.results.results import set_key


class NoQuestions(ReasonError):
    """The questions of a result cannot be saved."""


class OwnQuestions(NamedTuple):
    """Questions in the order of their set. ``key``: of the set; ``lacking``: questions that it has
    no longer, or with another text or answer."""

    key: str
    questions: tuple[Question, ...]
    lacking: int


def set_of(result: Result) -> QuestionSet:
    """Return the question set that a result's evaluation asked. Raises NoQuestions for an import, a
    set of the tool, or a set that is gone."""
    if result.job is None:
        raise NoQuestions(Message("questions:imported"))
    if not isinstance(KINDS.get(result.job.kind), Evaluate):
        raise NoQuestions(Message("questions:of_tool", {"tool": result.tool}))
    known = QUESTION_SETS.get(key := set_key(result))
    if known is None:
        raise NoQuestions(Message("questions:set_gone", {"key": key or result.what}))
    return known


def questions_at(result: Result, indexes: Iterable[int]) -> OwnQuestions:
    """Return the questions of some answers, each once. Raises NoQuestions, see :func:`set_of`."""
    known, wanted = set_of(result), set(indexes)
    by_id = {question.id: question for question in known.questions}
    rows = Answer.objects.filter(result=result).order_by("index")
    asked = rows.values_list("index", "question_id", "question", "expected")
    found, lacking = set(), set()
    for index, own, text, expected in asked.iterator():
        if index not in wanted:
            continue
        if (question := by_id.get(own)) and is_same(question, text, expected):
            found.add(own)
        else:
            lacking.add(own or text)
    questions = tuple(one for one in known.questions if one.id in found)
    return OwnQuestions(known.name, questions, len(lacking))


def is_same(question: Question, text: str, expected: str) -> bool:
    """Return True for an answer to this question: tools store its text, or a prompt with it."""
    return question.question in text and " | ".join(question.answers) == expected


def joined(parts: Sequence[OwnQuestions]) -> OwnQuestions:
    by_id = {question.id: question for part in parts for question in part.questions}
    keys = ", ".join(dict.fromkeys(part.key for part in parts))
    return OwnQuestions(keys, tuple(by_id.values()), sum(part.lacking for part in parts))


MOST = 100  # choices of a form
_READ = 300  # to find them


def baselines(pk: int | None = None) -> Sequence[BaselineRun]:
    """Return evaluations with one answer to each question, best first; the result ``pk`` alone."""
    own = [name for name, kind in KINDS.items() if isinstance(kind, Evaluate)]
    rows = Result.objects.filter(type=Result.Type.EVALUATION, job__kind__in=own)
    if pk is not None:
        rows = rows.filter(pk=pk)
    fields = ("metrics", "tool", "simulated", "job__title", "job__params", "endpoint", "imported")
    read = best_first(rows.select_related("job").only(*fields))[:_READ]
    found = []
    for row in read:
        questions = int(row.metrics.get("questions") or 0)
        if row.job and questions and row.job.params.get("samples", 1) == 1:
            about = (row.pk, row.job.title, questions, row.tool, row.simulated, row.job.params)
            found.append(BaselineRun(*about, partial(_verdicts, row.pk), row.is_external))
    return found[:MOST]


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
