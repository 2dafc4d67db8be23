"""Launch form of an evaluation: presets as links, duration, and questions for a margin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from django.urls import reverse

from dashboard.pages.launch.launch_form import LaunchForm, offers
from jobs.catalog.presets import EVALUATION_PRESETS, EvaluationPreset
from jobs.kinds import KINDS
from jobs.kinds.lib import evaluations
from jobs.kinds.lib.base import Kind, Target
from jobs.models import Result
from jobs.queries.jobs.durations import (
    Durations,
    EvaluationEstimate,
    evaluation_estimate,
    latest_accuracy,
)
from jobs.statistics.paired import BOUNDARY, Goal, Z
from jobs.statistics.power import (
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
    served = ref.data if ref else {}
    model_id = str(served.get("model_id") or "")
    measured_by = latest_accuracy(model_id) if model_id else None
    accuracy = float(measured_by.metrics["accuracy"]) if measured_by else USUAL_ACCURACY
    is_early = bool(params.get(evaluations.STOP_FIELDS[0]))
    margin = params["margin"] / 100 if is_early else MARGIN
    z = BOUNDARY if is_early else Z
    goals = []
    for choice in evaluations.goal_choices():
        if not (is_early and params["goal"]) or choice.value == params["goal"]:
            goal = cast("Goal", choice.value)
            paired = questions_paired(goal, margin=margin, z=z)
            unpaired = questions_unpaired(goal, accuracy, margin, z)
            goals.append(GoalPlan(choice.label, paired, unpaired))
    return EvaluationPlan(
        estimate=evaluation_estimate(kind.name, params),
        dies=len([number for number in str(served.get("dies") or "").split(",") if number]),
        all_dies=len(target.facts.get("dies") or ()),
        is_endpoint=ref is not None and ref.endpoint is not None,
        accuracy=100 * accuracy,
        measured_by=measured_by,
        changed=100 * USUAL_CHANGED,
        margin=100 * margin,
        interval=questions_for_interval(accuracy, margin),
        goals=goals,
    )


def better_known(before: EvaluationPlan | None, earlier: Durations | None) -> Durations | None:
    """Return ``earlier``; None where the deployment's measured speed tells more than runs of other
    work or of other deployments."""
    estimate = before.estimate if before else None
    if earlier and not earlier.same and estimate and estimate.counted_by:
        return None
    return earlier


@dataclass(frozen=True, slots=True)
class PresetLink:
    """Preset for display. ``address`` "": this host has no kind for it. ``kind``: of the form."""

    preset: EvaluationPreset
    kind: str
    address: str
    is_current: bool


def preset_links(kind: Kind, target: Target, form: LaunchForm) -> list[PresetLink]:
    """Return the presets on ``target``; none for a kind that evaluates nothing."""
    if kind.family != "evaluate":
        return []
    values = {field.name: field.value for field in form.fields}
    presets = list(EVALUATION_PRESETS.values())
    current = "own"
    for preset in reversed(presets):
        wanted = preset.kinds.get(kind.name)
        if wanted and all(values.get(name) == value for name, value in wanted.items()):
            current = preset.id
    links = []
    for preset in presets:
        # The form's own kind if the preset has it, else the first that the host supports.
        names = [kind.name] if kind.name in preset.kinds else list(preset.kinds)
        kinds = (KINDS[name] for name in names)
        chosen = next((one for one in kinds if one is kind or one.is_available(target)), None)
        if chosen is None:
            links.append(PresetLink(preset, "", "", is_current=False))
            continue
        query = {"host": target.name}
        # Each kind has its own choice of deployments.
        offered = [one.value for one in offers(chosen, target, "deployment") or ()]
        if values.get("deployment", "") in offered:
            query["deployment"] = values["deployment"]
        query |= preset.kinds[chosen.name]
        address = f"{reverse('launch-form', args=[chosen.name])}?{urlencode(query)}"
        links.append(PresetLink(preset, chosen.name, address, is_current=preset.id == current))
    return links
