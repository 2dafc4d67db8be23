"""Token use of an evaluation, as stored with it (:mod:`jobs.services.outcomes.token_use`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.models import Result
from jobs.queries.statistics import Interval, wilson


@dataclass(frozen=True, slots=True)
class Seconds:
    """Seconds to the first answer token, or with ``is_whole`` of the whole answer."""

    is_whole: bool
    is_estimated: bool
    mean: float
    p50: float


@dataclass(frozen=True, slots=True)
class BudgetPoint:
    """Share of questions whose answer is correct and has at most ``budget`` output tokens."""

    budget: int
    share: Interval


@dataclass(frozen=True, slots=True)
class TokenUse:
    """Output tokens of ``counted`` of ``answers``: those whose tool reports them.

    ``estimated``: answers whose reasoning and answer share the total by length. ``cut`` answers
    ended at the ``limit`` (None: unknown). ``scored`` answers to ``questions`` make the curve.
    """

    answers: int
    counted: int
    estimated: int
    reasoning_p50: float
    answer_p50: float
    output: int
    correct: float
    longest: int
    limit: int | None
    cut: int
    seconds: Seconds | None
    scored: int
    questions: int
    curve: Sequence[BudgetPoint]

    @property
    def cut_share(self) -> float:
        """Return the share of answers that ended at the limit."""
        return self.cut / self.counted


def token_use(result: Result) -> TokenUse | None:
    """Return the token use of an evaluation; None where its tool reports no output tokens."""
    kept = result.run_context.get("token_use")
    if not isinstance(kept, Mapping) or not kept.get("counted"):
        return None
    names = ("answers", "counted", "estimated", "reasoning_p50", "answer_p50", "output", "correct")
    more = ("longest", "limit", "cut", "scored", "questions")
    return TokenUse(
        **{name: kept[name] for name in (*names, *more)},
        seconds=_seconds(kept["seconds"]),
        curve=_curve(kept),
    )


def _seconds(kept: Mapping[str, Any]) -> Seconds | None:
    if not kept:
        return None
    is_whole = kept["of"] == "latency"
    return Seconds(is_whole, kept["estimated"], kept["mean"], kept["p50"])


def _curve(kept: Mapping[str, Any]) -> list[BudgetPoint]:
    """Return the curve. Several answers to one question count as one in the interval: they are
    alike, so that more of them tell less than more questions."""
    scored, questions = kept["scored"], kept["questions"]
    return [
        BudgetPoint(budget, wilson(correct / scored * questions, questions))
        for budget, correct in kept["curve"]
    ]
