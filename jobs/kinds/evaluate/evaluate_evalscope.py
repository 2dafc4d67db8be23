"""Evaluate with EvalScope: score a deployment on published data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Literal

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import Stack
from jobs.kinds.lib import evaluations
from jobs.kinds.lib.base import Choice, Target
from jobs.kinds.lib.common import against, is_inside, site
from jobs.kinds.lib.evaluations import (
    PublicSets,
    SetsParams,
    check_sets,
)
from jobs.kinds.lib.over_http import COUNTERS
from jobs.kinds.lib.thinking import Thinking, extra_body, thinking_field
from jobs.kinds.lib.vacc import (
    PATH_PATTERN,
    STACK_GROUP,
    folder_in_workspace,
    source_choices,
    stack_of,
    vacc_site,
)
from jobs.plans import Plan
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.evalscope import public_sets
from jobs.tools.evalscope.public_sets import HubRun
from jobs.tools.lib import resuming
from jobs.tools.lib.data_files import DATA_FOLDER
from jobs.tools.lib.environments import EVALSCOPE
from jobs.tools.lib.hub import HF_MIRROR
from jobs.tools.lib.site import Site
from jobs.tools.vllm import serve as vllm

Sets = Literal["gsm8k", "math_500", "aime24", "aime25", "gpqa_diamond", "mmlu", "mmlu_pro", "ceval"]


class Params(SetsParams):
    """Questions to send, and their settings. Lengths are in tokens."""

    stack: Literal["guide", "current"] = Field(
        "current",
        description="Software stack on the host. The guide's stack scores with OpenCompass.",
        json_schema_extra={"label": "Stack", "group": STACK_GROUP, "needs_dies": True},
    )
    datasets: tuple[Sets, ...] = Field(
        ("math_500", "gpqa_diamond"),
        min_length=1,
        max_length=8,
        description="Choose from gsm8k (1319 questions), math_500 (500), aime24 (30), aime25 (30), "
        "gpqa_diamond (198), mmlu (14042), mmlu_pro (12032) and ceval (1346).",
        json_schema_extra={"label": "Data sets", "group": "Questions"},
    )
    mmlu: Literal["all", "ten"] = evaluations.mmlu_field("ten")
    limit: int = evaluations.limit_field(
        50, "Only the first questions of each subset: EvalScope draws none at random. 0: all."
    )
    source: Literal["modelscope", "huggingface", "folder"] = Field(
        "modelscope",
        description="Source of the data. An existing folder needs no network.",
        json_schema_extra={"label": "Source", "group": "Questions", "without_dies": "folder"},
    )
    folder: str = Field(
        "",
        max_length=400,
        pattern=PATH_PATTERN,
        description="Folder with one subfolder per data set, named like the data set. Empty: the "
        "host's folder of data sets.",
        json_schema_extra={"label": "Folder", "group": "Questions", "when": ["source", "folder"]},
    )
    endpoint: str = Field(
        HF_MIRROR,
        max_length=200,
        pattern=r"^https?://[A-Za-z0-9][A-Za-z0-9._:/-]*$",
        description="Hub address (HF_ENDPOINT).",
        json_schema_extra={
            "label": "Hub address",
            "group": "Questions",
            "when": ["source", "huggingface"],
            "source": "hub",
        },
    )
    max_tokens: int = evaluations.answer_field(
        16384,
        1048576,
        "Answers are cut off at this length. Reasoning models need thousands.",
        within=[["deployment", "max_total", 0.5]],
    )
    temperature: float = evaluations.temperature_field()
    top_p: float = Field(
        0.95,
        gt=0.0,
        le=1.0,
        description="Nucleus sampling: samples from the most likely tokens up to this total "
        "probability.",
        json_schema_extra={"label": "Top-p", "group": "Answers"},
    )
    samples: int = evaluations.samples_field()
    batch: int = evaluations.batch_field()
    retries: int = evaluations.retries_field()
    thinking: Thinking = thinking_field()


class EvaluateEvalscope(PublicSets, params=Params):
    """Score a deployment on published data sets with EvalScope."""

    name = "evaluate-evalscope"
    title = "Evaluate with EvalScope"
    reads = "tools.evalscope.eval_reading.outcome"
    progress = "tools.outputs.progress.share_of_runs"
    has_dies = None
    environment = EVALSCOPE
    answer_limit = "max_tokens"
    programs = public_sets.PROGRAMS
    steps = resuming.STEPS
    clients = public_sets.CLIENTS

    def runs_on(self, stack: Stack) -> bool:
        """True if the stack scores with EvalScope."""
        return bool(stack.evaluation.evalscope)

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        """Return the choices of ``field`` on this host."""
        if field == "source":
            return source_choices("modelscope", "huggingface", "folder")
        if field == "stack" and not target.has_dies:
            return None  # not in the form there
        return super().choices(field, target)

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        """Return notes on differences from the page of the current stack, on a host with cards."""
        notes = [Message("guide:evalscope_command")] if target.has_dies else []
        if target.asset("deployment", params.deployment).data.get("api_key"):
            notes.append(Message("guide:evalscope_key"))
        return notes

    def plan(self, params: Params, target: Target) -> Plan:
        """EvalScope generates and scores; from a hub, a step before downloads each set."""
        here, under_test = site(target), target.asset("deployment", params.deployment)
        served = under_test.data
        if not stack_of(params).evaluation.evalscope:
            raise LaunchError(_("This stack uses OpenCompass instead of EvalScope."), "stack")
        check_sets(params)
        evaluations.check_samples(params.samples, params.temperature)
        longest = served.get("max_total")
        if longest and params.max_tokens >= int(longest):
            message = _(
                "Max model length of the deployment is %(tokens)d tokens, question and answer."
            )
            raise LaunchError(message % {"tokens": int(longest)}, "max_tokens")
        from_folder = params.source == "folder"
        asking = HubRun(
            datasets=params.datasets,
            ten_of_mmlu=params.mmlu == "ten",
            hub="" if from_folder else params.source,
            folder=_folder(params.folder, here, target) if from_folder else "",
            endpoint=params.endpoint,
            limit=params.limit,
            max_tokens=params.max_tokens,
            temperature=params.temperature,
            top_p=params.top_p,
            batch=params.batch,
            samples=params.samples,
            retries=params.retries,
            metrics=COUNTERS.get(str(served.get("toolchain")), vllm.METRICS),
            key=str(served.get("api_key") or ""),
            extra_body=extra_body(under_test, params.thinking),
        )
        return against(public_sets.evaluate_plan(asking, here), under_test, here.python)

    def resumed(self, plan: Plan, earlier: str) -> Plan | None:
        """EvalScope asks only what is not answered yet, and scores all."""
        return resuming.resumed(plan, earlier, step="ask", folder="eval", words=evalscope.CONTINUE)


def _folder(path: str, here: Site, target: Target) -> str:
    """Return the folder with the sets: below the workspace of a host with cards, else below the
    host's folder of data sets, which is the default.

    Raises:
        LaunchError: the path is elsewhere.
    """
    data = str(PurePosixPath(here.workspace, DATA_FOLDER))
    if not path:
        return data
    if target.has_dies:
        return folder_in_workspace(path, vacc_site(target), "folder")
    if not is_inside(path, data):
        message = _("Enter an absolute path below %(folder)s.") % {"folder": data}
        raise LaunchError(message, "folder")
    return str(PurePosixPath(path))
