"""Duration of an evaluation and questions for a margin, before its launch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from jobs.kinds.lib import evaluations
from jobs.kinds.lib.base import AssetRef, Kind, Target
from jobs.models import Result
from jobs.queries.jobs.durations import Durations
from jobs.queries.jobs.evaluation_estimate import (
    EvaluationEstimate,
    evaluation_estimate,
    latest_accuracy,
)
from jobs.statistics.paired import BOUNDARY, Goal, Z
from jobs.statistics.sample_size import (
    MARGIN,
    USUAL_ACCURACY,
    USUAL_CHANGED,
    questions_for_interval,
    questions_paired,
    questions_unpaired,
)


@dataclass(frozen=True, slots=True)
class GoalPlan:
    """Questions that show a goal: the same on both sides, and different ones on each side."""

    words: str
    paired: int
    unpaired: int


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """Panel *Before the launch*.

    ``estimate``: from tokens; None: not known. ``dies``: of the deployment, of ``all_dies`` of the
    host; ``is_endpoint``: the engine is elsewhere. ``accuracy``: in per cent, of ``measured_by``;
    None: assumed. ``changed``: assumed share of changed answers, in per cent. ``margin`` in
    points. ``interval``: questions for an interval of one accuracy.
    """

    estimate: EvaluationEstimate | None
    dies: int
    all_dies: int
    is_endpoint: bool
    accuracy: float
    measured_by: Result | None
    changed: float
    margin: float
    interval: int
    goals: Sequence[GoalPlan]


def evaluation_plan(kind: Kind, params: Mapping[str, Any], target: Target) -> EvaluationPlan | None:
    """Return the panel of an evaluation; None for kinds that score no answers."""
    if not kind.answer_limit:
        return None
    ref = next((one for one in target.deployments if one.key == params.get("deployment")), None)
    model_id = str(ref.data.get("model_id") or "") if ref else ""
    measured_by = latest_accuracy(model_id) if model_id else None
    accuracy = float(measured_by.metrics["accuracy"]) if measured_by else USUAL_ACCURACY
    is_early = bool(params.get(evaluations.STOP_FIELDS[0]))
    margin = params["margin"] / 100 if is_early else MARGIN
    z = BOUNDARY if is_early else Z
    asked = [
        (cast("Goal", choice.value), choice.label)
        for choice in evaluations.goal_choices()
        if not (is_early and params["goal"]) or choice.value == params["goal"]
    ]
    return EvaluationPlan(
        estimate=evaluation_estimate(kind.name, params),
        dies=_dies(ref),
        all_dies=len(target.facts.get("dies") or ()),
        is_endpoint=ref is not None and ref.endpoint is not None,
        accuracy=100 * accuracy,
        measured_by=measured_by,
        changed=100 * USUAL_CHANGED,
        margin=100 * margin,
        interval=questions_for_interval(accuracy, margin),
        goals=[
            GoalPlan(
                words,
                questions_paired(goal, margin=margin, z=z),
                questions_unpaired(goal, accuracy, margin, z),
            )
            for goal, words in asked
        ],
    )


def better_known(before: EvaluationPlan | None, earlier: Durations | None) -> Durations | None:
    """Return ``earlier``; None where the deployment's measured speed tells more than runs of other
    work or of other deployments."""
    estimate = before.estimate if before else None
    if earlier and not earlier.same and estimate and estimate.counted_by:
        return None
    return earlier


def _dies(ref: AssetRef | None) -> int:
    listed = str(ref.data.get("dies") or "") if ref else ""
    return len([number for number in listed.split(",") if number])
