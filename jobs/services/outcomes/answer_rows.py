"""Rows of an evaluation's answers for lists; counts of flags and token use as metrics. Texts are
read once, one answer at a time. Lists, comparisons and statements read rows or metrics. The summary
of token use is ``run_context["token_use"]``; :mod:`jobs.queries.results.results` reads it."""

import json
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, isfinite
from statistics import mean, median
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from jobs.base.files import text_sha256
from jobs.kinds.lib.evaluations import THINKING
from jobs.metrics.measured import token_shares
from jobs.models import Answer, AnswerRow, Result
from jobs.queries.comparison.accuracy import scored_answers
from jobs.queries.results import answer_flags
from jobs.queries.results.answer_flags import FAULTS, FLAGS, AnswerFacts, Habits
from jobs.queries.results.results import EFFECT
from jobs.statistics import Share, joined, share_of
from jobs.tools.outputs.answers import content_key, own_question
from jobs.tools.outputs.loops import loops

# Raise one when flags, rows or the summary change: older results get new ones at the next start.
VERSION, USE_VERSION = 8, 1
USE = "token_use"
USE_METRICS = (
    *("reasoning_tokens_mean", "answer_tokens_mean", "reasoning_share", "tokens_per_correct"),
)
_MOST, _LONGEST_S = 2**31 - 1, 10_000_000.0
# Slow and long are answers above the 95th percentile of their run.
PERCENTILE = 0.95
# Budgets of all curves, eight per doubling: 4,096 and 32,768 are among them.
_GRID = sorted({round(2 ** (step / 8)) for step in range(8 * 31 + 1)})
_FIELDS = (
    *("pk", "index", "subset", "question", "question_id", "sample", "expected", "answer"),
    *("extracted", "reasoning", "finish", "status", "score", "detail"),
)


@dataclass(slots=True)
class _Answered:
    """An answer without its texts. ``said`` and ``thought`` are lengths in characters, ``tokens``
    those of reasoning and answer. The last three are set where ``tokens`` is known."""

    question: tuple[str, str]
    score: float | None
    finish: str
    tokens: int | None
    said: int
    thought: int
    counted: int | None  # tokens of the reasoning, as the tool counted them
    ttft_s: float | None
    latency_s: float | None
    is_cut: bool = False
    reasoning: int = 0  # tokens
    is_estimated: bool = False

    @property
    def total(self) -> int:
        return self.tokens or 0

    @property
    def answer(self) -> int:
        return self.total - self.reasoning

    @property
    def first_answer_s(self) -> float | None:
        """Seconds to the first token of the answer; None: not reported, or none came. After
        reasoning it is estimated: its tokens came at the mean rate."""
        if self.ttft_s is None or not self.answer:
            return None
        if not self.reasoning:
            return self.ttft_s
        if self.latency_s is None or self.latency_s < self.ttft_s or self.total < 2:
            return None
        return self.ttft_s + self.reasoning * (self.latency_s - self.ttft_s) / (self.total - 1)


def keep(result: Result) -> None:
    """Store rows, counts and token use of an evaluation, after its answers."""
    if result.type != Result.Type.EVALUATION:
        return
    rows, facts, answers = _read(result)
    kept = {
        name: value
        for name, value in result.metrics.items()
        if not name.startswith("answers_") and name not in (EFFECT, *USE_METRICS)
    }
    token_limit = _whole(result.asked.get("output_tokens")) or None
    used = _used(answers, token_limit)
    summary = {"version": USE_VERSION, "answers": len(answers), "counted": len(used)}
    more = _summary(used, token_limit) if used else {}
    result.run_context = {**result.run_context, USE: {**summary, **more}}
    result.metrics = kept | (_use_metrics(used) if used else {})
    if rows:
        params = result.job.params if result.job else {}
        limit = params.get("max_tokens")
        habits = answer_flags.habits(facts, limit if isinstance(limit, int) else None)
        has_tokens = all(row.tokens is not None for row in rows)
        slow = _above([row.latency_s for row in rows])
        # Lengths that compare: tokens where all have them, else characters.
        long = _above([row.tokens if has_tokens else row.characters for row in rows])
        for row, one, is_slow, is_long in zip(rows, facts, slow, long, strict=True):
            extra = [name for name, holds in (("slow", is_slow), ("long", is_long)) if holds]
            row.marks = answer_flags.bits([*answer_flags.flags(one, habits), *extra])
        AnswerRow.objects.filter(result=result).delete()
        AnswerRow.objects.bulk_create(rows, batch_size=1000)
        counts = _counts(rows, facts, habits) | _thinking(params.get(THINKING), facts)
        result.metrics = result.metrics | counts | _effect(result)
        result.rows_version = VERSION
    result.save(update_fields=["metrics", "run_context", "rows_version"])


def keep_missing() -> int:
    """Store rows and token use for results without them or with older ones; return the number."""
    answered = Exists(Answer.objects.filter(result=OuterRef("pk")))
    version = f"run_context__{USE}__version"
    unused = Q(**{f"{version}__isnull": True}) | Q(**{f"{version}__lt": USE_VERSION})
    old = Result.objects.filter(
        unused | Q(answered, rows_version__lt=VERSION), type=Result.Type.EVALUATION
    )
    numbers = list(old.order_by("pk").values_list("pk", flat=True))
    for number in numbers:
        with transaction.atomic():
            keep(Result.objects.select_related("job").get(pk=number))
    return len(numbers)


def _read(result: Result) -> tuple[list[AnswerRow], list[AnswerFacts], list[_Answered]]:
    rows, facts, answers = [], [], []
    values = Answer.objects.filter(result=result).order_by("index").values(*_FIELDS)
    for one in values.iterator(200):
        detail = one["detail"] if isinstance(one["detail"], dict) else {}
        row = _row(result, one, detail)
        rows.append(row)
        facts.append(
            answer_flags.facts(
                subset=row.subset,
                finish=one["finish"],
                status=one["status"],
                tokens=row.tokens,
                thought=str(detail.get("thought") or ""),
                reasoning=one["reasoning"],
                answer=one["answer"],
                extracted=one["extracted"],
                loops=loops(one["reasoning"]) or loops(one["answer"]),
                rule=str(detail.get("rule") or ""),
            )
        )
        answers.append(
            _Answered(
                question=(row.subset, row.question_id or text_sha256(one["question"])),
                score=None if one["status"] else row.score,
                finish=one["finish"],
                tokens=row.tokens,
                said=len(one["answer"]),
                thought=len(one["reasoning"]),
                counted=_whole(detail.get("reasoning_tokens")),
                ttft_s=_seconds(detail.get("ttft_s")),
                latency_s=row.latency_s,
            )
        )
    return rows, facts, answers


def _row(result: Result, one: dict[str, Any], detail: dict[str, Any]) -> AnswerRow:
    content = content_key(one["question"], one["expected"])
    named = [one["subset"], one["question_id"], content, one["sample"]]
    if one["status"] and not (one["question"] or one["question_id"]):
        named.append(one["index"])  # a failed request: only its place tells the question
    said = " ".join(one["extracted"].split()).lower()
    verdict = AnswerRow.Verdict.CORRECT if one["score"] >= 0.5 else AnswerRow.Verdict.INCORRECT
    return AnswerRow(
        answer_id=one["pk"],
        result=result,
        index=one["index"],
        subset=one["subset"],
        category=str(detail.get("category") or "")[:100],
        question_id=one["question_id"],
        sample=one["sample"],
        question=" ".join(own_question(one["question"])[:640].split())[:160],
        key=text_sha256(json.dumps(named, ensure_ascii=False))[:32],
        content=content,
        said=text_sha256(said)[:16] if said else "",
        verdict=AnswerRow.Verdict.UNSCORED if one["status"] else verdict,
        score=min(1.0, max(0.0, one["score"])),
        tokens=_whole(detail.get("output_tokens")),
        latency_s=_seconds(detail.get("latency_s")),
        characters=len(one["reasoning"]) + len(one["answer"]),
    )


def _above(values: Sequence[float | None]) -> list[bool]:
    """True for each value above the percentile; none of fewer than 20 is."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return [False] * len(values)
    limit = known[ceil(PERCENTILE * len(known)) - 1]
    return [value is not None and value > limit for value in values]


def _counts(
    rows: Iterable[AnswerRow], facts: Sequence[AnswerFacts], habits: Habits
) -> dict[str, int]:
    """The counts as metrics. A flag that the tool's files cannot tell has none."""
    marks = Counter(row.marks for row in rows)
    counts = {
        f"answers_{name}": sum(n for bits, n in marks.items() if bits & answer_flags.bits([name]))
        for name in FLAGS
    }
    if not any(answer_flags.tells_length(one, habits) for one in facts):
        del counts["answers_cut"]
    if not habits.extracts:
        del counts["answers_not_extracted"]
    faulty = sum(n for bits, n in marks.items() if bits & FAULTS)
    return {"answers_total": marks.total(), "answers_faulty": faulty, **counts}


def _thinking(chosen: Any, facts: Sequence[AnswerFacts]) -> dict[str, int]:
    """Number of answers with reasoning, and of those against the chosen thinking: with it on, one
    answer with reasoning shows that the switch works; a cut one may be all reasoning."""
    reasoned = sum(one.has_reasoning or one.thought == "open" for one in facts)
    counts = {"answers_reasoned": reasoned}
    if chosen == "off":
        counts["answers_unswitched"] = reasoned
    elif chosen == "on":
        answered = sum(one.has_answer and one.finish != "length" for one in facts)
        counts["answers_unswitched"] = 0 if reasoned else answered
    return counts


def _effect(result: Result) -> dict[str, float]:
    """Design effect of several answers to a question; {} for one answer each. A question whose
    answers are not stored has one."""
    scores = list(scored_answers([result]).scores().values())
    if all(len(one) == 1 for one in scores):
        return {}
    missing = int(result.metrics.get("questions") or 0) - len(scores)
    others = [Share(0, missing)] if missing > 0 else []
    return {EFFECT: joined([share_of(scores), *others]).effect}


def _used(answers: Sequence[_Answered], limit: int | None) -> list[_Answered]:
    """Answers with output tokens, their reasoning set. ``limit``: of these tokens; None: unknown"""
    thinks = 2 * sum(bool(one.thought) for one in answers) >= len(answers)
    used = [one for one in answers if one.tokens is not None]
    for one in used:
        is_at_limit = limit is not None and one.total >= limit
        one.is_cut = one.finish == "length" if one.finish else is_at_limit
        lengths = one.thought, one.said
        if one.is_cut and thinks and not one.thought:
            # Templates of reasoning models open the thought in the prompt: a cut one has no tag.
            lengths = (one.said, 0)
        shares = token_shares(one.total, lengths, counted=one.counted)
        one.reasoning, _answer, one.is_estimated = shares
    return used


def _use_metrics(used: Sequence[_Answered]) -> dict[str, float]:
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


def _summary(used: Sequence[_Answered], limit: int | None) -> dict[str, Any]:
    scored = [one for one in used if one.score is not None]
    return {
        "estimated": sum(one.is_estimated for one in used),
        "reasoning_p50": median(one.reasoning for one in used),
        "answer_p50": median(one.answer for one in used),
        "output": sum(one.total for one in used),
        "correct": sum(one.score or 0.0 for one in used),
        "longest": max(one.total for one in used),
        "limit": limit,
        "cut": sum(one.is_cut for one in used),
        "seconds": _times(used),
        "scored": len(scored),
        "questions": len({one.question for one in scored}),
        "curve": _curve(scored),
    }


def _times(used: Sequence[_Answered]) -> dict[str, Any]:
    """Mean and median of the seconds to the first answer token if the tool reports enough for each
    answer that has one, else of the whole answer; empty without either."""
    answering = [one for one in used if one.answer]
    firsts = [one.first_answer_s for one in answering]
    latencies = [one.latency_s for one in used]
    has_firsts = bool(firsts) and None not in firsts
    if not has_firsts and not any(latencies):
        return {}
    known = [value for value in (firsts if has_firsts else latencies) if value is not None]
    return {
        "of": "first_answer" if has_firsts else "latency",
        "estimated": has_firsts and any(one.reasoning for one in answering),
        "mean": mean(known),
        "p50": median(known),
        "n": len(known),
    }


def _curve(scored: Sequence[_Answered]) -> list[list[float]]:
    """``[budget, correct answers of at most so many tokens]`` by rising budget, from the shortest
    answer to the longest."""
    if not scored:
        return []
    ordered = sorted(scored, key=lambda one: one.total)
    lengths = [one.total for one in ordered]
    sums = [0.0, *accumulate(one.score or 0.0 for one in ordered)]
    return [
        [budget, sums[bisect_right(lengths, budget)]] for budget in budgets(lengths[0], lengths[-1])
    ]


def budgets(shortest: int, longest: int) -> list[int]:
    """Those of :data:`_GRID` from below ``shortest`` to the first not below ``longest``."""
    first = max(0, bisect_left(_GRID, shortest) - 1)
    return _GRID[first : bisect_left(_GRID, longest) + 1]


def _number(value: Any, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return value if 0 <= value <= most else None


def _whole(value: Any) -> int | None:
    number = _number(value, _MOST)
    return None if number is None else int(number)


def _seconds(value: Any) -> float | None:
    number = _number(value, _LONGEST_S)
    return None if number is None else float(number)
