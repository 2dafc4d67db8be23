"""Evaluations with questions of the team or included ones: each answer with its score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobs.base.messages import Message
from jobs.kinds.evaluate.evaluate import Params
from jobs.kinds.lib.common import tool_version
from jobs.kinds.lib.thinking import workload_part
from jobs.metrics.measured import Measurement, Outcome, SetScore
from jobs.tools.evalscope import early_stop, eval_parser
from jobs.tools.evalscope.eval_parser import Scored
from jobs.tools.evalscope.looks_parser import Look, last_look
from jobs.tools.opencompass import questions_parser
from jobs.tools.outputs.answers import Answered, kept
from jobs.tools.outputs.ended import Ended
from jobs.tools.outputs.files import json_lines

# Below this count, the 95 % confidence interval exceeds ±10 points.
ENOUGH_QUESTIONS = 100


def by_evalscope(ended: Ended) -> Outcome:
    """Accuracy over all questions, and each question with its answer and score."""
    evaluation = eval_parser.parse(ended.outputs)
    records = {
        file.name.removesuffix(".jsonl"): json_lines(file.name, file.text.encode())
        for file in ended.plan.files
        if file.name.endswith(".jsonl")
    }
    rows = eval_parser.named(evaluation.scored, records, ended.params.samples)
    return _outcome(ended, rows, sum(report.requested for report in evaluation.reports))


def by_opencompass(ended: Ended) -> Outcome:
    """Accuracy over all questions, and each question with its answer and score."""
    rows = questions_parser.parse(ended.nested)
    return _outcome(ended, rows, len(rows))


def _outcome(ended: Ended, scored: Sequence[Scored], asked: int) -> Outcome:
    """``scored``: the answers, failed ones included. ``asked``: requested ones."""
    params, kind = ended.params, ended.kind
    counted = [row for row in scored if row.score is not None]
    if not counted:
        return Outcome(failure=Message("evaluate:no_question", {"questions": asked}))
    metrics = _metrics(scored, counted)
    look = _look(ended.outputs)
    if look:
        metrics["planned_questions"] = float(look.questions)
    return Outcome(
        message=Message(
            "evaluate:done",
            {"accuracy": 100 * metrics["accuracy"], "questions": int(metrics["questions"])},
        ),
        measured=Measurement(
            type="evaluation",
            what=_what(params, asked, look),
            tool=_tool(kind.tool, tool_version(ended.plan, kind.environment), counted),
            metrics=metrics,
            answers=kept(answer(row, row.subset) for row in scored),
            remarks=[*look_remarks(params, look), *_remarks(params, asked, counted)],
            sets=_sets(params, counted),
        ),
    )


def _look(outputs: Mapping[str, bytes]) -> Look | None:
    """Return the last look of an evaluation that may stop early."""
    path = early_stop.LOOKS_FILE
    return last_look(path, outputs[path]) if path in outputs else None


def _what(params: Params, asked: int, look: Look | None) -> str:
    """ "basics (40), seed 7, 4 samples each, thinking off"; stopped early: "basics (40 of 142)"."""
    asked //= params.samples
    count = f"{asked} of {look.questions}" if look and look.is_early else str(asked)
    parts = [f"{params.questions} ({count})"]
    if params.language != "all":
        parts.append(f"{params.language} only")
    if params.limit and params.question_seed is not None:
        parts.append(f"seed {params.question_seed}")
    if params.samples > 1:
        parts.append(f"{params.samples} samples each")
    return ", ".join([*parts, *workload_part(params.thinking)])


def by_question(rows: Iterable[Scored]) -> list[float]:
    """Return the score of each question, the mean of its samples: their mean is pass@1."""
    scores: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        key = (row.benchmark, row.subset, row.question_id or row.question)
        scores.setdefault(key, []).append(row.score or 0.0)
    return [sum(own) / len(own) for own in scores.values()]


def _metrics(scored: Sequence[Scored], counted: Sequence[Scored]) -> dict[str, float]:
    right = by_question(counted)
    metrics = {
        "accuracy": sum(right) / len(right),
        "correct": sum(right),
        "questions": float(len(right)),
        "unanswered": float(sum(not row.answer.strip() for row in scored)),
    }
    for part in ("short", "choice", "en", "zh"):
        rows = by_question(row for row in counted if part in row.subset.split("_"))
        if rows:
            metrics[f"accuracy_{part}"] = sum(rows) / len(rows)
    return metrics


def _sets(params: Params, counted: Sequence[Scored]) -> list[SetScore]:
    scores = []
    for subset in dict.fromkeys(row.subset for row in counted):
        right = by_question(row for row in counted if row.subset == subset)
        value = 100 * sum(right) / len(right)
        score = SetScore(subset, "", "accuracy", "gen", value, len(right), params.questions)
        scores.append(score)
    return scores


def _tool(tool: str, version: str, counted: Sequence[Scored]) -> str:
    """Return the tool's name with the version of the scoring rules: other rules make another
    measurement."""
    name = f"{tool} {version}"
    rules = counted[0].detail.get("scorer")
    return f"{name}, rules {rules}" if rules else name


def answer(row: Scored, subset: str) -> Answered:
    """Return a question as stored in records."""
    return Answered(
        subset=subset,
        question=row.question,
        expected=row.expected,
        answer=row.answer,
        score=row.score,
        question_id=row.question_id,
        sample=row.sample,
        extracted=row.extracted,
        reasoning=row.reasoning,
        finish=row.finish,
        status=row.status,
        detail=row.detail,
    )


def cut(rows: Sequence[Scored], max_tokens: int) -> list[Message]:
    """Return a remark on cut-off answers, if any: counted by finish reason if all have one, else
    estimated by length."""
    is_reported = all(row.finish for row in rows)
    if is_reported:
        ended = sum(row.finish == "length" for row in rows)
    else:
        ended = sum((row.detail.get("output_tokens") or 0) >= max_tokens for row in rows)
    args = {"cut": ended, "total": len(rows), "max_tokens": max_tokens}
    return [Message("evaluate:cut" if is_reported else "evaluate:cut_guess", args)] if ended else []


def _remarks(params: Params, asked: int, counted: Sequence[Scored]) -> list[Message]:
    remarks = []
    if len(counted) < asked:
        remarks.append(
            Message("evaluate:unscored", {"unscored": asked - len(counted), "total": asked})
        )
    remarks += cut(counted, params.max_tokens)
    questions = len(by_question(counted))
    if questions < ENOUGH_QUESTIONS:
        remarks.append(Message("evaluate:few_questions", {"questions": questions}))
    return remarks


def look_remarks(params: Any, look: Look | None) -> list[Message]:
    """Return what the last look found."""
    if look is None or look.interval is None:
        return []
    gap, low, high = look.interval
    args: Mapping[str, Any] = {
        **{"asked": look.asked, "questions": look.questions, "baseline": params.baseline},
        **{"gap": gap, "low": low, "high": high, "margin": f"{params.margin:g}"},
    }
    return [Message(f"evaluate:look_{look.decision}", args)]
