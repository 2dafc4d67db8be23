"""Evaluations with public data sets by OpenCompass: scores, means, answers."""

from __future__ import annotations

from typing import Any

from jobs.base.messages import Message
from jobs.catalog.data_sets import EVALUATION_SETS
from jobs.kinds.evaluate.evaluate_opencompass import Params, group_of
from jobs.kinds.lib.evaluations import accuracy_message, limited_remark, sets_of
from jobs.kinds.lib.vacc import stack_of
from jobs.metrics.measured import Measurement, Outcome, SetScore
from jobs.tools.opencompass import commands as opencompass
from jobs.tools.opencompass import parser
from jobs.tools.opencompass.commands import CEVAL
from jobs.tools.opencompass.parser import Run, SetResult
from jobs.tools.outputs.answers import Answered, kept
from jobs.tools.outputs.ended import Ended


def outcome(ended: Ended) -> Outcome:
    """Accuracy of each set and both means. OpenCompass exits with 0 when every task failed."""
    run = parser.parse(ended.nested)
    lacking = _lacking(ended.params, run)
    if lacking:
        sets = len({score.dataset for score in run.scores} | set(lacking))
        args = {"missing": len(lacking), "sets": sets, "first": lacking[0]}
        return Outcome(failure=Message("evaluate:sets_missing", args))
    (model,) = run.models
    means = run.means(model)
    if means is None:
        return Outcome(failure=Message("evaluate:no_question", {"questions": 0}))
    answers = answers_of(run, model)
    metrics = {**means.metrics, "unanswered": float(unanswered_of(run, model))}
    if means.weighted is not None and means.questions:
        metrics["correct"] = float(round(means.weighted * means.questions))
    return Outcome(
        message=accuracy_message(means.macro, means.weighted, means.sets, means.questions),
        measured=Measurement(
            type="evaluation",
            what=sets_of(ended.params),
            tool=f"OpenCompass {stack_of(ended.params).evaluation.opencompass}",
            metrics=metrics,
            answers=answers,
            remarks=_remarks(ended.params, run),
            sets=scores_of(run, model),
        ),
    )


def _lacking(params: Params, run: Run) -> list[str]:
    """Return requested sets without a score."""
    families = [opencompass.FAMILIES[one] for one in params.datasets]
    expected = [one for each in families for one in each.sets]
    if params.mmlu == "ten":
        mmlu = [one for one in expected if one.startswith(opencompass.MMLU)]
        expected = [one for one in expected if one not in mmlu[opencompass.TEN :]]
    known = {score.dataset for score in run.scores}
    if CEVAL in expected:  # any of them will do: a failed one has a separate row
        expected.remove(CEVAL)
        if not any(one.startswith(CEVAL) for one in known):
            expected.append(f"{CEVAL}*")
    failed = [score.dataset for score in run.failed]
    return list(dict.fromkeys([*failed, *run.missing(expected)]))


def answers_of(run: Run, model: str) -> list[dict[str, Any]]:
    """Return every answer, with its verdict if the details were requested."""
    answers = []
    for (of, dataset), rows in run.predictions.items():
        if of != model:
            continue
        result = run.results.get((of, dataset)) or SetResult({})
        total = len({row.index for row in rows})
        for row in rows:
            judged, sample = result.of(row.index, row.sample, total)
            verdict = judged.correct if judged else None
            answers.append(
                Answered(
                    subset=dataset,
                    question=row.question,
                    expected=row.expected,
                    answer=row.answer,
                    score=None if verdict is None else float(verdict),
                    sample=sample,
                    extracted=judged.extracted if judged else "",
                    reasoning=row.reasoning,
                    detail={"thought": row.thought} if row.thought else {},
                )
            )
    return kept(answers)


def unanswered_of(run: Run, model: str) -> int:
    """Return the number of empty answers."""
    return sum(
        not row.answer.strip()
        for (of, _dataset), rows in run.predictions.items()
        for row in rows
        if of == model
    )


def _remarks(params: Params, run: Run) -> list[Message]:
    remarks = []
    others = [score.dataset for score in run.scores if score.is_as_published is False]
    if others:
        remarks.append(Message("evaluate:other_prompt", {"sets": ", ".join(others)}))
    return remarks + limited_remark(params)


def scores_of(run: Run, model: str) -> list[SetScore]:
    """Return the score of each set, in the order of the summary."""
    scores = []
    for score in run.scores:
        if score.model == model:
            known = EVALUATION_SETS.get(score.dataset)
            asked = run.asked(model, score.dataset) or (known.questions if known else None)
            head = (score.dataset, score.version, score.metric, score.mode)
            scores.append(SetScore(*head, score.value, asked, group_of(score.dataset)))
    return scores
