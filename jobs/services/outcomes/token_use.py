"""Token use of an evaluation: means as metrics, and a summary with the budget curve.

Derived from the answers once, after they are stored: pages never read 14,000 answers for it. The
summary is ``run_context["token_use"]``; :mod:`jobs.queries.results.token_use` reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import isfinite
from statistics import mean, median
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import MD5, Length

from jobs.metrics.measured import token_shares
from jobs.models import Answer, Result

# Raise it when the summary changes: older results get a new one at the next start.
VERSION = 1
KEY = "token_use"
NAMES = ("reasoning_tokens_mean", "answer_tokens_mean", "reasoning_share", "tokens_per_correct")
_MOST = 2**31 - 1
# Budgets of all curves, eight per doubling: 4,096 and 32,768 are among them.
_GRID = sorted({round(2 ** (step / 8)) for step in range(8 * 31 + 1)})
_LONGEST_S = 10_000_000.0


@dataclass(frozen=True, slots=True)
class _Used:
    """One answer with its tokens. ``score`` is None without one."""

    question: tuple[str, str]
    score: float | None
    is_cut: bool
    total: int
    reasoning: int
    is_estimated: bool
    ttft_s: float | None
    latency_s: float | None

    @property
    def answer(self) -> int:
        """Return the tokens of the answer."""
        return self.total - self.reasoning

    @property
    def first_answer_s(self) -> float | None:
        """Return the seconds to the first token of the answer; None: not reported, or none came.

        After reasoning it is estimated: its tokens came at the mean rate.
        """
        if self.ttft_s is None or not self.answer:
            return None
        if not self.reasoning:
            return self.ttft_s
        if self.latency_s is None or self.latency_s < self.ttft_s or self.total < 2:
            return None
        rate = (self.latency_s - self.ttft_s) / (self.total - 1)
        return self.ttft_s + self.reasoning * rate


def keep(result: Result) -> None:
    """Store the token use of an evaluation, after its answers."""
    if result.type != Result.Type.EVALUATION:
        return
    total, used = _read(result)
    kept = {name: value for name, value in result.metrics.items() if name not in NAMES}
    result.metrics = kept | (_metrics(used) if used else {})
    result.run_context = {**result.run_context, KEY: _summary(result, total, used)}
    result.save(update_fields=["metrics", "run_context"])


def keep_missing() -> int:
    """Store the token use of evaluations without one or with an older one; return their number."""
    at = f"run_context__{KEY}__version"
    old = Q(**{f"{at}__isnull": True}) | Q(**{f"{at}__lt": VERSION})
    rows = Result.objects.filter(old, type=Result.Type.EVALUATION)
    numbers = list(rows.order_by("pk").values_list("pk", flat=True))
    for number in numbers:
        with transaction.atomic():
            keep(Result.objects.get(pk=number))
    return len(numbers)


def _read(result: Result) -> tuple[int, list[_Used]]:
    """Return the number of answers, and those with output tokens. The database reads the texts."""
    names = ("subset", "question_id", "score", "status", "finish", "detail")
    rows = Answer.objects.filter(result=result).order_by("index")
    texts = {"thought": Length("reasoning"), "said": Length("answer"), "asked": MD5("question")}
    answers = list(rows.annotate(**texts).values(*names, *texts))
    thinks = 2 * sum(bool(one["thought"]) for one in answers) >= len(answers)
    limit = _limit(result)
    used = [_used(one, limit, thinks=thinks) for one in answers]
    return len(answers), [one for one in used if one is not None]


def _used(one: dict[str, Any], limit: int | None, *, thinks: bool) -> _Used | None:
    detail = one["detail"] if isinstance(one["detail"], dict) else {}
    total = _whole(detail.get("output_tokens"))
    if total is None:
        return None
    finish = one["finish"]
    is_cut = finish == "length" if finish else limit is not None and total >= limit
    lengths = one["thought"], one["said"]
    if is_cut and thinks and not one["thought"]:
        # Templates of reasoning models open the thought in the prompt: a cut one has no tag.
        lengths = (one["said"], 0)
    counted = _whole(detail.get("reasoning_tokens"))
    reasoning, _answer, is_estimated = token_shares(total, lengths, counted=counted)
    return _Used(
        (one["subset"], one["question_id"] or one["asked"]),
        None if one["status"] else min(1.0, max(0.0, one["score"])),
        is_cut,
        total,
        reasoning,
        is_estimated,
        _seconds(detail.get("ttft_s")),
        _seconds(detail.get("latency_s")),
    )


def _metrics(used: Sequence[_Used]) -> dict[str, float]:
    output, reasoning = sum(one.total for one in used), sum(one.reasoning for one in used)
    correct = sum(one.score or 0.0 for one in used)
    metrics = {
        "reasoning_tokens_mean": reasoning / len(used),
        "answer_tokens_mean": (output - reasoning) / len(used),
    }
    if output:
        metrics["reasoning_share"] = reasoning / output
    if correct:
        metrics["tokens_per_correct"] = output / correct
    return metrics


def _summary(result: Result, total: int, used: Sequence[_Used]) -> dict[str, Any]:
    """Return ``{"version", "answers": all, "counted": those with tokens}`` and, with any, what the
    page shows of them."""
    summary: dict[str, Any] = {"version": VERSION, "answers": total, "counted": len(used)}
    if not used:
        return summary
    scored = [one for one in used if one.score is not None]
    return summary | {
        "estimated": sum(one.is_estimated for one in used),
        "reasoning_p50": median(one.reasoning for one in used),
        "answer_p50": median(one.answer for one in used),
        "output": sum(one.total for one in used),
        "correct": sum(one.score or 0.0 for one in used),
        "longest": max(one.total for one in used),
        "limit": _limit(result),
        "cut": sum(one.is_cut for one in used),
        "seconds": _times(used),
        "scored": len(scored),
        "questions": len({one.question for one in scored}),
        "curve": _curve(scored),
    }


def _times(used: Sequence[_Used]) -> dict[str, Any]:
    """Return mean and median of the seconds to the first answer token if the tool reports enough
    for each answer that has one, else of the whole answer; empty without either."""
    answering = [one for one in used if one.answer]
    firsts = [one.first_answer_s for one in answering]
    if firsts and None not in firsts:
        is_estimated = any(one.reasoning for one in answering)
        return {"of": "first_answer", "estimated": is_estimated, **_middle(firsts)}
    latencies = [one.latency_s for one in used]
    return {"of": "latency", "estimated": False, **_middle(latencies)} if any(latencies) else {}


def _middle(values: Iterable[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    return {"mean": mean(known), "p50": median(known), "n": len(known)}


def _curve(scored: Sequence[_Used]) -> list[list[float]]:
    """Return ``[budget, correct answers of at most so many tokens]`` by rising budget, from the
    shortest answer to the longest."""
    if not scored:
        return []
    ordered = sorted(scored, key=lambda one: one.total)
    sums = list(accumulate(one.score or 0.0 for one in ordered))
    curve, done = [], 0
    for budget in budgets(ordered[0].total, ordered[-1].total):
        while done < len(ordered) and ordered[done].total <= budget:
            done += 1
        curve.append([budget, sums[done - 1] if done else 0.0])
    return curve


def budgets(shortest: int, longest: int) -> list[int]:
    """Return the budgets of :data:`_GRID` from the last one below ``shortest`` to the first one not
    below ``longest``."""
    below = [budget for budget in _GRID if budget < shortest]
    between = [budget for budget in _GRID if shortest <= budget < longest]
    return [*below[-1:], *between, next(budget for budget in _GRID if budget >= longest)]


def _limit(result: Result) -> int | None:
    """Return the limit of output tokens; None: unknown."""
    return _whole(result.asked.get("output_tokens")) or None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return int(value) if 0 <= value <= _MOST else None


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value) if 0 <= value <= _LONGEST_S else None
