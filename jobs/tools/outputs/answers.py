"""Answer of an evaluation with any tool: stored fields, and the key that pairs runs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from jobs.base.files import text_sha256
from jobs.base.messages import Message
from jobs.catalog.questions import LETTERS

FAILED = "error"  # status of a question whose request failed
# Maximum characters of one text: reasoning of 32,768 tokens has about 130,000.
LONGEST = 400_000
_LONGEST_ID, _LONGEST_WORD = 128, 32
# Of a longer question only its last paragraph is shown in a list: before it stand examples.
_LONG_QUESTION, _SHORTEST_QUESTION = 600, 20


@dataclass(frozen=True, slots=True)
class Answered:
    """Fields of ``jobs.models.Answer``, without index.

    ``answer`` is without its reasoning. ``score`` is None without a score of the tool; ``status``
    has the reason. ``question_id`` is the set's id, "" without one; ``sample`` counts the answers
    to one question from 0; ``finish`` is "stop", "length", …, or "" if not reported.
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
        return self.subset, _question_key(self.question_id, self.question), self.sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored(Answered):
    """Answer in a run of several benchmarks. ``index``: its place in the subset."""

    benchmark: str
    index: int


def _question_key(question_id: str, question: str) -> str:
    return question_id or text_sha256(question)[:32]


def question_of(record: Mapping[str, Any]) -> str:
    """Return the question of a line of ours with its choices, without the instruction: as
    EvalScope's files have it, so that the results of two tools are of the same questions."""
    choices = [f"{letter}) {record[letter]}" for letter in LETTERS if letter in record]
    return "\n".join([str(record.get("question") or ""), *choices])


def content_key(question: str, expected: str) -> str:
    """Return the checksum of a question with its expected answer: 32 hex digits. Ids and sets may
    have equal names; equal checksums are equal questions."""
    return _question_key("", json.dumps([question, expected], ensure_ascii=False))


def own_question(question: str) -> str:
    last = question.rstrip().rpartition("\n\n")[2].strip()
    return last if len(question) > _LONG_QUESTION and len(last) >= _SHORTEST_QUESTION else question


def kept(answers: Iterable[Answered]) -> list[dict[str, Any]]:
    """Return the answers as records. Questions with the same key get a number, in the order of the
    set: "…~2" for the second. Failed requests without a question have none."""
    counts: dict[tuple[str, str, int], int] = {}
    records = []
    for answer in map(_bounded, answers):
        times = counts[answer.key] = counts.get(answer.key, 0) + 1
        record = {one.name: getattr(answer, one.name) for one in fields(Answered)}
        if times > 1 and (answer.question or answer.question_id or not answer.status):
            record["question_id"] = f"{answer.key[1]}~{times}"
        records.append(record)
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
        question_id=own if len(own) <= _LONGEST_ID - 8 else _question_key("", own),
        finish=answer.finish[:_LONGEST_WORD],
        status=status[:_LONGEST_WORD],
        score=0.0 if status or answer.score is None else answer.score,
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def cut_remark(rows: Sequence[Answered], max_tokens: int) -> list[Message]:
    """Return a remark on cut-off answers, if any: counted by finish reason if all have one, else
    estimated by length."""
    is_reported = all(row.finish for row in rows)
    if is_reported:
        ended = sum(row.finish == "length" for row in rows)
    else:
        ended = sum((row.detail.get("output_tokens") or 0) >= max_tokens for row in rows)
    args = {"cut": ended, "total": len(rows), "max_tokens": max_tokens}
    return [Message("evaluate:cut" if is_reported else "evaluate:cut_guess", args)] if ended else []


@dataclass(frozen=True, slots=True)
class Means:
    """Two means over the sets of one model, from 0 to 1; rankings by the two may differ. ``macro``
    is the mean of sets, ``weighted`` the mean of questions (None when the questions of a set are
    unknown). ``sets`` and ``questions`` are the counts."""

    macro: float
    weighted: float | None
    sets: int
    questions: int | None

    @property
    def metrics(self) -> dict[str, float]:
        values = {"accuracy_macro": self.macro}
        if self.weighted is not None and self.questions:
            values |= {
                "accuracy_weighted": self.weighted,
                "accuracy": self.weighted,
                "questions": float(self.questions),
                "correct": float(round(self.weighted * self.questions)),
            }
        return values


def means_of(sets: Sequence[tuple[float, int]]) -> Means | None:
    """``sets``: share of 1 and questions of each, 0 for unknown. None: there are none."""
    if not sets:
        return None
    total = sum(size for _share, size in sets) if all(size for _share, size in sets) else None
    weighted = sum(size * share for share, size in sets) / total if total else None
    return Means(sum(share for share, _size in sets) / len(sets), weighted, len(sets), total)
