"""Evaluate with questions of the dashboard or the team: by EvalScope, or by OpenCompass."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from pydantic import field_validator

from jobs.base.errors import LaunchError
from jobs.base.numbers import result_number, result_pk
from jobs.catalog import QUESTION_SETS, Question
from jobs.kinds.lib import evaluations
from jobs.kinds.lib.base import AssetRef, Baseline, Choice, Kind, KindParams, Target, field
from jobs.kinds.lib.common import against, key_of, site
from jobs.kinds.lib.evaluations import (
    THINKING,
    THINKING_WORDS,
    Thinking,
    extra_body,
    workload_part,
)
from jobs.kinds.lib.load import about_tokens, check_answer, check_limit
from jobs.plans import Plan
from jobs.statistics.paired import Goal, least_margin
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.evalscope.commands import Rule, rules_version
from jobs.tools.lib import variants
from jobs.tools.lib.environments import EVALSCOPE
from jobs.tools.opencompass import commands as opencompass
from jobs.tools.opencompass.commands import OUTPUTS


def question_tokens(questions: Iterable[Question]) -> int:
    """Return about the tokens of the longest question with its choices, and the tool's prompt
    around it."""
    return 64 + about_tokens(" ".join((one.question, *one.choices)) for one in questions)


# Of the included sets.
QUESTION_TOKENS = max(question_tokens(one.questions) for one in QUESTION_SETS.included.values())
# An early stop with fewer questions has first looks with a question of each subset only.
_LEAST_QUESTIONS = 40
_EARLY = ("stop_early", "1")
# Settings that change answers: both sides of an early stop need the same.
_SAME = ("max_tokens", "temperature", THINKING)
# Of a deployment that states none: prompts are short.
_MAX_TOTAL = 131072


class QuestionParams(KindParams):
    """Questions to send, and their settings. Lengths are in tokens."""

    deployment: str = field(..., "Deployment", "Target", asset="deployment")
    """Deployment to evaluate."""
    questions: str = field("basics", "Questions", "Questions", max_length=48)
    """Included questions, or a set of the team."""
    language: Literal["all", "en", "zh"] = field(
        "all", "Language", "Questions", speaks="deployment"
    )
    """Questions in this language only. A model that knows one language defaults to it."""
    limit: int = evaluations.limit_field(0, set_size="questions")
    """Sample size, drawn at random with the share of each category. 0: all questions."""
    question_seed: int | None = evaluations.seed_field()
    """Draws the sample: the same number draws the same questions."""
    max_tokens: int = evaluations.answer_field(
        *(64, 8192),
        thinks=("deployment", 8192),
        within=(("deployment", "max_total", 0.75),),
        beside=("deployment", QUESTION_TOKENS),
    )
    """Answers are cut off at this length. Reasoning models need thousands."""
    temperature: float = evaluations.temperature_field(
        0.0, "0: greedy decoding, so that a second run gives the same answers."
    )
    samples: int = evaluations.samples_field()
    batch: int = evaluations.batch_field()
    retries: int = evaluations.retries_field()
    thinking: Thinking = evaluations.thinking_field()


class EvaluateParams(QuestionParams):
    """Also when to stop early."""

    stop_early: bool = field(False, "Stop early", "Early stop")
    """Ask in ten parts, in random order, and stop when the comparison with a baseline is
    decided."""
    baseline: str = field("", "Baseline", "Early stop", max_length=20, when=_EARLY)
    """Evaluation with the same questions and settings."""
    goal: Goal | Literal[""] = field("", "Question asked", "Early stop", when=_EARLY)
    """Answered by the verdict."""
    margin: float = field(1.0, "Margin", "Early stop", "points", ge=0.01, le=50.0, when=_EARLY)
    """Smaller differences do not count."""

    @field_validator("baseline")
    @classmethod
    def _in_one_spelling(cls, text: str) -> str:
        """Return "res-17" for "RES-17"; text that is no result's number unchanged."""
        pk = result_pk(text)
        return text if pk is None else result_number(pk)


class Evaluate(Kind, params=EvaluateParams):
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
    steps = variants.RESUME_STEPS
    clients: ClassVar[Sequence[str]] = evalscope.CLIENTS
    leads_to = ("benchmark",)

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "questions":
            sets = QUESTION_SETS.items()
            return [Choice(key, f"{each.name} ({len(each.questions)})") for key, each in sets]
        if field == "baseline":
            choices = [Choice("", "")]
            for one in target.baselines(None):
                number = result_number(one.result)
                simulated = f", {_('simulated')}" if one.is_simulated else ""
                label = f"{number} {one.title} ({one.questions}){simulated}"
                choices.append(Choice(number, label))
            return choices
        if field == "language":
            return [Choice("all", _("all")), Choice("en", _("English")), Choice("zh", _("Chinese"))]
        if field == "goal":
            usual = _("At least as accurate as an external baseline; else: equally accurate?")
            return [Choice("", usual), *goal_choices()]
        return evaluations.thinking_choices() if field == THINKING else None

    def title_of(self, params: QuestionParams, target: Target) -> str:
        """ "smollm2-135m-instruct-int8, basics"."""
        served = target.asset("deployment", params.deployment)
        return ", ".join([served.title, params.questions, *workload_part(params.thinking)])

    def plan(self, params: EvaluateParams, target: Target) -> Plan:
        """One step: EvalScope generates and scores. The plan contains the questions."""
        served, here = target.asset("deployment", params.deployment), site(target)
        work = (params, questions_of(params, served), here)
        key, body = key_of(served), extra_body(served, params.thinking)
        if params.stop_early:
            rule = _rule(params, work[1], target)
            plan = evalscope.decided_plan(*work, rule=rule, key=key, extra_body=body)
        else:
            plan = evalscope.eval_plan(*work, key=key, extra_body=body)
        return against(plan, served, here.python)

    def resumed(self, plan: Plan, earlier: str) -> Plan | None:
        """EvalScope asks only what is not answered yet, and scores all."""
        return variants.resumed(plan, earlier, step="ask", folder="eval", words=evalscope.CONTINUE)

    def work(self, params: Mapping[str, Any]) -> float:
        asked = len(QUESTION_SETS[params["questions"]].spoken(params.get("language", "all")))
        asked = min(asked, int(params["limit"]) or asked)
        return evaluations.work_of_questions(asked, params)


def questions_of(params: QuestionParams, served: AssetRef) -> tuple[Question, ...]:
    chosen = QUESTION_SETS.get(params.questions)
    if chosen is None:
        team_set = QUESTION_SETS.of_team(params.questions)
        if team_set is not None:
            raise LaunchError(_("Name the version too: %(key)s."), "questions", key=team_set.key)
        raise LaunchError(_("Unknown question set. Choose one from the list."), "questions")
    known = chosen.spoken(params.language)
    if not known:
        raise LaunchError(_("The set has no question in this language."), "language")
    check_limit(params.limit, len(known))
    evaluations.check_seed(params.question_seed, params.limit)
    questions = chosen.part(params.limit, params.question_seed or 0, params.language)
    check_answer(served.data, "max_tokens", params.max_tokens, question_tokens(questions))
    evaluations.check_samples(params.samples, params.temperature)
    return questions


def goal_choices() -> list[Choice]:
    return [
        Choice("at_least", _("Is the result at least as accurate?")),
        Choice("same", _("Are both equally accurate?")),
    ]


def _rule(params: EvaluateParams, questions: Sequence[Question], target: Target) -> Rule:
    """Return the rule of an early stop."""
    if len(questions) < _LEAST_QUESTIONS:
        message = _("An early stop needs at least %(n)s questions.")
        raise LaunchError(message, "stop_early", n=_LEAST_QUESTIONS)
    if params.samples > 1:
        message = _("An early stop compares one answer to each question. Enter 1.")
        raise LaunchError(message, "samples")
    base = _baseline(params, target)
    name = result_number(base.result)
    verdicts = base.verdicts(questions)
    lacking = sum(one.id not in verdicts for one in questions)
    if lacking:
        message = ngettext(
            "%(name)s has no answer to %(n)s of these questions. Choose another baseline.",
            "%(name)s has no answers to %(n)s of these questions. Choose another baseline.",
            lacking,
        )
        raise LaunchError(message, "baseline", name=name, n=lacking)
    if sum(right is not None for right in verdicts.values()) < _LEAST_QUESTIONS:
        message = _("%(name)s has too few scored answers. Choose another baseline.")
        raise LaunchError(message, "baseline", name=name)
    least = 100 * least_margin(len(questions))
    if params.margin < least:
        message = _("%(n)s questions cannot decide within this margin. Enter %(least)s or more.")
        shown = f"{ceil(10 * least) / 10:g}"
        raise LaunchError(message, "margin", n=len(questions), least=shown)
    # Without a choice, ours is asked to be at least as accurate as an external baseline.
    is_ours = target.asset("deployment", params.deployment).endpoint is None
    usual: Goal = "at_least" if is_ours and base.is_external else "same"
    return Rule(name, params.margin / 100, params.goal or usual, verdicts)


def _baseline(params: EvaluateParams, target: Target) -> Baseline:
    """Return the baseline of an early stop, which has the same settings and scoring rules."""
    if not params.baseline:
        raise LaunchError(_("Choose the baseline of the comparison."), "baseline")
    pk = result_pk(params.baseline)
    if pk is None:
        raise LaunchError(_("Results are written as res-15. Choose one from the list."), "baseline")
    base = next(iter(target.baselines(pk)), None)
    if base is None:
        raise LaunchError(_("Unknown baseline. Choose one from the list."), "baseline")
    for name in _SAME:
        other = base.params.get(name, type(params).model_fields[name].default)
        if other != getattr(params, name):
            message = _("The baseline %(name)s has %(value)s. Enter the same.")
            value = THINKING_WORDS.get(other, other) if name == THINKING else other
            raise LaunchError(message, name, name=params.baseline, value=value)
    if base.tool.rpartition(", rules ")[2] != rules_version():
        message = _(
            "%(name)s was scored by older rules. Evaluate it again, or choose another baseline."
        )
        raise LaunchError(message, "baseline", name=params.baseline)
    return base


class EvaluateOpencompassQuestions(Evaluate, params=QuestionParams):
    """Send questions through OpenCompass: same prompts and rules as Evaluate, another tool."""

    name = opencompass.QUESTIONS
    title = "Evaluate with OpenCompass, own questions"
    reads = "tools.outputs.questions_reading.by_opencompass"
    progress = "tools.outputs.progress.sets"
    environment = opencompass.NAME
    tool = "OpenCompass"
    programs = opencompass.QUESTIONS_PROGRAMS
    clients = ()

    def plan(self, params: QuestionParams, target: Target) -> Plan:
        served, here = target.asset("deployment", params.deployment), site(target)
        plan = opencompass.questions_plan(
            *(params, questions_of(params, served), here),
            model=str(served.data["name"]),
            max_total=int(served.data.get("max_total") or _MAX_TOTAL),
            key=key_of(served),
            extra_body=extra_body(served, params.thinking),
        )
        return against(plan, served, here.python)

    def resumed(self, plan: Plan, earlier: str) -> Plan | None:
        words = opencompass.CONTINUE
        return variants.resumed(plan, earlier, step="evaluate", folder=OUTPUTS, words=words)
