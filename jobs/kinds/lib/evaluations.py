"""Shared code of evaluations: fields, and the base of those on public data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.kinds.lib import work
from jobs.kinds.lib.base import Choice, Target
from jobs.kinds.lib.common import deployment_field
from jobs.kinds.lib.lengths import check_limit
from jobs.kinds.lib.thinking import NAME, Thinking, thinking_choices, workload_part
from jobs.kinds.lib.vacc import OnVacc, VaccParams, is_exact

_UNDRAWN = "ceval"  # the sizes of its subsets are unknown before the run
RECOMMENDED = "DeepSeek recommends 0.5 to 0.7 and several runs for R1."


def limit_field(default: int, description: str, **extra: Any) -> Any:
    """Return the field ``limit``."""
    return Field(
        default,
        ge=0,
        le=100000,
        description=description,
        json_schema_extra={
            "label": "Question limit",
            "unit": "questions",
            "group": "Questions",
            **extra,
        },
    )


def seed_field(description: str) -> Any:
    """Return the field ``question_seed``. None: older jobs, which drew nothing."""
    return Field(
        None,
        ge=0,
        le=999_999,
        description=description,
        json_schema_extra={"label": "Question seed", "group": "Questions", "at_launch": 0},
    )


def check_seed(seed: int | None, limit: int) -> None:
    """Refuse a seed that draws nothing.

    Raises:
        LaunchError: at the field ``question_seed``.
    """
    if seed and not limit:
        message = _("A seed needs a question limit: all questions are sent.")
        raise LaunchError(message, "question_seed")


def answer_field(default: int, most: int, description: str, **extra: Any) -> Any:
    """Return the field of max output tokens; ``most`` is its upper bound."""
    return Field(
        default,
        ge=1,
        le=most,
        description=description,
        json_schema_extra={
            "label": "Max output tokens",
            "unit": "tokens",
            "group": "Answers",
            **extra,
        },
    )


def temperature_field(default: float = 0.6, description: str = RECOMMENDED) -> Any:
    """Return the field ``temperature``."""
    return Field(
        default,
        ge=0.0,
        le=2.0,
        description=description,
        json_schema_extra={"label": "Temperature", "group": "Answers"},
    )


def samples_field() -> Any:
    """Return the field ``samples``."""
    return Field(
        1,
        ge=1,
        le=64,
        description="Answers to each question; the score is their mean (pass@1). More than one "
        "needs a temperature above 0.",
        json_schema_extra={"label": "Samples per question", "group": "Answers"},
    )


def check_samples(samples: int, temperature: float) -> None:
    """Refuse several answers to a question that are all the same.

    Raises:
        LaunchError: at the field ``samples``.
    """
    if samples > 1 and temperature == 0:
        message = _("At temperature 0 all samples are the same. Raise the temperature, or enter 1.")
        raise LaunchError(message, "samples")


def batch_field(description: str = "Max concurrent questions.") -> Any:
    """Return the field ``batch``."""
    return Field(
        4,
        ge=1,
        le=256,
        description=description,
        json_schema_extra={"label": "Concurrency", "unit": "questions", "group": "Answers"},
    )


def retries_field(
    default: int = 2,
    description: str = "How often a failed request is sent again. A question that still fails has "
    "no score.",
) -> Any:
    """Return the field ``retries``."""
    return Field(
        default,
        ge=0,
        le=10,
        description=description,
        json_schema_extra={"label": "Retries", "group": "Answers"},
    )


def mmlu_field(default: Literal["all", "ten"]) -> Any:
    """Return the field ``mmlu``."""
    return Field(
        default,
        description="All 57 subsets of MMLU, or the first ten alphabetically.",
        json_schema_extra={"label": "Subsets of MMLU", "group": "Questions"},
    )


class SetsParams(VaccParams):
    """Public data sets to send. A kind gives its sets and defaults."""

    deployment: str = deployment_field("Deployment to evaluate.")
    datasets: tuple[str, ...]
    mmlu: Literal["all", "ten"]
    limit: int
    thinking: Thinking


class PublicSets(OnVacc, params=SetsParams):
    """Base of kinds that score a deployment on public data sets."""

    family = "evaluate"

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        """Return the choices of ``field`` on this host."""
        if field == "mmlu":
            return [Choice("all", _("All 57")), Choice("ten", _("The first ten"))]
        if field == NAME:
            return thinking_choices()
        return super().choices(field, target)

    def title_of(self, params: SetsParams, target: Target) -> str:
        """ "DeepSeek-R1, cluewsc + math_500 + mmlu"."""
        served = target.asset("deployment", params.deployment)
        return f"{served.title}, {sets_of(params)}"

    def successors(self, params: SetsParams) -> Sequence[str]:
        """Speed of the same deployment."""
        return ("benchmark-online", "benchmark")

    def work(self, params: Mapping[str, Any]) -> float:
        """Questions of all sets, in parallel."""
        return work.public_questions(params)


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
    """Refuse a set that is entered twice, and a limit above the size of the largest set.

    Raises:
        LaunchError: at the field.
    """
    if len(set(params.datasets)) < len(params.datasets):
        raise LaunchError(_("Enter each data set only once."), "datasets")
    check_limit(params.limit, work.questions_of_largest(params.datasets))


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
