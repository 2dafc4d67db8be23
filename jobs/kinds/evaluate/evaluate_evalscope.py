"""Evaluate with EvalScope: score a deployment on published data sets."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Literal

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import Stack
from jobs.kinds.lib import evaluations
from jobs.kinds.lib.base import Choice, Target, field
from jobs.kinds.lib.common import PATH, against, is_inside, key_of, options_from, site
from jobs.kinds.lib.evaluations import PublicSets, SetsParams, Thinking
from jobs.kinds.lib.load import COUNTERS
from jobs.kinds.lib.vacc import folder_in_workspace, source_choices, stack_of, vacc_site
from jobs.plans import Plan
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.evalscope.commands import HubRun
from jobs.tools.lib import variants
from jobs.tools.lib.environments import EVALSCOPE
from jobs.tools.lib.folders import DATA_FOLDER
from jobs.tools.lib.site import Site
from jobs.tools.vacc.downloads import HF_MIRROR
from jobs.tools.vllm import serve as vllm

Sets = Literal["gsm8k", "math_500", "aime24", "aime25", "gpqa_diamond", "mmlu", "mmlu_pro", "ceval"]


class Params(SetsParams):
    """Questions to send, and their settings. Lengths are in tokens."""

    stack: Literal["guide", "current"] = field("current", "Stack", "Stack", needs_dies=True)
    """Software stack on the host. The guide's stack scores with OpenCompass."""
    datasets: tuple[Sets, ...] = field(
        ("math_500", "gpqa_diamond"), "Data sets", "Questions", min_length=1, max_length=8
    )
    """Choose from gsm8k (1319 questions), math_500 (500), aime24 (30), aime25 (30), gpqa_diamond
    (198), mmlu (14042), mmlu_pro (12032) and ceval (1346)."""
    mmlu: Literal["all", "ten"] = evaluations.mmlu_field("ten")
    limit: int = evaluations.limit_field(50)
    """Only the first questions of each subset: EvalScope draws none at random. 0: all."""
    source: Literal["modelscope", "huggingface", "folder"] = field(
        "modelscope", "Source", "Questions", without_dies="folder"
    )
    """Source of the data. An existing folder needs no network."""
    folder: str = field(
        *("", "Folder", "Questions"), max_length=400, pattern=PATH, when=("source", "folder")
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
    thinking: Thinking = evaluations.thinking_field()


class EvaluateEvalscope(PublicSets, params=Params):
    """Score a deployment on published data sets with EvalScope."""

    name = "evaluate-evalscope"
    title = "Evaluate with EvalScope"
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
            return source_choices("modelscope", "huggingface", "folder")
        if field == "stack" and not target.has_dies:
            return None  # not in the form there
        return super().choices(field, target)

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        notes = [Message("guide:evalscope_command")] if target.has_dies else []
        if key_of(target.asset("deployment", params.deployment)):
            notes.append(Message("guide:evalscope_key"))
        return notes

    def plan(self, params: Params, target: Target) -> Plan:
        """EvalScope generates and scores; from a hub, a step before downloads each set."""
        here, under_test = site(target), target.asset("deployment", params.deployment)
        served = under_test.data
        if not stack_of(params).evaluation.evalscope:
            raise LaunchError(_("This stack uses OpenCompass instead of EvalScope."), "stack")
        evaluations.check_sets(params)
        evaluations.check_samples(params.samples, params.temperature)
        longest = served.get("max_total")
        if longest and params.max_tokens >= int(longest):
            message = _(
                "Max model length of the deployment is %(tokens)d tokens, question and answer."
            )
            raise LaunchError(message % {"tokens": int(longest)}, "max_tokens")
        from_folder = params.source == "folder"
        asking = options_from(
            params,
            HubRun,
            ten_of_mmlu=params.mmlu == "ten",
            hub="" if from_folder else params.source,
            folder=_folder(params.folder, here, target) if from_folder else "",
            metrics=COUNTERS.get(str(served.get("toolchain")), vllm.METRICS),
            key=key_of(under_test),
            extra_body=evaluations.extra_body(under_test, params.thinking),
        )
        return against(evalscope.sets_plan(asking, here), under_test, here.python)

    def resumed(self, plan: Plan, earlier: str) -> Plan | None:
        return variants.resumed(plan, earlier, step="ask", folder="eval", words=evalscope.CONTINUE)


def _folder(path: str, here: Site, target: Target) -> str:
    """Return the folder with the sets: below the workspace of a host with cards, else below the
    host's folder of data sets, which is the default.
    """
    data = str(PurePosixPath(here.workspace, DATA_FOLDER))
    if not path:
        return data
    if target.has_dies:
        return folder_in_workspace(path, vacc_site(target))
    if not is_inside(path, data):
        message = _("Enter an absolute path below %(folder)s.") % {"folder": data}
        raise LaunchError(message, "folder")
    return str(PurePosixPath(path))
