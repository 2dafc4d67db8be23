"""Evaluate with OpenCompass: score a deployment on the guide's data sets."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.kinds.lib import evaluations
from jobs.kinds.lib.base import Target, field
from jobs.kinds.lib.common import against, key_of, options_from, tokenizer_of
from jobs.kinds.lib.evaluations import PublicSets, SetsParams, Thinking
from jobs.kinds.lib.vacc import OnOpencompass, conda_site, is_exact, opencompass_of, vacc_site
from jobs.plans import Plan
from jobs.tools.lib import variants
from jobs.tools.opencompass import commands as opencompass
from jobs.tools.opencompass.commands import CEVAL, FOLLOW, OpenCompassRun

Sets = Literal["cluewsc", "math_500", "mmlu", "gsm8k", "gpqa", "aime2024", "ceval", "ifeval"]
GUIDE_SETS: tuple[Sets, ...] = ("cluewsc", "math_500", "mmlu")
GUIDE_ABBR = "deepseek-r1-va16"
LEAST_TOKENS = 256  # of question and answer: the minimum for both


class Params(SetsParams):
    """Questions to send, and their settings. Lengths are in tokens."""

    datasets: tuple[Sets, ...] = field(
        GUIDE_SETS, "Data sets", "Questions", min_length=1, max_length=8
    )
    """Choose from cluewsc (1135 questions), math_500 (500), mmlu (14042), gsm8k (1319), gpqa (198),
    aime2024 (30), ceval (1346) and ifeval (541)."""
    mmlu: Literal["all", "ten"] = evaluations.mmlu_field("all")
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
    thinking: Thinking = evaluations.thinking_field()


class EvaluateOpencompass(OnOpencompass, PublicSets, params=Params):
    """Score a deployment on the guide's data sets with OpenCompass."""

    name = "evaluate-opencompass"
    title = "Evaluate with OpenCompass"
    reads = "tools.opencompass.reading.outcome"
    progress = "tools.outputs.progress.sets"
    answer_limit = "max_answer"
    programs = opencompass.PROGRAMS
    steps: ClassVar = {**opencompass.STEPS, **variants.RESUME_STEPS}

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        asking, exact = _asking(params, target), is_exact(params)
        notes = [
            Message("guide:config_made", {"model": asking.model}),
            Message("guide:conda_path", {"folder": f"{opencompass.folder(vacc_site(target))}/bin"}),
        ]
        if exact:
            notes += [Message("guide:run_collected"), Message("guide:one_by_one")]
            longest = _longest(params, target)
            if longest and params.max_length > longest:
                args = {"length": params.max_length, "tokens": longest}
                notes.append(Message("guide:longer_than_served", args))
        else:
            notes += [
                Message("guide:own_folder"),
                Message("guide:details_kept"),
                Message("guide:scored_meanwhile"),
                Message("guide:in_parallel", {"batch": asking.batch}),
                Message("guide:retries", {"retries": params.retries}),
            ]
        if asking.modelscope:
            notes.append(Message("guide:dataset_source"))
        return notes

    def plan(self, params: Params, target: Target) -> Plan:
        """A dry run, which verifies that all data exists, then the run."""
        opencompass_of(params)  # refuses a stack without OpenCompass
        site = conda_site(target)
        evaluations.check_sets(params)
        evaluations.check_seed(params.question_seed, params.limit)
        if not is_exact(params):
            _check_lengths(params, target)
        served = target.asset("deployment", params.deployment)
        plan = opencompass.evaluate_plan(_asking(params, target), site)
        return against(plan, served, site.python)

    def resumed(self, plan: Plan, earlier: str) -> Plan | None:
        """OpenCompass continues the newest run of the job's folder; the guide's own commands write
        among other runs, and start over. A dry run would be the newest one."""
        if not any(item.name == FOLLOW for item in plan.files):
            return None
        steps = tuple(step for step in plan.steps if step.name != "dry-run")
        return variants.resumed(
            replace(plan, steps=steps),
            earlier,
            step="evaluate",
            folder=opencompass.OUTPUTS,
            words=("-r",),
        )


def _check_lengths(params: Params, target: Target) -> None:
    longest = _longest(params, target)
    if longest and longest < LEAST_TOKENS:
        message = _(
            "Max model length of %(name)s is %(tokens)d tokens; these data sets need at "
            "least %(least)d. Choose a deployment with a longer context."
        )
        name = target.asset("deployment", params.deployment).title
        args = {"name": name, "tokens": longest, "least": LEAST_TOKENS}
        raise LaunchError(message % args, "deployment")
    if longest and params.max_length > longest:
        message = _("Max model length of the deployment is %(tokens)d tokens, question and answer.")
        raise LaunchError(message % {"tokens": longest}, "max_length")
    if params.max_length < LEAST_TOKENS:
        raise LaunchError(_("At least %(ge)s.") % {"ge": LEAST_TOKENS}, "max_length")
    if params.max_answer >= params.max_length:
        message = _("No room for the question: reduce max output tokens.")
        raise LaunchError(message, "max_answer")


def _longest(params: Params, target: Target) -> int:
    """Return the deployment's limit for question and answer; 0 if unknown."""
    return int(target.asset("deployment", params.deployment).data.get("max_total") or 0)


def _asking(params: Params, target: Target) -> OpenCompassRun:
    ref, exact = target.asset("deployment", params.deployment), is_exact(params)
    served, path = ref.data, ref.data.get("path")
    if ref.endpoint is not None:
        path = tokenizer_of(ref, target).data.get("path")
    model_id = str(served.get("model_id") or "")
    return options_from(
        params,
        OpenCompassRun,
        families=params.datasets,
        ten_of_mmlu=params.mmlu == "ten",
        seed=evaluations.drawing_seed(params),
        model=str(served["name"]),
        abbr=GUIDE_ABBR if exact and model_id == "deepseek-r1" else model_id or "model",
        tokenizer=str(path or ""),
        batch=1 if exact else params.batch,
        per_second=None if exact else params.batch,
        attempts=None if exact else params.retries + 1,
        modelscope=params.dataset_source == "modelscope",
        exact=exact,
        key=key_of(ref),
        extra_body=evaluations.extra_body(ref, params.thinking),
    )


def group_of(dataset: str) -> str:
    """Return the group of a set: "cluewsc" for cluewsc-dev; others are their own group."""
    for prefix, group in ((opencompass.MMLU, "mmlu"), (CEVAL, "ceval")):
        if dataset.startswith(prefix):
            return group
    return re.sub(r"-(?:dev|test|val|train)$", "", dataset)
