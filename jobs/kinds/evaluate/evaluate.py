"""Evaluate: send questions to a deployment and score its answers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext as _
from pydantic import field_validator

from jobs.base.errors import LaunchError
from jobs.base.numbers import result_number, result_pk
from jobs.catalog import QUESTION_SETS, Question, QuestionSet
from jobs.kinds.lib import evaluations
from jobs.kinds.lib.base import AssetRef, Choice, Kind, KindParams, Target, field
from jobs.kinds.lib.common import against, key_of, options_from, site
from jobs.kinds.lib.evaluations import THINKING, Thinking, extra_body, workload_part
from jobs.kinds.lib.load import about_tokens, check_answer, check_limit
from jobs.plans import Plan
from jobs.statistics.paired import Goal
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.lib import variants
from jobs.tools.lib.environments import EVALSCOPE


def question_tokens(questions: Iterable[Question]) -> int:
    """Return about the tokens of the longest question with its choices, and the tool's prompt
    around it."""
    return 64 + about_tokens(" ".join((one.question, *one.choices)) for one in questions)


# Of the included sets.
QUESTION_TOKENS = max(question_tokens(one.questions) for one in QUESTION_SETS.included.values())
_EARLY = (evaluations.STOP_FIELDS[0], "1")


class Params(KindParams):
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


class EvalScopeParams(Params):
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
    steps = variants.RESUME_STEPS
    clients: ClassVar[Sequence[str]] = evalscope.CLIENTS
    leads_to = ("benchmark",)

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "questions":
            sets = QUESTION_SETS.items()
            return [Choice(key, f"{each.name} ({len(each.questions)})") for key, each in sets]
        if field == "baseline":
            return evaluations.baseline_choices(target)
        if field == "language":
            return [Choice("all", _("all")), Choice("en", _("English")), Choice("zh", _("Chinese"))]
        if field == "goal":
            usual = _("At least as accurate as an external baseline; else: equally accurate?")
            return [Choice("", usual), *evaluations.goal_choices()]
        return evaluations.thinking_choices() if field == THINKING else None

    def title_of(self, params: Params, target: Target) -> str:
        """ "smollm2-135m-instruct-int8, basics"."""
        served = target.asset("deployment", params.deployment)
        return ", ".join([served.title, params.questions, *workload_part(params.thinking)])

    def plan(self, params: Params, target: Target) -> Plan:
        """One step: EvalScope generates and scores. The plan contains the questions."""
        served, here = target.asset("deployment", params.deployment), site(target)
        asking = options_from(
            params,
            evalscope.QuestionRun,
            questions=questions_of(params, served),
            key=key_of(served),
            extra_body=extra_body(served, params.thinking),
        )
        rule = evaluations.rule_of(params, asking.questions, target)
        if rule is None:
            plan = evalscope.eval_plan(asking, here)
        else:
            plan = evalscope.decided_plan(asking, rule, here, params.question_seed or 0)
        return against(plan, served, here.python)

    def resumed(self, plan: Plan, earlier: str) -> Plan | None:
        """EvalScope asks only what is not answered yet, and scores all."""
        return variants.resumed(plan, earlier, step="ask", folder="eval", words=evalscope.CONTINUE)

    def work(self, params: Mapping[str, Any]) -> float:
        asked = len(QUESTION_SETS[params["questions"]].spoken(params.get("language", "all")))
        asked = min(asked, int(params["limit"]) or asked)
        return evaluations.work_of_questions(asked, params)


def questions_of(params: Params, served: AssetRef) -> tuple[Question, ...]:
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
    chosen = QUESTION_SETS.get(key)
    if chosen is not None:
        return chosen
    team_set = QUESTION_SETS.of_team(key)
    if team_set is not None:
        message = _("Name the version too: %(key)s.") % {"key": team_set.key}
        raise LaunchError(message, "questions")
    raise LaunchError(_("Unknown question set. Choose one from the list."), "questions")
