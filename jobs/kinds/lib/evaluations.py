"""Shared code of evaluations: fields, thinking, early stop, and the base of public data sets."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, Literal, TypeAlias

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.base.numbers import result_number, result_pk
from jobs.catalog import MODELS, Question
from jobs.catalog.data_sets import BY_EVALSCOPE, BY_OPENCOMPASS
from jobs.kinds.lib.base import AssetRef, Baseline, Choice, Target, field
from jobs.kinds.lib.load import check_limit
from jobs.kinds.lib.vacc import OnVacc, VaccParams, is_exact
from jobs.statistics.paired import Goal, least_margin
from jobs.tools.evalscope.commands import Rule, rules_version
from jobs.tools.lib import load
from jobs.tools.lib.load import Body

# Public sets by the names of both tools: (questions, subsets; a limit counts for each subset).
_SETS: Mapping[str, tuple[int, int]] = {
    name: (one.questions, one.subsets)
    for sets in (BY_OPENCOMPASS, BY_EVALSCOPE)
    for name, one in sets.items()
}
_TEN_OF_MMLU = (1369, 10)
_UNDRAWN = "ceval"  # the sizes of its subsets are unknown before the run
# An early stop with fewer questions has first looks with a question of each subset only.
LEAST_QUESTIONS = 40
STOP_FIELDS = ("stop_early", "baseline", "goal", "margin")  # without the first, no other counts
# Thinking on or off in a run, where the model's chat template has a switch for it. A reasoning
# model without a switch always thinks, such as DeepSeek-R1. The default sends nothing: it is left
# out of the job's parameters, so that results of before are its repeats.
THINKING = "thinking"  # field of Params
Thinking: TypeAlias = Literal["", "on", "off"]
THINKING_WORDS = {
    "": gettext_lazy("model default"),
    "on": gettext_lazy("on"),
    "off": gettext_lazy("off"),
}
# Settings that change answers: both sides of an early stop need the same.
_SAME = ("max_tokens", "temperature", THINKING)


def limit_field(default: int, **rules: Any) -> Any:
    return field(default, "Question limit", "Questions", "questions", ge=0, le=100000, **rules)


def seed_field() -> Any:
    """Return the field ``question_seed``. None: older jobs, which drew nothing."""
    return field(None, "Question seed", "Questions", ge=0, le=999_999, at_launch=0)


def check_seed(seed: int | None, limit: int) -> None:
    if seed and not limit:
        message = _("A seed needs a question limit: all questions are sent.")
        raise LaunchError(message, "question_seed")


def answer_field(default: int, most: int, **rules: Any) -> Any:
    return field(default, "Max output tokens", "Answers", "tokens", ge=1, le=most, **rules)


def temperature_field(
    default: float = 0.6,
    description: str = "DeepSeek recommends 0.5 to 0.7 and several runs for R1.",
) -> Any:
    return field(default, "Temperature", "Answers", ge=0.0, le=2.0, description=description)


def samples_field() -> Any:
    return field(
        *(1, "Samples per question", "Answers"),
        ge=1,
        le=64,
        description="Answers to each question; the score is their mean (pass@1). More than one "
        "needs a temperature above 0.",
    )


def check_samples(samples: int, temperature: float) -> None:
    """Refuse several answers to a question that are all the same."""
    if samples > 1 and temperature == 0:
        message = _("At temperature 0 all samples are the same. Raise the temperature, or enter 1.")
        raise LaunchError(message, "samples")


def batch_field(description: str = "Max concurrent questions.") -> Any:
    args = (4, "Concurrency", "Answers", "questions")
    return field(*args, ge=1, le=256, description=description)


def retries_field(
    default: int = 2,
    description: str = "How often a failed request is sent again. A question that still fails has "
    "no score.",
) -> Any:
    return field(default, "Retries", "Answers", ge=0, le=10, description=description)


def thinking_field(*deployments: str) -> Any:
    """Return the field ``thinking``. ``deployments``: fields whose engines all need the switch."""
    return field(
        *("", "Thinking", "Answers"),
        exclude_if=lambda value: not value,
        switch_of=deployments or ("deployment",),
        description="Switches the reasoning in the chat template. Model default: as the template "
        "decides.",
    )


def thinking_choices() -> list[Choice]:
    return [Choice(value, str(words)) for value, words in THINKING_WORDS.items()]


def switch_of(served: AssetRef) -> str:
    """Return the variable of the engine's chat template that switches reasoning: stated for an
    endpoint, of the catalogue's model for a deployment; "" for none."""
    if served.endpoint is not None:
        return str(served.data.get("thinking_switch") or "")
    if served.data.get("reasoning") and served.data.get("toolchain") == "llama.cpp":
        return ""  # our reasoning template takes the place of the model's
    model = MODELS.get(str(served.data.get("model_id") or ""))
    return model.thinking_switch if model else ""


def extra_body(served: AssetRef, chosen: Thinking) -> Body:
    """Return the fields that each request gets; {} for the default."""
    if not chosen:
        return {}
    switch = switch_of(served)
    if switch:
        return load.thinking_body(switch, on=chosen == "on")
    if served.endpoint is not None:
        message = _(
            "Endpoint %(name)s states no switch for thinking. Choose “%(default)s”, or edit the "
            "endpoint."
        )
    else:
        message = _(
            "The model of %(name)s has no switch for thinking in the catalogue. Choose "
            "“%(default)s”."
        )
    raise LaunchError(message % {"name": served.title, "default": THINKING_WORDS[""]}, THINKING)


def workload_part(chosen: Thinking) -> list[str]:
    """Return the part of a workload's text: "thinking off"; [] for the default."""
    return [f"thinking {chosen}"] if chosen else []


def goal_choices() -> list[Choice]:
    return [
        Choice("at_least", _("Is the result at least as accurate?")),
        Choice("same", _("Are both equally accurate?")),
    ]


def baseline_choices(target: Target) -> list[Choice]:
    """Return the evaluations to compare with, none first."""
    choices = [Choice("", "")]
    for one in target.baselines(None):
        number = result_number(one.result)
        simulated = f", {_('simulated')}" if one.is_simulated else ""
        choices.append(Choice(number, f"{number} {one.title} ({one.questions}){simulated}"))
    return choices


def rule_of(params: Any, questions: Sequence[Question], target: Target) -> Rule | None:
    """Return the rule of an early stop; None to ask all questions."""
    if not params.stop_early:
        return None
    if len(questions) < LEAST_QUESTIONS:
        message = _("An early stop needs at least %(n)s questions.") % {"n": LEAST_QUESTIONS}
        raise LaunchError(message, "stop_early")
    if params.samples > 1:
        message = _("An early stop compares one answer to each question. Enter 1.")
        raise LaunchError(message, "samples")
    base = _baseline(params.baseline, target)
    name = result_number(base.result)
    _check_same(params, base)
    verdicts = base.verdicts(questions)
    lacking = sum(one.id not in verdicts for one in questions)
    if lacking:
        message = ngettext(
            "%(name)s has no answer to %(n)s of these questions. Choose another baseline.",
            "%(name)s has no answers to %(n)s of these questions. Choose another baseline.",
            lacking,
        )
        raise LaunchError(message % {"name": name, "n": lacking}, "baseline")
    if sum(right is not None for right in verdicts.values()) < LEAST_QUESTIONS:
        message = _("%(name)s has too few scored answers. Choose another baseline.")
        raise LaunchError(message % {"name": name}, "baseline")
    least = 100 * least_margin(len(questions))
    if params.margin < least:
        message = _("%(n)s questions cannot decide within this margin. Enter %(least)s or more.")
        args = {"n": len(questions), "least": f"{ceil(10 * least) / 10:g}"}
        raise LaunchError(message % args, "margin")
    # Without a choice, ours is asked to be at least as accurate as an external baseline.
    is_ours = target.asset("deployment", params.deployment).endpoint is None
    usual: Goal = "at_least" if is_ours and base.is_external else "same"
    return Rule(name, params.margin / 100, params.goal or usual, verdicts)


def _baseline(key: str, target: Target) -> Baseline:
    if not key:
        raise LaunchError(_("Choose the baseline of the comparison."), "baseline")
    pk = result_pk(key)
    if pk is None:
        raise LaunchError(_("Results are written as res-15. Choose one from the list."), "baseline")
    found = target.baselines(pk)
    if not found:
        raise LaunchError(_("Unknown baseline. Choose one from the list."), "baseline")
    return found[0]


def _check_same(params: Any, base: Baseline) -> None:
    """Refuse settings and scoring rules that the baseline does not have."""
    number = result_number(base.result)
    for name in _SAME:
        other = base.params.get(name, type(params).model_fields[name].default)
        if other != getattr(params, name):
            message = _("The baseline %(name)s has %(value)s. Enter the same.")
            shown = THINKING_WORDS.get(other, other) if name == THINKING else other
            raise LaunchError(message % {"name": number, "value": shown}, name)
    if base.tool.rpartition(", rules ")[2] != rules_version():
        message = _(
            "%(name)s was scored by older rules. Evaluate it again, or choose another baseline."
        )
        raise LaunchError(message % {"name": number}, "baseline")


class SetsParams(VaccParams):
    """Public data sets to send. A kind gives its sets and defaults."""

    deployment: str = field(..., "Deployment", "Target", asset="deployment")
    """Deployment to evaluate."""
    datasets: tuple[str, ...]
    mmlu: Literal["all", "ten"]
    limit: int
    thinking: Thinking


class PublicSets(OnVacc, params=SetsParams):
    """Base of kinds that score a deployment on public data sets."""

    family = "evaluate"
    leads_to = ("benchmark-online", "benchmark")

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "mmlu":
            return [Choice("all", _("All 57")), Choice("ten", _("The first ten"))]
        if field == THINKING:
            return thinking_choices()
        return super().choices(field, target)

    def title_of(self, params: SetsParams, target: Target) -> str:
        """ "DeepSeek-R1, cluewsc + math_500 + mmlu"."""
        served = target.asset("deployment", params.deployment)
        return f"{served.title}, {sets_of(params)}"

    def work(self, params: Mapping[str, Any]) -> float:
        asked, limit = 0, int(params["limit"])
        for name in params["datasets"]:
            ten = name == "mmlu" and params.get("mmlu") == "ten"
            questions, subsets = _TEN_OF_MMLU if ten else _SETS[name]
            asked += min(questions, limit * subsets) if limit else questions
        return work_of_questions(asked, params)


def mmlu_field(default: Literal["all", "ten"]) -> Any:
    description = "All 57 subsets of MMLU, or the first ten alphabetically."
    return field(default, "Subsets of MMLU", "Questions", description=description)


def work_of_questions(asked: int, params: Mapping[str, Any]) -> float:
    return asked * int(params.get("samples") or 1) / int(params["batch"])


def sets_of(params: SetsParams) -> str:
    """Return the sets for titles and results: "gsm8k + mmlu (10), first 50, thinking off"; of a
    drawn limit "50 of each, seed 7"."""
    names = " + ".join(
        f"{one} (10)" if one == "mmlu" and params.mmlu == "ten" else one for one in params.datasets
    )
    seed = drawing_seed(params)
    limited = f"first {params.limit}" if seed is None else f"{params.limit} of each, seed {seed}"
    parts = [names, *([limited] if params.limit else [])]
    samples = getattr(params, "samples", 1)
    parts += [f"{samples} samples each"] if samples > 1 else []
    return ", ".join([*parts, *workload_part(params.thinking)])


def check_sets(params: SetsParams) -> None:
    """Refuse a set that is entered twice, and a limit above the size of the largest set."""
    if len(set(params.datasets)) < len(params.datasets):
        raise LaunchError(_("Enter each data set only once."), "datasets")
    check_limit(params.limit, max(_SETS[name][0] for name in params.datasets))


def drawing_seed(params: SetsParams) -> int | None:
    """Return the seed that draws the questions; None: all are sent, or the first ones."""
    is_fixed = not params.limit or is_exact(params) or set(params.datasets) == {_UNDRAWN}
    return None if is_fixed else getattr(params, "question_seed", None)


def limited_remark(params: SetsParams) -> list[Message]:
    """Return remarks if only the first or the drawn questions were sent."""
    if not params.limit:
        return []
    seed, args = drawing_seed(params), {"questions": params.limit}
    if seed is None:
        return [Message("evaluate:limited", args)]
    undrawn = [Message("evaluate:undrawn", args)] if _UNDRAWN in params.datasets else []
    return [Message("evaluate:drawn", {**args, "seed": seed}), *undrawn]


def accuracy_message(
    macro: float, weighted: float | None, sets: int, questions: int | None
) -> Message:
    """Return the message of a scored run: of several sets, or with unknown sizes, both means."""
    if sets == 1 and weighted is not None and questions:
        return Message("evaluate:done", {"accuracy": 100 * weighted, "questions": questions})
    args = {
        "macro": 100 * macro,
        "weighted": "?" if weighted is None else 100 * weighted,
        "sets": sets,
        "questions": questions or "?",
    }
    return Message("evaluate:means", args)
