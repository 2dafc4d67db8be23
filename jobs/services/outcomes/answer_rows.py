"""Rows of an evaluation's answers for lists, and the counts of flags as metrics of the result.

Texts are read once, one answer at a time. Lists, comparisons and statements read rows or metrics.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from math import ceil, isfinite
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from jobs.kinds.lib.evaluations import THINKING
from jobs.models import Answer, AnswerRow, Result
from jobs.queries.answers import answer_flags
from jobs.queries.answers.answer_flags import FAULTS, FLAGS, Facts, Habits
from jobs.queries.results.results import EFFECT
from jobs.statistics import design_effect
from jobs.tools.outputs.answers import content_key, own_question
from jobs.tools.outputs.loops import loops

# Raise it when flags or rows change: results of an older version get new rows at the next start.
VERSION = 6
_MOST = 2**31 - 1
_AT_ONCE = 200
# Slow and long are answers above the 95th percentile of their run.
PERCENTILE = 0.95
_FIELDS = (
    *("pk", "index", "subset", "question", "question_id", "sample", "expected", "answer"),
    *("extracted", "reasoning", "finish", "status", "score", "detail"),
)


def keep(result: Result) -> None:
    """Store rows and counts of an evaluation, after its answers."""
    if result.type != Result.Type.EVALUATION:
        return
    rows, facts = _read(result)
    if not rows:
        return
    params = result.job.params if result.job else {}
    limit = params.get("max_tokens")
    habits = answer_flags.habits(facts, limit if isinstance(limit, int) else None)
    slow = _above([row.latency_s for row in rows])
    long = _above(_lengths(rows))
    for row, one, is_slow, is_long in zip(rows, facts, slow, long, strict=True):
        extra = [name for name, holds in (("slow", is_slow), ("long", is_long)) if holds]
        row.marks = answer_flags.bits([*answer_flags.flags(one, habits), *extra])
    AnswerRow.objects.filter(result=result).delete()
    AnswerRow.objects.bulk_create(rows, batch_size=1000)
    kept = {
        name: n
        for name, n in result.metrics.items()
        if not name.startswith("answers_") and name != EFFECT
    }
    counts = _counts(rows, facts, habits) | _thinking(params.get(THINKING), facts)
    result.metrics = kept | counts | _effect(rows)
    result.rows_version = VERSION
    result.save(update_fields=["metrics", "rows_version"])


def keep_missing() -> int:
    """Store rows for results without them or with older ones; return their number."""
    answered = Exists(Answer.objects.filter(result=OuterRef("pk")))
    old = Result.objects.filter(answered, type=Result.Type.EVALUATION, rows_version__lt=VERSION)
    numbers = list(old.order_by("pk").values_list("pk", flat=True))
    for number in numbers:
        with transaction.atomic():
            keep(Result.objects.select_related("job").get(pk=number))
    return len(numbers)


def _read(result: Result) -> tuple[list[AnswerRow], list[Facts]]:
    rows, facts = [], []
    answers = Answer.objects.filter(result=result).order_by("index").values(*_FIELDS)
    for one in answers.iterator(_AT_ONCE):
        detail = one["detail"] if isinstance(one["detail"], dict) else {}
        tokens = _whole(detail.get("output_tokens"))
        rows.append(_row(result, one, detail, tokens))
        facts.append(
            answer_flags.facts(
                subset=one["subset"],
                finish=one["finish"],
                status=one["status"],
                tokens=tokens,
                thought=str(detail.get("thought") or ""),
                reasoning=one["reasoning"],
                answer=one["answer"],
                extracted=one["extracted"],
                loops=loops(one["reasoning"]) or loops(one["answer"]),
                rule=str(detail.get("rule") or ""),
            )
        )
    return rows, facts


def _row(
    result: Result, one: dict[str, Any], detail: dict[str, Any], tokens: int | None
) -> AnswerRow:
    content = content_key(one["question"], one["expected"])
    named = [one["subset"], one["question_id"], content, one["sample"]]
    if one["status"] and not (one["question"] or one["question_id"]):
        named.append(one["index"])  # a failed request: only its place tells the question
    key = json.dumps(named, ensure_ascii=False)
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
        key=_digest(key)[:32],
        content=content,
        said=_digest(said)[:16] if said else "",
        verdict=AnswerRow.Verdict.UNSCORED if one["status"] else verdict,
        score=min(1.0, max(0.0, one["score"])),
        tokens=tokens,
        latency_s=_seconds(detail.get("latency_s")),
        characters=len(one["reasoning"]) + len(one["answer"]),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _lengths(rows: Sequence[AnswerRow]) -> list[float | None]:
    """Return lengths that compare: tokens where all have them, else characters."""
    if all(row.tokens is not None for row in rows):
        return [row.tokens for row in rows]
    return [row.characters for row in rows]


def _above(values: Sequence[float | None]) -> list[bool]:
    """Return True for each value above the percentile; none of fewer than 20 is."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return [False] * len(values)
    limit = known[ceil(PERCENTILE * len(known)) - 1]
    return [value is not None and value > limit for value in values]


def _counts(rows: Iterable[AnswerRow], facts: Sequence[Facts], habits: Habits) -> dict[str, int]:
    """Return the counts as metrics. A flag that the tool's files cannot tell has none."""
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


def _thinking(chosen: Any, facts: Sequence[Facts]) -> dict[str, int]:
    """Return how many answers have reasoning; of a chosen thinking also how many speak against it:
    with thinking on, a single answer with reasoning shows that the switch works, and a cut one
    without tags may be all reasoning."""
    reasoned = sum(one.has_reasoning or one.thought == "open" for one in facts)
    counts = {"answers_reasoned": reasoned}
    if chosen == "off":
        counts["answers_unswitched"] = reasoned
    elif chosen == "on":
        answered = sum(one.has_answer and one.finish != "length" for one in facts)
        counts["answers_unswitched"] = 0 if reasoned else answered
    return counts


def _effect(rows: Iterable[AnswerRow]) -> dict[str, float]:
    """Return the design effect of several answers to a question, with the weights of the sets; {}
    for one answer each."""
    sets: dict[str, dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.verdict != AnswerRow.Verdict.UNSCORED:
            sets[row.subset][row.question_id, row.content].append(row.score)
    questions = [list(scores.values()) for scores in sets.values()]
    if all(len(scores) == 1 for one in questions for scores in one):
        return {}
    total = sum(map(len, questions))
    return {EFFECT: sum(len(one) * design_effect(one) for one in questions) / total}


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return int(value) if 0 <= value <= _MOST else None


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value) if value >= 0 else None
