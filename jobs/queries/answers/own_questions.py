"""Questions of an evaluation as its question set has them, to save or to ask again.

Only a set of this dashboard has them whole. A public set belongs to its tool: prompt, choices and
scoring rule are not in the answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobs.base.errors import JobsError
from jobs.base.messages import Message
from jobs.catalog import QUESTION_SETS, Question, QuestionSet
from jobs.kinds import KINDS
from jobs.kinds.evaluate.evaluate import Evaluate
from jobs.models import Answer, Result


class NoQuestions(JobsError):
    """The questions of a result cannot be saved, with the reason for people."""

    id = "questions:none"

    def __init__(self, reason: Message) -> None:
        super().__init__(reason.id)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class OwnQuestions:
    """Questions in the order of their set. ``key``: of the set; ``lacking``: questions that it has
    no longer, or with another text or answer."""

    key: str
    questions: tuple[Question, ...]
    lacking: int


def set_of(result: Result) -> QuestionSet:
    """Return the question set that a result's evaluation asked.

    Raises:
        NoQuestions: an import, a set of the tool, or a set that is gone.
    """
    if result.job is None:
        raise NoQuestions(Message("questions:imported"))
    if not isinstance(KINDS.get(result.job.kind), Evaluate):
        raise NoQuestions(Message("questions:of_tool", {"tool": result.tool}))
    key = set_key(result)
    known = QUESTION_SETS.get(key)
    if known is None:
        raise NoQuestions(Message("questions:set_gone", {"key": key}))
    return known


def set_key(result: Result) -> str:
    """Return the key of the question set that a result asked, "ours@1f2e3d4c5b6a"; "" for others'
    sets."""
    if result.job is None or not isinstance(KINDS.get(result.job.kind), Evaluate):
        return ""
    return str(result.job.params.get("questions") or "")


def questions_at(result: Result, indexes: Iterable[int]) -> OwnQuestions:
    """Return the questions of some answers, each once.

    Raises:
        NoQuestions: see :func:`set_of`.
    """
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
    """Return whether an answer is to this question: tools store its text, or a prompt with it."""
    return question.question in text and " | ".join(question.answers) == expected


def joined(parts: Sequence[OwnQuestions]) -> OwnQuestions:
    """Return the questions of several results, each id once."""
    by_id = {question.id: question for part in parts for question in part.questions}
    keys = ", ".join(dict.fromkeys(part.key for part in parts))
    return OwnQuestions(keys, tuple(by_id.values()), sum(part.lacking for part in parts))
