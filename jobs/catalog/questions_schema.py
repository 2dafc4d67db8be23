"""Schema of a question set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Question(BaseModel):
    """Question.

    *short*: free text, correct when it concludes with one of ``answers``; matches inside a phrase
    of ``not_in`` do not count. *choice*: one of ``choices``, lettered from A; ``answers`` has the
    correct letter. Rules: ``jobs.host.scoring``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z]+-[a-z0-9-]+$")
    sort: Literal["short", "choice"]
    language: Literal["en", "zh"]
    category: str
    question: str
    answers: tuple[str, ...] = Field(min_length=1)
    choices: tuple[str, ...] = ()
    not_in: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _the_letter_stands_for_a_choice(self) -> Question:
        if self.sort == "short" and self.choices:
            raise ValueError("a short question has no choices")
        if self.sort == "choice":
            letters = "ABCDEFGHIJ"[: len(self.choices)]
            if len(letters) < 2 or len(self.answers) != 1 or self.answers[0] not in letters:
                raise ValueError("a choice needs two choices or more, and one letter as answer")
        return self

    @property
    def subset(self) -> str:
        """Return the subset in reports: "short_en", "choice_zh", …"""
        return f"{self.sort}_{self.language}"


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Question set in question order."""

    name: str
    questions: tuple[Question, ...]

    def first(self, limit: int) -> tuple[Question, ...]:
        """Return ``limit`` questions spread evenly over the set; all for 0 or a high limit."""
        total = len(self.questions)
        if limit <= 0 or limit >= total:
            return self.questions
        return tuple(self.questions[index * total // limit] for index in range(limit))
