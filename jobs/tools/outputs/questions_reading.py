"""Evaluations with questions of the team or included ones: each answer with its score."""

from collections.abc import Iterable, Sequence
from typing import Any

from jobs.base import grouped
from jobs.base.messages import Message
from jobs.kinds.evaluate import QuestionParams
from jobs.kinds.lib.common import tool_version
from jobs.kinds.lib.evaluations import workload_part
from jobs.metrics.measured import Measurement, Outcome, SetScore
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.evalscope import eval_reading
from jobs.tools.evalscope.eval_reading import Look
from jobs.tools.opencompass.reading import parse_questions
from jobs.tools.outputs.answers import Scored, cut_remark, kept
from jobs.tools.outputs.files import Ended, json_lines

# Below this count, the 95 % confidence interval exceeds ±10 points.
_ENOUGH_QUESTIONS = 100


def by_evalscope(ended: Ended) -> Outcome:
    evaluation = eval_reading.parse(ended.outputs)
    records = {
        file.name.removesuffix(".jsonl"): json_lines(file.name, file.text.encode())
        for file in ended.plan.files
        if file.name.endswith(".jsonl")
    }
    rows = eval_reading.named(evaluation.scored, records, ended.params.samples)
    return _outcome(ended, rows, sum(report.requested for report in evaluation.reports))


def by_opencompass(ended: Ended) -> Outcome:
    rows = parse_questions(ended.nested)
    return _outcome(ended, rows, len(rows))


def _outcome(ended: Ended, scored: Sequence[Scored], asked: int) -> Outcome:
    """``scored``: the answers, failed ones included. ``asked``: requested ones."""
    params, kind, path = ended.params, ended.kind, evalscope.LOOKS_FILE
    counted = [row for row in scored if row.score is not None]
    if not counted:
        return Outcome(failure=Message("evaluate:no_question", {"questions": asked}))
    metrics = _metrics(scored, counted)
    # The last look of an evaluation that may stop early.
    outputs = ended.outputs
    look = eval_reading.last_look(path, outputs[path]) if path in outputs else None
    if look:
        metrics["planned_questions"] = float(look.questions)
    remarks, questions = look_remarks(params, look), int(metrics["questions"])
    if len(counted) < asked:
        unscored = {"unscored": asked - len(counted), "total": asked}
        remarks.append(Message("evaluate:unscored", unscored))
    remarks += cut_remark(counted, params.max_tokens)
    if questions < _ENOUGH_QUESTIONS:
        remarks.append(Message("evaluate:few_questions", {"questions": questions}))
    rules = counted[0].detail.get("scorer")  # other rules make another measurement
    tool = f"{kind.tool} {tool_version(ended.plan, kind.environment)}"
    return Outcome(
        message=Message(
            "evaluate:done", {"accuracy": 100 * metrics["accuracy"], "questions": questions}
        ),
        measured=Measurement(
            type="evaluation",
            what=_what(params, asked, look),
            tool=f"{tool}, rules {rules}" if rules else tool,
            metrics=metrics,
            answers=kept(scored),
            remarks=remarks,
            sets=_sets(params, counted),
        ),
    )


def _what(params: QuestionParams, asked: int, look: Look | None) -> str:
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
    scores = grouped(
        ((row.benchmark, row.subset, row.question_id or row.question), row.score or 0.0)
        for row in rows
    )
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


def _sets(params: QuestionParams, counted: Sequence[Scored]) -> list[SetScore]:
    scores = []
    for subset in dict.fromkeys(row.subset for row in counted):
        right = by_question(row for row in counted if row.subset == subset)
        value = 100 * sum(right) / len(right)
        score = SetScore(subset, "", "accuracy", "gen", value, len(right), params.questions)
        scores.append(score)
    return scores


def look_remarks(params: Any, look: Look | None) -> list[Message]:
    if look is None or look.interval is None:
        return []
    gap, low, high = look.interval
    args = {
        **{"asked": look.asked, "questions": look.questions, "baseline": params.baseline},
        **{"gap": gap, "low": low, "high": high, "margin": f"{params.margin:g}"},
    }
    return [Message(f"evaluate:look_{look.decision}", args)]
