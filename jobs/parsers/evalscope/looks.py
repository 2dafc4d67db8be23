"""Looks of an evaluation that may stop early: ``eval/looks.jsonl`` of ask_until_decided.py.

A line each: ``look`` of ``looks``, questions ``asked`` of ``questions``, ``pairs`` with a score on
both sides of ``planned`` ones, ``decision``; with pairs also ``difference``, ``low`` and ``high``
(from -1 to 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jobs.errors import ParseError
from jobs.parsers.files import count, json_lines, number

Decision = Literal["equivalent", "better", "worse", "unknown"]
DECISIONS = ("equivalent", "better", "worse", "unknown")


@dataclass(frozen=True, slots=True)
class Look:
    """Last look of a run. ``interval``: difference, low, high; None without a pair."""

    asked: int
    questions: int
    planned: int
    decision: Decision
    interval: tuple[float, float, float] | None

    @property
    def is_early(self) -> bool:
        """Return True if it left questions out."""
        return self.decision != "unknown" and self.asked < self.questions


def last_look(path: str, content: bytes) -> Look:
    """Return the last look.

    Raises:
        ParseError: no look, or another format.
    """
    lines = json_lines(path, content)
    if not lines:
        raise ParseError(f"{path} has no look")
    row = lines[-1]
    decision = row.get("decision")
    if decision not in DECISIONS:
        raise ParseError(f"{path}: {decision!r:.80} is no decision")
    asked, questions, planned = (count(path, row, key) for key in ("asked", "questions", "planned"))
    interval = None
    if "difference" in row:
        low, high = number(path, row, "low"), number(path, row, "high")
        interval = (number(path, row, "difference"), low, high)
    return Look(asked, questions, planned, decision, interval)
