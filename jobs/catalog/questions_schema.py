"""Schema of a question set."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

LETTERS = "ABCDEFGHIJ"
LANGUAGES = frozenset(("en", "zh"))
ALL = "all"  # languages
LONGEST_QUESTION, LONGEST_CHOICE, LONGEST_ANSWER = 20_000, 4_000, 500
MOST_ANSWERS = 20
Answer = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ANSWER)]


class Question(BaseModel):
    """Question.

    *short*: free text, correct when it concludes with one of ``answers``; matches inside a phrase
    of ``not_in`` do not count. *choice*: one of ``choices``, lettered from A; ``answers`` has the
    correct letter. Rules: ``jobs.host.scoring``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)
    sort: Literal["short", "choice"]
    language: Literal["en", "zh"]
    category: str = Field(max_length=60)
    question: str = Field(min_length=1, max_length=LONGEST_QUESTION)
    answers: tuple[Answer, ...] = Field(min_length=1, max_length=MOST_ANSWERS)
    choices: tuple[Annotated[str, StringConstraints(max_length=LONGEST_CHOICE)], ...] = ()
    not_in: tuple[Answer, ...] = Field((), max_length=MOST_ANSWERS)

    @model_validator(mode="after")
    def _the_letter_stands_for_a_choice(self) -> Question:
        if self.sort == "short" and self.choices:
            raise ValueError("a short question has no choices")
        if self.sort == "choice":
            letters = LETTERS[: len(self.choices)]
            if len(letters) < 2 or len(self.answers) != 1 or self.answers[0] not in letters:
                raise ValueError("a choice needs two choices or more, and one letter as answer")
        return self

    @property
    def subset(self) -> str:
        """Return the subset in reports: "short_en", "choice_zh", …"""
        return f"{self.sort}_{self.language}"


@dataclass(frozen=True)
class QuestionSet:
    """Question set in question order. ``name``: for pages and results."""

    name: str
    questions: tuple[Question, ...]

    def spoken(self, language: str) -> tuple[Question, ...]:
        """Return the questions in a language; all for "all"."""
        return tuple(one for one in self.questions if language in (ALL, one.language))

    def part(self, limit: int, seed: int = 0, language: str = ALL) -> tuple[Question, ...]:
        """Return ``limit`` questions in a language, in set order; all of them for 0 or a high
        limit.

        Each category of each subset has its share of them, by largest remainders. Within it
        ``seed`` draws: the same seed draws the same questions on every machine.
        """
        questions = self.spoken(language)
        total = len(questions)
        if limit <= 0 or limit >= total:
            return questions
        strata: dict[tuple[str, str], list[str]] = {}
        for one in questions:
            strata.setdefault((one.subset, one.category), []).append(one.id)
        counts = {stratum: limit * len(ids) // total for stratum, ids in strata.items()}
        by_remainder = sorted(
            strata,
            key=lambda one: (-(limit * len(strata[one]) % total), draw(seed, "/".join(one))),
        )
        for stratum in by_remainder[: limit - sum(counts.values())]:
            counts[stratum] += 1
        wanted = {
            question_id
            for stratum, ids in strata.items()
            for question_id in sorted(ids, key=lambda one: draw(seed, one))[: counts[stratum]]
        }
        return tuple(question for question in questions if question.id in wanted)

    @cached_property
    def sha256(self) -> str:
        """Return the checksum of its text: the version of the set."""
        return sha256(jsonl(self.questions).encode()).hexdigest()


def jsonl(questions: Iterable[Question]) -> str:
    """Return questions as JSON Lines, in the format that an upload accepts: the export of a set."""
    lines = (
        json.dumps(question.model_dump(exclude_defaults=True), ensure_ascii=False)
        for question in questions
    )
    return "".join(f"{line}\n" for line in lines)


def draw(seed: int, question_id: str) -> str:
    """Return a key that sorts questions at random: a seed gives one order on every machine."""
    return sha256(f"{seed}:{question_id}".encode()).hexdigest()
