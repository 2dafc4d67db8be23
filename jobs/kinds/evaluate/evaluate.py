"""Evaluate: send questions to a deployment and score its answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext as _
from pydantic import Field, field_validator

from jobs.base.errors import LaunchError
from jobs.catalog import QUESTION_SETS, Question, QuestionSet
from jobs.kinds.lib import early_stops, evaluations, work
from jobs.kinds.lib.base import AssetRef, Choice, Kind, KindParams, Target
from jobs.kinds.lib.common import against, deployment_field, site
from jobs.kinds.lib.lengths import about_tokens, check_answer, check_limit
from jobs.kinds.lib.thinking import (
    NAME,
    Thinking,
    extra_body,
    thinking_choices,
    thinking_field,
    workload_part,
)
from jobs.plans import Plan
from jobs.statistics.paired import Goal
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.evalscope import early_stop
from jobs.tools.lib import resuming
from jobs.tools.lib.environments import EVALSCOPE


def question_tokens(questions: Iterable[Question]) -> int:
    """Return about the tokens of the longest question with its choices, and the tool's prompt
    around it."""
    return 64 + about_tokens(" ".join((one.question, *one.choices)) for one in questions)


# Of the included sets.
QUESTION_TOKENS = max(question_tokens(one.questions) for one in QUESTION_SETS.included.values())


class Params(KindParams):
    """Questions to send, and their settings. Lengths are in tokens."""

    deployment: str = deployment_field("Deployment to evaluate.")
    questions: str = Field(
        "basics",
        max_length=48,
        description="Included questions, or a set of the team.",
        json_schema_extra={"label": "Questions", "group": "Questions"},
    )
    language: Literal["all", "en", "zh"] = Field(
        "all",
        description="Questions in this language only. A model that knows one language defaults to "
        "it.",
        json_schema_extra={"label": "Language", "group": "Questions", "speaks": "deployment"},
    )
    limit: int = evaluations.limit_field(
        0,
        "Sample size, drawn at random with the share of each category. 0: all questions.",
        set_size="questions",
    )
    question_seed: int | None = evaluations.seed_field(
        "Draws the sample: the same number draws the same questions."
    )
    max_tokens: int = evaluations.answer_field(
        64,
        8192,
        "Answers are cut off at this length. Reasoning models need thousands.",
        thinks=["deployment", 8192],
        within=[["deployment", "max_total", 0.75]],
        beside=["deployment", QUESTION_TOKENS],
    )
    temperature: float = evaluations.temperature_field(
        0.0, "0: greedy decoding, so that a second run gives the same answers."
    )
    samples: int = evaluations.samples_field()
    batch: int = evaluations.batch_field()
    retries: int = evaluations.retries_field()
    thinking: Thinking = thinking_field()


class EvalScopeParams(Params):
    """Also when to stop early."""

    stop_early: bool = early_stops.stop_field()
    baseline: str = early_stops.baseline_field()
    goal: Goal | Literal[""] = early_stops.goal_field()
    margin: float = early_stops.margin_field()

    @field_validator("baseline")
    @classmethod
    def _named(cls, text: str) -> str:
        return early_stops.one_spelling(text)


class Evaluate(Kind, params=EvalScopeParams):
    """Send questions to a deployment and score its answers."""

    name = "evaluate"
    title = "Evaluate"
    reads = "tools.outputs.questions_reading.by_evalscope"
    progress = "tools.outputs.progress.share_of_looks_or_runs"
    family = "evaluate"
    environment = EVALSCOPE
    tool: ClassVar[str] = "evalscope"  # in results
    answer_limit = "max_tokens"
    programs: ClassVar[Sequence[str]] = evalscope.PROGRAMS
    steps = resuming.STEPS
    clients: ClassVar[Sequence[str]] = evalscope.CLIENTS

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        """Return the choices of ``field`` on this host."""
        if field == "questions":
            sets = QUESTION_SETS.items()
            return [Choice(key, f"{each.name} ({len(each.questions)})") for key, each in sets]
        if field == "baseline":
            return early_stops.baseline_choices(target)
        if field == "language":
            return [Choice("all", _("all")), Choice("en", _("English")), Choice("zh", _("Chinese"))]
        if field == "goal":
            return [early_stops.usual_choice(), *early_stops.goal_choices()]
        return thinking_choices() if field == NAME else None

    def title_of(self, params: Params, target: Target) -> str:
        """ "smollm2-135m-instruct-int8, basics"."""
        served = target.asset("deployment", params.deployment)
        return ", ".join([served.title, params.questions, *workload_part(params.thinking)])

    def plan(self, params: Params, target: Target) -> Plan:
        """One step: EvalScope generates and scores. The plan contains the questions."""
        served, here = target.asset("deployment", params.deployment), site(target)
        asking = evalscope.QuestionRun(
            questions=questions_of(params, served),
            max_tokens=params.max_tokens,
            temperature=params.temperature,
            samples=params.samples,
            batch=params.batch,
            retries=params.retries,
            key=str(served.data.get("api_key") or ""),
            extra_body=extra_body(served, params.thinking),
        )
        rule = early_stops.rule_of(params, asking.questions, target)
        if rule is None:
            return against(evalscope.eval_plan(asking, here), served, here.python)
        made = early_stop.decided_plan(asking, rule, here, params.question_seed or 0)
        return against(made, served, here.python)

    def successors(self, params: Params) -> Sequence[str]:
        """Speed of the same deployment."""
        return ("benchmark",)

    def resumed(self, plan: Plan, earlier: str) -> Plan | None:
        """EvalScope asks only what is not answered yet, and scores all."""
        return resuming.resumed(plan, earlier, step="ask", folder="eval", words=evalscope.CONTINUE)

    def work(self, params: Mapping[str, Any]) -> float:
        """Questions, in parallel."""
        return work.shipped_questions(params)


def questions_of(params: Params, served: AssetRef) -> tuple[Question, ...]:
    """Return the questions to send.

    Raises:
        LaunchError: at the field that does not fit the set or the deployment.
    """
    chosen = question_set(params.questions)
    known = chosen.spoken(params.language)
    if not known:
        raise LaunchError(_("The set has no question in this language."), "language")
    check_limit(params.limit, len(known))
    evaluations.check_seed(params.question_seed, params.limit)
    questions = chosen.part(params.limit, params.question_seed or 0, params.language)
    check_answer(served.data, "max_tokens", params.max_tokens, question_tokens(questions))
    evaluations.check_samples(params.samples, params.temperature)
    return questions


def question_set(key: str) -> QuestionSet:
    """Return the set that a job names.

    Raises:
        LaunchError: unknown, or a set of the team without its version.
    """
    chosen = QUESTION_SETS.get(key)
    if chosen is not None:
        return chosen
    team_set = QUESTION_SETS.of_team(key)
    if team_set is not None:
        message = _("Name the version too: %(key)s.") % {"key": team_set.key}
        raise LaunchError(message, "questions")
    raise LaunchError(_("Unknown question set. Choose one from the list."), "questions")
