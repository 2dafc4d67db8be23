"""Greedy probe: the same prompts at temperature 0 to two engines, answers compared."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.catalog import QUESTION_SETS
from jobs.catalog.questions import LETTERS
from jobs.kinds.lib import evaluations
from jobs.kinds.lib.base import Choice, Kind, KindParams, Target, field
from jobs.kinds.lib.common import against, asset_choices, key_of, site
from jobs.kinds.lib.evaluations import THINKING, Thinking, extra_body, workload_part
from jobs.kinds.lib.load import (
    about_tokens,
    check_answer,
    chosen_prompts,
    included_choices,
    team_choices,
)
from jobs.plans import Plan, literal
from jobs.tools.greedy_probe import commands as greedy_probe
from jobs.tools.lib import variants

_QUESTIONS = "questions:"  # begin of a choice that is a question set


class Params(KindParams):
    """Two engines, and the prompts that both get. Lengths are in tokens."""

    deployment: str = field(..., "Deployment", "Target", asset="deployment")
    """Deployment or endpoint to check."""
    reference: str = field(..., "Reference engine", "Target", asset="deployment")
    """Deployment or endpoint to compare with."""
    prompts: str = field("everyday", "Prompts", "Prompts", max_length=100)
    """Prompts or questions to send."""
    limit: int = field(40, "Sample size", "Prompts", "prompts", ge=1, le=500)
    """Prompts to send, spread evenly over the set."""
    again: int = field(10, "Sent twice", "Prompts", "prompts", ge=0, le=100)
    """So many prompts are sent to both engines a second time. An engine that does not repeat
    itself explains differences."""
    max_tokens: int = evaluations.answer_field(64, 1024)
    """Answers are cut off at this length. The first tokens show most differences."""
    logprobs: bool = field(True, "Log-probabilities", "Answers")
    """Request log-probabilities. Engines that refuse them are compared by text."""
    thinking: Thinking = evaluations.thinking_field("deployment", "reference")


class GreedyProbe(Kind, params=Params):
    """Send the same prompts at temperature 0 to two engines, and compare the answers."""

    name = greedy_probe.KIND
    title = "Greedy probe"
    good_for = "Two engines, the same prompts at temperature 0: where do the answers part?"
    reads = "readings.probed"
    progress = "tools.outputs.progress.probed"
    family = "evaluate"
    programs = greedy_probe.PROGRAMS
    clients = greedy_probe.CLIENTS
    leads_to = ("evaluate", "evaluate-opencompass", "evaluate-evalscope")
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
        return evaluations.thinking_choices() if field == THINKING else None

    def title_of(self, params: Params, target: Target) -> str:
        """ "small-int8, small-fp16, everyday"."""
        first = target.asset("deployment", params.deployment)
        second = target.asset("deployment", params.reference, "reference")
        prompts = params.prompts.removeprefix(_QUESTIONS)
        parts = [first.title, second.title, prompts, *workload_part(params.thinking)]
        return ", ".join(parts)

    def plan(self, params: Params, target: Target) -> Plan:
        first = target.asset("deployment", params.deployment)
        second = target.asset("deployment", params.reference, "reference")
        if first.key == second.key:
            message = _("Choose another engine: deployment and reference are the same.")
            raise LaunchError(message, "deployment")
        found = _prompts(params.prompts, target)
        total = min(params.limit, len(found))
        prompts = tuple(found[index * len(found) // total] for index in range(total))
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
            keys=(key_of(first), key_of(second)),
            bodies=(extra_body(first, params.thinking), extra_body(second, params.thinking)),
        )
        if second.endpoint is not None:
            made = variants.reference_checked(made, literal(here.python), key=key_of(second))
        return against(made, first, here.python)

    def work(self, params: Mapping[str, Any]) -> float:
        """Tokens of all answers, one request at a time."""
        return float((params["limit"] + params["again"]) * params["max_tokens"])


def _prompts(name: str, target: Target) -> Sequence[str]:
    key = name.removeprefix(_QUESTIONS)
    if name == key or key not in QUESTION_SETS:
        return chosen_prompts(name, target).texts
    prompts = []
    for one in QUESTION_SETS[key].questions:
        choices = zip(LETTERS, one.choices, strict=False)
        prompts.append("\n".join([one.question, *(f"{each}) {text}" for each, text in choices)]))
    return prompts
