"""Evaluate with questions of the dashboard or the team, or on public data sets."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import ceil
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from pydantic import field_validator

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.base.numbers import result_number, result_pk
from jobs.catalog import QUESTION_SETS, Question, Stack
from jobs.catalog.data_sets import BY_EVALSCOPE, BY_OPENCOMPASS
from jobs.kinds.lib import common, evaluations, vacc
from jobs.kinds.lib.base import AssetRef, BaselineRun, Choice, Kind, KindParams, Target, field
from jobs.kinds.lib.load import COUNTERS, about_tokens, check_answer, check_limit
from jobs.plans import Plan
from jobs.statistics.paired import Goal, least_margin
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.evalscope.commands import Rule, rules_version
from jobs.tools.lib import variants
from jobs.tools.lib.environments import EVALSCOPE
from jobs.tools.lib.folders import DATA_FOLDER
from jobs.tools.opencompass import commands as opencompass
from jobs.tools.opencompass.commands import CEVAL, FOLLOW, OUTPUTS
from jobs.tools.vacc.downloads import HF_MIRROR
from jobs.tools.vllm import serve as vllm


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
_SAME = ("max_tokens", "temperature", evaluations.THINKING)
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
    thinking: evaluations.Thinking = evaluations.thinking_field()


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
    good_for = "Included questions or your own. Each answer can be read, verdicts can stop early."
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
        return evaluations.thinking_choices() if field == evaluations.THINKING else None

    def title_of(self, params: QuestionParams, target: Target) -> str:
        """ "smollm2-135m-instruct-int8, basics"."""
        served = target.asset("deployment", params.deployment)
        return ", ".join(
            [served.title, params.questions, *evaluations.workload_part(params.thinking)]
        )

    def plan(self, params: EvaluateParams, target: Target) -> Plan:
        """One step: EvalScope generates and scores. The plan contains the questions."""
        served, here = target.asset("deployment", params.deployment), common.site(target)
        work = (params, questions_of(params, served), here)
        key, body = common.key_of(served), evaluations.extra_body(served, params.thinking)
        if params.stop_early:
            rule = _rule(params, work[1], target)
            plan = evalscope.decided_plan(*work, rule=rule, key=key, extra_body=body)
        else:
            plan = evalscope.eval_plan(*work, key=key, extra_body=body)
        return common.against(plan, served, here.python)

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


def _baseline(params: EvaluateParams, target: Target) -> BaselineRun:
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
            value = (
                evaluations.THINKING_WORDS.get(other, other)
                if name == evaluations.THINKING
                else other
            )
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
    good_for = "The questions of Evaluate with another tool, to confirm a score."
    reads = "tools.outputs.questions_reading.by_opencompass"
    progress = "tools.outputs.progress.sets"
    environment = opencompass.NAME
    tool = "OpenCompass"
    programs = opencompass.QUESTIONS_PROGRAMS
    clients = ()

    def plan(self, params: QuestionParams, target: Target) -> Plan:
        served, here = target.asset("deployment", params.deployment), common.site(target)
        plan = opencompass.questions_plan(
            *(params, questions_of(params, served), here),
            model=str(served.data["name"]),
            max_total=int(served.data.get("max_total") or _MAX_TOTAL),
            key=common.key_of(served),
            extra_body=evaluations.extra_body(served, params.thinking),
        )
        return common.against(plan, served, here.python)

    def resumed(self, plan: Plan, earlier: str) -> Plan | None:
        words = opencompass.CONTINUE
        return variants.resumed(plan, earlier, step="evaluate", folder=OUTPUTS, words=words)


# Public sets by the names of both tools: (questions, subsets; a limit counts for each subset).
_SETS: Mapping[str, tuple[int, int]] = {
    name: (one.questions, one.subsets)
    for sets in (BY_OPENCOMPASS, BY_EVALSCOPE)
    for name, one in sets.items()
}
_TEN_OF_MMLU = (1369, 10)
_GUIDE_ABBR = "deepseek-r1-va16"
_LEAST_TOKENS = 256  # of question and answer: the minimum for both
OpencompassSets = Literal[
    "cluewsc", "math_500", "mmlu", "gsm8k", "gpqa", "aime2024", "ceval", "ifeval"
]
EvalscopeSets = Literal[
    "gsm8k", "math_500", "aime24", "aime25", "gpqa_diamond", "mmlu", "mmlu_pro", "ceval"
]


def _mmlu_field(default: Literal["all", "ten"]) -> Any:
    description = "All 57 subsets of MMLU, or the first ten alphabetically."
    return field(default, "Subsets of MMLU", "Questions", description=description)


class SetsParams(vacc.VaccParams):
    """Public data sets to send. A kind gives its sets and defaults."""

    deployment: str = field(..., "Deployment", "Target", asset="deployment")
    """Deployment to evaluate."""
    datasets: tuple[str, ...]
    mmlu: Literal["all", "ten"]
    limit: int
    question_seed: int | None
    thinking: evaluations.Thinking
    undrawn: ClassVar[str] = ""
    """The set whose first questions are asked also where others are drawn."""
    drawn: ClassVar[str] = "evaluate:drawn"
    """The remark that questions were drawn: a limit is of each set, or of each subset."""


class PublicSets(vacc.OnVacc, params=SetsParams):
    """Base of kinds that score a deployment on public data sets."""

    family = "evaluate"
    leads_to = ("benchmark-online", "benchmark")

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "mmlu":
            return [Choice("all", _("All 57")), Choice("ten", _("The first ten"))]
        if field == evaluations.THINKING:
            return evaluations.thinking_choices()
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
        return evaluations.work_of_questions(asked, params)


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
    return ", ".join([*parts, *evaluations.workload_part(params.thinking)])


def drawing_seed(params: SetsParams) -> int | None:
    """Return the seed that draws the questions; None: all are sent, or the first ones."""
    drawn = set(params.datasets) - {params.undrawn}
    is_fixed = not params.limit or vacc.is_exact(params) or not drawn
    return None if is_fixed else params.question_seed


def limited_remark(params: SetsParams) -> list[Message]:
    """Return remarks if only the first or the drawn questions were sent."""
    if not params.limit:
        return []
    seed, args = drawing_seed(params), {"questions": params.limit}
    if seed is None:
        return [Message("evaluate:limited", args)]
    undrawn = [Message("evaluate:undrawn", args)] if params.undrawn in params.datasets else []
    return [Message(params.drawn, {**args, "seed": seed}), *undrawn]


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


def _check_sets(params: SetsParams) -> None:
    if len(set(params.datasets)) < len(params.datasets):
        raise LaunchError(_("Enter each data set only once."), "datasets")
    check_limit(params.limit, max(_SETS[name][0] for name in params.datasets))


class OpencompassSetsParams(SetsParams):
    """Questions to send, and their settings. Lengths are in tokens."""

    undrawn: ClassVar[str] = "ceval"  # the sizes of its subsets are unknown before the run

    datasets: tuple[OpencompassSets, ...] = field(
        *(("cluewsc", "math_500", "mmlu"), "Data sets", "Questions"), min_length=1, max_length=8
    )
    """Choose from cluewsc (1135 questions), math_500 (500), mmlu (14042), gsm8k (1319), gpqa (198),
    aime2024 (30), ceval (1346) and ifeval (541)."""
    mmlu: Literal["all", "ten"] = _mmlu_field("all")
    limit: int = evaluations.limit_field(0)
    """Questions of each data set, drawn at random; of C-Eval and in verbatim mode the first ones.
    0: all."""
    question_seed: int | None = evaluations.seed_field()
    """Draws the questions: the same number draws the same ones."""
    dataset_source: Literal["", "modelscope"] = field("", "Dataset source", "Questions")
    """Data source of OpenCompass: the unpacked archives, or ModelScope (DATASET_SOURCE)."""
    max_answer: int = evaluations.answer_field(
        16384, 1048576, within=(("deployment", "max_total", 0.5),)
    )
    """Answers are cut off at this length (max_out_len). Reasoning models need thousands."""
    max_length: int = field(
        *(32768, "Max model length", "Answers", "tokens"),
        ge=1,
        le=1048576,
        within=(("deployment", "max_total", 1),),
    )
    """Question and answer (max_seq_len)."""
    temperature: float = evaluations.temperature_field()
    batch: int = evaluations.batch_field("Max concurrent questions; the guide sends one at a time.")
    retries: int = evaluations.retries_field(
        1,
        "How often OpenCompass sends a failed request again; the OpenAI library sends each up to "
        "twice more. A question that still fails ends its set.",
    )
    thinking: evaluations.Thinking = evaluations.thinking_field()


class EvaluateOpencompass(vacc.OnOpencompass, PublicSets, params=OpencompassSetsParams):
    """Score a deployment on the guide's data sets with OpenCompass."""

    name = "evaluate-opencompass"
    title = "Evaluate with OpenCompass"
    good_for = "The guide's public sets, comparable with its published scores."
    reads = "tools.opencompass.reading.outcome"
    progress = "tools.outputs.progress.sets"
    answer_limit = "max_answer"
    programs = opencompass.PROGRAMS
    steps: ClassVar = {**opencompass.STEPS, **variants.RESUME_STEPS}

    def notes(self, params: OpencompassSetsParams, target: Target) -> Sequence[Message]:
        served = target.asset("deployment", params.deployment).data
        notes = [
            Message("guide:config_made", {"model": str(served["name"])}),
            Message(
                "guide:conda_path", {"folder": f"{opencompass.folder(vacc.vacc_site(target))}/bin"}
            ),
        ]
        if vacc.is_exact(params):
            notes += common.guide_notes("run_collected", "one_by_one")
            longest = _longest(params, target)
            if longest and params.max_length > longest:
                args = {"length": params.max_length, "tokens": longest}
                notes.append(Message("guide:longer_than_served", args))
        else:
            notes += common.guide_notes("own_folder", "details_kept", "scored_meanwhile")
            notes.append(Message("guide:in_parallel", {"batch": params.batch}))
            notes.append(Message("guide:retries", {"retries": params.retries}))
        return [*notes, *common.guide_notes(dataset_source=params.dataset_source)]

    def plan(self, params: OpencompassSetsParams, target: Target) -> Plan:
        """A dry run, which verifies that all data exists, then the run."""
        vacc.opencompass_of(params)  # refuses a stack without OpenCompass
        site = vacc.conda_site(target)
        _check_sets(params)
        evaluations.check_seed(params.question_seed, params.limit)
        if not vacc.is_exact(params):
            _check_lengths(params, target)
        served, exact = target.asset("deployment", params.deployment), vacc.is_exact(params)
        tokenizer = served if served.endpoint is None else common.endpoint_tokenizer(served, target)
        model_id = str(served.data.get("model_id") or "")
        plan = opencompass.evaluate_plan(
            *(params, site),
            model=str(served.data["name"]),
            abbr=_GUIDE_ABBR if exact and model_id == "deepseek-r1" else model_id or "model",
            tokenizer=str(tokenizer.data.get("path") or ""),
            seed=drawing_seed(params),
            exact=exact,
            key=common.key_of(served),
            extra_body=evaluations.extra_body(served, params.thinking),
        )
        return common.against(plan, served, site.python)

    def resumed(self, plan: Plan, earlier: str) -> Plan | None:
        """OpenCompass continues the newest run of the job's folder; the guide's own commands write
        among other runs, and start over. A dry run would be the newest one."""
        if not any(item.name == FOLLOW for item in plan.files):
            return None
        steps = tuple(step for step in plan.steps if step.name != "dry-run")
        plan, folder = replace(plan, steps=steps), opencompass.OUTPUTS
        return variants.resumed(plan, earlier, step="evaluate", folder=folder, words=("-r",))


def _check_lengths(params: OpencompassSetsParams, target: Target) -> None:
    longest = _longest(params, target)
    if longest and longest < _LEAST_TOKENS:
        message = _(
            "Max model length of %(name)s is %(tokens)d tokens; these data sets need at "
            "least %(least)d. Choose a deployment with a longer context."
        )
        name = target.asset("deployment", params.deployment).title
        raise LaunchError(message, "deployment", name=name, tokens=longest, least=_LEAST_TOKENS)
    if longest and params.max_length > longest:
        message = _("Max model length of the deployment is %(tokens)d tokens, question and answer.")
        raise LaunchError(message, "max_length", tokens=longest)
    if params.max_length < _LEAST_TOKENS:
        raise LaunchError(_("At least %(ge)s."), "max_length", ge=_LEAST_TOKENS)
    if params.max_answer >= params.max_length:
        message = _("No room for the question: reduce max output tokens.")
        raise LaunchError(message, "max_answer")


def _longest(params: OpencompassSetsParams, target: Target) -> int:
    """Return the deployment's limit for question and answer; 0 if unknown."""
    return int(target.asset("deployment", params.deployment).data.get("max_total") or 0)


def group_of(dataset: str) -> str:
    """Return the group of a set: "cluewsc" for cluewsc-dev; others are their own group."""
    for prefix, group in ((opencompass.MMLU, "mmlu"), (CEVAL, "ceval")):
        if dataset.startswith(prefix):
            return group
    return re.sub(r"-(?:dev|test|val|train)$", "", dataset)


class EvalscopeSetsParams(SetsParams):
    """Questions to send, and their settings. Lengths are in tokens."""

    drawn: ClassVar[str] = "evaluate:drawn_of_subsets"

    stack: Literal["guide", "current"] = field("current", "Stack", "Stack", needs_dies=True)
    """Software stack on the host. The guide's stack scores with OpenCompass."""
    datasets: tuple[EvalscopeSets, ...] = field(
        ("math_500", "gpqa_diamond"), "Data sets", "Questions", min_length=1, max_length=8
    )
    """Choose from gsm8k (1319 questions), math_500 (500), aime24 (30), aime25 (30), gpqa_diamond
    (198), mmlu (14042), mmlu_pro (12032) and ceval (1346)."""
    mmlu: Literal["all", "ten"] = _mmlu_field("ten")
    limit: int = evaluations.limit_field(50)
    """Questions of each subset, drawn at random. 0: all."""
    question_seed: int | None = evaluations.seed_field()
    """Draws the questions: the same number draws the same ones."""
    source: Literal["modelscope", "huggingface", "folder"] = field(
        "modelscope", "Source", "Questions", without_dies="folder"
    )
    """Source of the data. An existing folder needs no network."""
    folder: str = field(
        *("", "Folder", "Questions"), max_length=400, pattern=common.PATH, when=("source", "folder")
    )
    """Folder with one subfolder per data set, named like the data set. Empty: the host's folder of
    data sets."""
    endpoint: str = field(
        *(HF_MIRROR, "Hub address", "Questions"),
        max_length=200,
        pattern=r"^https?://[A-Za-z0-9][A-Za-z0-9._:/-]*$",
        when=("source", "huggingface"),
        source="hub",
    )
    """Hub address (HF_ENDPOINT)."""
    max_tokens: int = evaluations.answer_field(
        16384, 1048576, within=(("deployment", "max_total", 0.5),)
    )
    """Answers are cut off at this length. Reasoning models need thousands."""
    temperature: float = evaluations.temperature_field()
    top_p: float = field(0.95, "Top-p", "Answers", gt=0.0, le=1.0)
    """Nucleus sampling: samples from the most likely tokens up to this total probability."""
    samples: int = evaluations.samples_field()
    batch: int = evaluations.batch_field()
    retries: int = evaluations.retries_field()
    thinking: evaluations.Thinking = evaluations.thinking_field()


class EvaluateEvalscope(PublicSets, params=EvalscopeSetsParams):
    """Score a deployment on published data sets with EvalScope."""

    name = "evaluate-evalscope"
    title = "Evaluate with EvalScope"
    good_for = "Public sets such as GSM8K, MATH-500, AIME and GPQA, on any host."
    reads = "tools.evalscope.eval_reading.outcome"
    progress = "tools.outputs.progress.share_of_runs"
    has_dies = None
    environment = EVALSCOPE
    answer_limit = "max_tokens"
    programs = evalscope.SETS_PROGRAMS
    steps = variants.RESUME_STEPS
    clients = evalscope.SETS_CLIENTS

    def runs_on(self, stack: Stack) -> bool:
        return bool(stack.evaluation.evalscope)

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "source":
            return vacc.source_choices("modelscope", "huggingface", "folder")
        if field == "stack" and not target.has_dies:
            return None  # not in the form there
        return super().choices(field, target)

    def notes(self, params: EvalscopeSetsParams, target: Target) -> Sequence[Message]:
        key = common.key_of(target.asset("deployment", params.deployment))
        return common.guide_notes(evalscope_command=target.has_dies, evalscope_key=key)

    def plan(self, params: EvalscopeSetsParams, target: Target) -> Plan:
        """EvalScope generates and scores; from a hub, a step before downloads each set."""
        here, served = common.site(target), target.asset("deployment", params.deployment)
        if not vacc.stack_of(params).evaluation.evalscope:
            raise LaunchError(_("This stack uses OpenCompass instead of EvalScope."), "stack")
        _check_sets(params)
        evaluations.check_seed(params.question_seed, params.limit)
        evaluations.check_samples(params.samples, params.temperature)
        longest = served.data.get("max_total")
        if longest and params.max_tokens >= int(longest):
            message = _(
                "Max model length of the deployment is %(tokens)d tokens, question and answer."
            )
            raise LaunchError(message, "max_tokens", tokens=int(longest))
        plan = evalscope.sets_plan(
            *(params, here),
            folder=_folder(params.folder, target) if params.source == "folder" else "",
            seed=drawing_seed(params),
            metrics=COUNTERS.get(str(served.data.get("toolchain")), vllm.METRICS),
            key=common.key_of(served),
            extra_body=evaluations.extra_body(served, params.thinking),
        )
        return common.against(plan, served, here.python)

    def resumed(self, plan: Plan, earlier: str) -> Plan | None:
        return variants.resumed(plan, earlier, step="ask", folder="eval", words=evalscope.CONTINUE)


def _folder(path: str, target: Target) -> str:
    """Return the folder with the sets: below the workspace of a host with cards, else below the
    host's folder of data sets, which is the default."""
    data = str(PurePosixPath(common.site(target).workspace, DATA_FOLDER))
    if not path:
        return data
    if target.has_dies:
        return vacc.folder_in_workspace(path, vacc.vacc_site(target), data)
    if not common.is_inside(path, data):
        raise LaunchError(_("Enter an absolute path below %(folder)s."), "folder", folder=data)
    return str(PurePosixPath(path))
