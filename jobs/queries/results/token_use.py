"""Token use of an evaluation, as stored with it (:mod:`jobs.services.outcomes.answer_rows`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.models import Result
from jobs.statistics import Interval, wilson


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


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetUse:
    """Budget curve of a run, or of several together: ``scored`` answers to ``questions``.

    ``counted`` answers have tokens; ``cut`` of them ended at the ``limit`` (None: unknown).
    """

    counted: int
    longest: int
    limit: int | None
    cut: int
    scored: int
    questions: int
    curve: Sequence[BudgetPoint]

    @property
    def cut_share(self) -> float:
        return self.cut / self.counted


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUse(BudgetUse):
    """Output tokens of ``counted`` of ``answers``: those whose tool reports them.

    ``estimated``: answers whose reasoning and answer share the total by length.
    """

    answers: int
    estimated: int
    reasoning_p50: float
    answer_p50: float
    output: int
    correct: float
    seconds: Seconds | None


def token_use(result: Result) -> TokenUse | None:
    """Return the token use of an evaluation; None where its tool reports no output tokens."""
    kept = result.run_context.get("token_use")
    if not isinstance(kept, Mapping) or not kept.get("counted"):
        return None
    names = (
        *("answers", "counted", "estimated", "reasoning_p50", "answer_p50", "output", "correct"),
        *("longest", "limit", "cut", "scored", "questions"),
    )
    timed = kept["seconds"]
    seconds = timed and Seconds(
        timed["of"] == "latency", timed["estimated"], timed["mean"], timed["p50"]
    )
    own = {name: kept[name] for name in names}
    return TokenUse(**own, seconds=seconds or None, curve=_curve([kept]))


def pooled(groups: Sequence[Sequence[Result]]) -> list[BudgetUse | None]:
    """Return the budget curve of each group, over the answers of all its runs; None without one.

    Runs without tokens, and with another limit than the first one that has some, do not count.
    """
    runs = [run.pk for group in groups for run in group]
    stored = dict(Result.objects.filter(pk__in=runs).values_list("pk", "run_context__token_use"))
    return [_pooled([stored.get(run.pk) for run in group]) for group in groups]


def _pooled(stored: Sequence[Any]) -> BudgetUse | None:
    known = [
        kept for kept in stored if isinstance(kept, Mapping) and kept["counted"] and kept["curve"]
    ]
    if not known:
        return None
    limit = known[0]["limit"]
    same = [kept for kept in known if kept["limit"] == limit]
    sums = {name: sum(kept[name] for kept in same) for name in ("counted", "cut", "scored")}
    most = {name: max(kept[name] for kept in same) for name in ("longest", "questions")}
    return BudgetUse(**sums, **most, limit=limit, curve=_curve(same))


def _curve(stored: Sequence[Mapping[str, Any]]) -> list[BudgetPoint]:
    """Return the curve over the answers of all runs, whose budgets are of one grid.

    Several answers to one question count as one in the interval: they are alike, so that more of
    them tell less than more questions.
    """

    def within(kept: Mapping[str, Any], budget: int) -> float:
        return float(next((own for most, own in reversed(kept["curve"]) if most <= budget), 0.0))

    scored = sum(kept["scored"] for kept in stored)
    questions = max(kept["questions"] for kept in stored)
    budgets = sorted({budget for kept in stored for budget, _correct in kept["curve"]})
    return [
        BudgetPoint(
            budget,
            wilson(sum(within(kept, budget) for kept in stored) / scored * questions, questions),
        )
        for budget in budgets
    ]
