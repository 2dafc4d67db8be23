"""Evaluations with public data sets by EvalScope: scores, means, answers."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.base.messages import Message
from jobs.kinds.evaluate.evaluate_evalscope import Params
from jobs.kinds.lib.common import tool_version
from jobs.kinds.lib.evaluations import accuracy_message, limited_remark, sets_of
from jobs.metrics.measured import Measurement, Outcome, SetScore
from jobs.tools.evalscope import eval_parser
from jobs.tools.evalscope.eval_parser import EvalReport, Evaluation, Scored
from jobs.tools.lib.environments import EVALSCOPE
from jobs.tools.outputs import questions_reading
from jobs.tools.outputs.answers import kept
from jobs.tools.outputs.ended import Ended


def outcome(ended: Ended) -> Outcome:
    """Accuracy over all questions, mean over the sets, and each question with its answer."""
    evaluation = eval_parser.parse(ended.nested)
    scored = {report.benchmark for report in evaluation.reports if report.score is not None}
    lacking = [name for name in ended.params.datasets if name not in scored]
    if lacking:
        args = {"missing": len(lacking), "sets": len(ended.params.datasets), "first": lacking[0]}
        return Outcome(failure=Message("evaluate:sets_missing", args))
    rows = [row for row in evaluation.scored if row.score is not None]
    metrics = _metrics(evaluation, rows, ended.params.samples)
    return Outcome(
        message=accuracy_message(
            metrics["accuracy_macro"],
            metrics["accuracy_weighted"],
            len(evaluation.reports),
            int(metrics["questions"]),
        ),
        measured=Measurement(
            type="evaluation",
            what=sets_of(ended.params),
            tool=f"evalscope {tool_version(ended.plan, EVALSCOPE)}",
            metrics=metrics,
            answers=kept(
                questions_reading.answer(row, f"{row.benchmark}/{row.subset}")
                for row in evaluation.scored
            ),
            remarks=_remarks(ended.params, evaluation, rows),
            sets=[
                score
                for report in evaluation.reports
                for score in scores_of(report, ended.params.samples)
            ],
        ),
    )


def _metrics(evaluation: Evaluation, rows: Sequence[Scored], samples: int) -> dict[str, float]:
    """Return metrics that count each set and each question once."""
    sets = [score_and_size(report, rows, samples) for report in evaluation.reports]
    questions = sum(size for _score, size in sets)
    weighted = sum(score * size for score, size in sets) / max(1, questions)
    return {
        "accuracy": weighted,
        "accuracy_weighted": weighted,
        "accuracy_macro": sum(score for score, _size in sets) / len(sets),
        "questions": float(questions),
        "correct": float(round(weighted * questions)),
        "unanswered": float(sum(not row.answer.strip() for row in evaluation.scored)),
    }


def scores_of(report: EvalReport, samples: int = 1) -> list[SetScore]:
    """Return scores of the subsets, or of the whole set if it has only one. The report counts
    ``samples`` answers to each question."""
    parts: dict[str, tuple[int, float | None]] = {**report.subsets}
    if len(parts) < 2:
        size = sum(count for count, _score in parts.values()) or report.requested
        parts = {"": (size, report.score)}
    return [
        SetScore(
            dataset=f"{report.benchmark}/{name}" if name else report.benchmark,
            version="",
            metric=report.metric,
            mode="gen",
            value=None if score is None else 100 * score,
            questions=size // samples,
            group=report.benchmark,
        )
        for name, (size, score) in parts.items()
    ]


def score_and_size(
    report: EvalReport, rows: Sequence[Scored], samples: int = 1
) -> tuple[float, int]:
    """Score by the reviews, because the report rounds; by the report if it counts more answers.

    The size is in questions, each with ``samples`` answers.
    """
    size = sum(count for count, _score in report.subsets.values())
    own = [row.score or 0.0 for row in rows if row.benchmark == report.benchmark]
    score = sum(own) / size if size and len(own) == size else report.score or 0.0
    return score, size // samples


def _remarks(params: Params, evaluation: Evaluation, rows: Sequence[Scored]) -> list[Message]:
    remarks = []
    asked = sum(report.requested for report in evaluation.reports)
    errored = sum(report.errored or 0 for report in evaluation.reports)
    if errored:
        remarks.append(Message("evaluate:unscored", {"unscored": errored, "total": asked}))
    remarks += questions_reading.cut(rows, params.max_tokens)
    return remarks + limited_remark(params)
