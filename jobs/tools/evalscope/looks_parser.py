"""Looks of an evaluation that may stop early: ``eval/looks.jsonl`` of ask_until_decided.py.

A line each: ``look`` of ``looks``, questions ``asked`` of ``questions``, ``pairs`` with a score on
both sides, ``decision``; with pairs also ``difference``, ``low`` and ``high`` (from -1 to 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from jobs.base.errors import ParseError
from jobs.statistics.paired import Decision
from jobs.tools.outputs.files import count, json_lines, number

DECISIONS: Mapping[str, Decision] = {word: word for word in get_args(Decision)}
_EARLIER: Mapping[str, Decision] = {"unknown": "cannot_tell"}  # words of older plans


@dataclass(frozen=True, slots=True)
class Look:
    """Last look of a run. ``interval``: difference, low, high; None without a pair."""

    asked: int
    questions: int
    decision: Decision
    interval: tuple[float, float, float] | None

    @property
    def is_early(self) -> bool:
        """Return True if it left questions out."""
        return self.decision != "cannot_tell" and self.asked < self.questions


def last_look(path: str, content: bytes) -> Look:
    """Return the last look.

    Raises:
        ParseError: no look, or another format.
    """
    lines = json_lines(path, content)
    if not lines:
        raise ParseError(f"{path} has no look")
    row = lines[-1]
    decision = {**DECISIONS, **_EARLIER}.get(str(row.get("decision")))
    if decision is None:
        raise ParseError(f"{path}: {row.get('decision')!r:.80} is no decision")
    asked, questions = (count(path, row, key) for key in ("asked", "questions"))
    interval = None
    if "difference" in row:
        low, high = number(path, row, "low"), number(path, row, "high")
        interval = (number(path, row, "difference"), low, high)
    return Look(asked, questions, decision, interval)
