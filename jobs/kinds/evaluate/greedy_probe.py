"""Greedy probe: the same prompts at temperature 0 to two engines, answers compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.base.errors import LaunchError
from jobs.catalog import QUESTION_SETS, Question
from jobs.catalog.questions_schema import LETTERS
from jobs.kinds.lib import evaluations
from jobs.kinds.lib.base import AssetRef, Choice, Kind, KindParams, Target
from jobs.kinds.lib.common import against, asset_choices, deployment_field, site
from jobs.kinds.lib.lengths import about_tokens, check_answer
from jobs.kinds.lib.prompts import chosen, included_choices, team_choices
from jobs.kinds.lib.thinking import (
    NAME,
    Thinking,
    extra_body,
    thinking_choices,
    thinking_field,
    workload_part,
)
from jobs.plans import Plan, literal
from jobs.tools.greedy_probe import commands as greedy_probe
from jobs.tools.lib import external

_QUESTIONS = "questions:"  # begin of a choice that is a question set


class Params(KindParams):
    """Two engines, and the prompts that both get. Lengths are in tokens."""

    deployment: str = deployment_field("Deployment or endpoint to check.")
    reference: str = deployment_field(
        "Deployment or endpoint to compare with.", label="Reference engine"
    )
    prompts: str = Field(
        "everyday",
        max_length=100,
        description="Prompts or questions to send.",
        json_schema_extra={"label": "Prompts", "group": "Prompts"},
    )
    limit: int = Field(
        40,
        ge=1,
        le=500,
        description="Prompts to send, spread evenly over the set.",
        json_schema_extra={"label": "Sample size", "unit": "prompts", "group": "Prompts"},
    )
    again: int = Field(
        10,
        ge=0,
        le=100,
        description="So many prompts are sent to both engines a second time. An engine that does "
        "not repeat itself explains differences.",
        json_schema_extra={"label": "Sent twice", "unit": "prompts", "group": "Prompts"},
    )
    max_tokens: int = evaluations.answer_field(
        64, 1024, "Answers are cut off at this length. The first tokens show most differences."
    )
    logprobs: bool = Field(
        default=True,
        description="Request log-probabilities. Engines that refuse them are compared by text.",
        json_schema_extra={"label": "Log-probabilities", "group": "Answers"},
    )
    thinking: Thinking = thinking_field("deployment", "reference")


class GreedyProbe(Kind, params=Params):
    """Send the same prompts at temperature 0 to two engines, and compare the answers."""

    name = greedy_probe.KIND
    title = "Greedy probe"
    reads = "readings.probed"
    progress = "tools.outputs.progress.probed"
    family = "evaluate"
    programs = greedy_probe.PROGRAMS
    clients = greedy_probe.CLIENTS
    steps = greedy_probe.STEPS

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        """Return the choices of ``field``; those of the reference begin with another engine."""
        if field == "reference":
            return asset_choices(reversed(target.deployments))
        if field == "prompts":
            sets = [
                Choice(f"{_QUESTIONS}{key}", f"{key} ({len(one.questions)})")
                for key, one in QUESTION_SETS.items()
            ]
            return [*included_choices(), *sets, *team_choices(target)]
        return thinking_choices() if field == NAME else None

    def title_of(self, params: Params, target: Target) -> str:
        """ "small-int8, small-fp16, everyday"."""
        first = target.asset("deployment", params.deployment)
        second = target.asset("deployment", params.reference, "reference")
        prompts = params.prompts.removeprefix(_QUESTIONS)
        parts = [first.title, second.title, prompts, *workload_part(params.thinking)]
        return ", ".join(parts)

    def plan(self, params: Params, target: Target) -> Plan:
        """One step: our script sends and compares. The plan contains the prompts."""
        first = target.asset("deployment", params.deployment)
        second = target.asset("deployment", params.reference, "reference")
        if first.key == second.key:
            message = _("Choose another engine: deployment and reference are the same.")
            raise LaunchError(message, "deployment")
        prompts = _spread(_prompts(params.prompts, target), params.limit)
        longest = about_tokens(prompts)
        for engine in (first, second):
            check_answer(engine.data, "max_tokens", params.max_tokens, longest)
        here = site(target)
        made = greedy_probe.plan(
            prompts,
            here,
            max_tokens=params.max_tokens,
            again=min(params.again, len(prompts)),
            logprobs=params.logprobs,
            keys=(_key(first), _key(second)),
            bodies=(extra_body(first, params.thinking), extra_body(second, params.thinking)),
        )
        if second.endpoint is not None:
            made = external.reference_checked(made, literal(here.python), key=_key(second))
        return against(made, first, here.python)

    def successors(self, params: Params) -> Sequence[str]:
        """Accuracy of the same deployment."""
        return ("evaluate", "evaluate-opencompass", "evaluate-evalscope")

    def work(self, params: Mapping[str, Any]) -> float:
        """Tokens of all answers, one request at a time."""
        return float((params["limit"] + params["again"]) * params["max_tokens"])


def _key(engine: AssetRef) -> str:
    """Return the name of the secret with the engine's key; "" for none."""
    return str(engine.data.get("api_key") or "")


def _prompts(name: str, target: Target) -> Sequence[str]:
    key = name.removeprefix(_QUESTIONS)
    if name != key and key in QUESTION_SETS:
        return [_text(one) for one in QUESTION_SETS[key].questions]
    return chosen(name, target).prompts


def _text(question: Question) -> str:
    letters = zip(LETTERS, question.choices, strict=False)
    return "\n".join([question.question, *(f"{letter}) {text}" for letter, text in letters)])


def _spread(prompts: Sequence[str], limit: int) -> tuple[str, ...]:
    """Return ``limit`` prompts spread evenly; all where there are fewer."""
    total = min(limit, len(prompts))
    return tuple(prompts[index * len(prompts) // total] for index in range(total))
