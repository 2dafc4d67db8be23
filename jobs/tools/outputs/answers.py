"""Answer of an evaluation with any tool: stored fields, and the key that pairs runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import Any

from jobs.catalog.questions_schema import LETTERS

# Maximum characters of one text: reasoning of 32,768 tokens has about 130,000.
LONGEST = 400_000
LONGEST_ID, LONGEST_WORD = 128, 32
# Of a longer question only its last paragraph is shown in a list: before it stand examples.
LONG_QUESTION, SHORTEST_QUESTION = 600, 20
_HASHED = 32


@dataclass(frozen=True, slots=True)
class Answered:
    """Fields of ``jobs.models.Answer``, without index.

    ``score`` is None without a score of the tool; ``status`` has the reason. ``question_id`` is the
    set's id, "" without one; ``sample`` counts the answers to one question from 0; ``finish`` is
    "stop", "length", …, or "" if not reported.
    """

    subset: str
    question: str
    expected: str
    answer: str
    score: float | None
    question_id: str = ""
    sample: int = 0
    extracted: str = ""
    reasoning: str = ""
    finish: str = ""
    status: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int]:
        """Return the key that answers of other runs to the same question share."""
        return self.subset, question_key(self.question_id, self.question), self.sample


def question_key(question_id: str, question: str) -> str:
    """Return the question's id in its set, else the hash of its text."""
    return question_id or sha256(question.encode("utf-8", "replace")).hexdigest()[:_HASHED]


def question_of(record: Mapping[str, Any]) -> str:
    """Return the question of a line of ours with its choices, without the instruction: as
    EvalScope's files have it, so that the results of two tools are of the same questions.
    """
    choices = [f"{letter}) {record[letter]}" for letter in LETTERS if letter in record]
    return "\n".join([str(record.get("question") or ""), *choices])


def content_key(question: str, expected: str) -> str:
    """Return the checksum of a question with its expected answer: 32 hex digits. Ids and sets may
    have equal names; equal checksums are equal questions."""
    text = json.dumps([question, expected], ensure_ascii=False)
    return sha256(text.encode("utf-8", "replace")).hexdigest()[:_HASHED]


def own_question(question: str) -> str:
    """Return a question without the examples before it."""
    last = question.rstrip().rpartition("\n\n")[2].strip()
    return last if len(question) > LONG_QUESTION and len(last) >= SHORTEST_QUESTION else question


def kept(answers: Iterable[Answered]) -> list[dict[str, Any]]:
    """Return the answers as records. Questions with the same key get a number, in the order of the
    set: "…~2" for the second. Failed requests without a question have none.
    """
    counts: dict[tuple[str, str, int], int] = {}
    records = []
    for answer in answers:
        bounded = _bounded(answer)
        times = counts[bounded.key] = counts.get(bounded.key, 0) + 1
        is_named = bounded.question or bounded.question_id
        if times > 1 and (is_named or not bounded.status):
            same = question_key(bounded.question_id, bounded.question)
            bounded = replace(bounded, question_id=f"{same}~{times}")
        records.append(asdict(bounded))
    return records


def _bounded(answer: Answered) -> Answered:
    status = answer.status or ("unscored" if answer.score is None else "")
    own = answer.question_id
    return replace(
        answer,
        subset=answer.subset[:64],
        question=_cut(answer.question),
        expected=_cut(answer.expected),
        answer=_cut(answer.answer),
        extracted=_cut(answer.extracted),
        reasoning=_cut(answer.reasoning),
        question_id=own if len(own) <= LONGEST_ID - 8 else question_key("", own),
        finish=answer.finish[:LONGEST_WORD],
        status=status[:LONGEST_WORD],
        score=0.0 if status or answer.score is None else answer.score,
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
