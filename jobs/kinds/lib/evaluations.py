"""Shared code of evaluations: fields, thinking, amount of work."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.base.errors import LaunchError
from jobs.catalog import MODELS
from jobs.kinds.lib.base import AssetRef, Choice, field
from jobs.tools.lib import load
from jobs.tools.lib.load import Body

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
    if switch := switch_of(served):
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
    raise LaunchError(message, THINKING, name=served.title, default=THINKING_WORDS[""])


def workload_part(chosen: Thinking) -> list[str]:
    """Return the part of a workload's text: "thinking off"; [] for the default."""
    return [f"thinking {chosen}"] if chosen else []


def work_of_questions(asked: int, params: Mapping[str, Any]) -> float:
    return asked * int(params.get("samples") or 1) / int(params["batch"])
