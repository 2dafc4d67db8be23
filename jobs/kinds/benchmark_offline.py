"""Benchmarks of vLLM's engine alone, without a server: throughput and latency."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog.limits import Wish
from jobs.kinds.lib.base import Target, field
from jobs.kinds.lib.common import exclusive_field, guide_notes, overlap_field
from jobs.kinds.lib.load import INPUT, OUTPUT, work_of_request, work_of_requests
from jobs.kinds.lib.vacc import (
    container_notes,
    exact_field,
    image_name,
    is_exact,
    limit_notes,
    model_of_asset,
    refuse_limits,
    stack_of,
)
from jobs.kinds.lib.vllm import (
    LIMIT_FIELDS,
    OnVllm,
    VllmParams,
    check_dies,
    inside,
    kv_cache_field,
    length_field,
    site_of,
    tokens_field,
    tp_field,
    weights_field,
    wish,
)
from jobs.plans import Plan
from jobs.tools.vllm import bench as vllm_bench

_WARM_UP = 10  # batches


class EngineParams(VllmParams):
    """Engine to load. Lengths are in tokens."""

    as_in_guide: bool = exact_field(when=("stack", "guide"))
    weights: str = weights_field()
    """The benchmark loads the model itself: its dies must be free."""
    tp: int = tp_field()
    max_length: int = length_field()
    kv_cache_gib: int = kv_cache_field()


class Offline(OnVllm, params=EngineParams):
    """Base of kinds that load the model themselves, and measure the engine without a server."""

    family = "benchmark"
    programs = vllm_bench.PROGRAMS
    steps = vllm_bench.STEPS
    lengths = (INPUT, OUTPUT)
    command: ClassVar[Literal["latency", "throughput"]]  # of vLLM's benchmarks

    @abstractmethod
    def load_of(self, params: Any) -> str:
        """Return the load for titles and results: "offline, batch 1, 1024 → 1024 tok"."""

    def title_of(self, params: Any, target: Target) -> str:
        """ "DeepSeek-R1, tp32, offline, batch 1, 1024 → 1024 tok"."""
        model = model_of_asset(target.asset("weights", params.weights))
        return f"{model.name}, tp{params.tp}, {self.load_of(params)}"

    def notes(self, params: Any, target: Target) -> Sequence[Message]:
        stack, model = stack_of(params), model_of_asset(target.asset("weights", params.weights))
        exact, tool = is_exact(params), getattr(stack.bench, self.command)
        limited = limit_notes(model, stack, _wish(params, target), exact=exact)
        if stack.vllm.container is None:
            return limited
        notes = [*container_notes(stack, target), *guide_notes("docker_exec")]
        if tool.needs_import:
            note = "guide:plugin_missing" if exact else "guide:plugin_imported"
            notes.append(Message(note, {"module": tool.needs_import}))
        if exact:
            return [*notes, Message("guide:dies_unnamed", {"dies": params.tp}), *limited]
        own = guide_notes("own_name", "label", "results_mounted", "json_kept", "dies_named")
        return [*notes, *own, *limited]

    def plan(self, params: Any, target: Target) -> Plan:
        """Verbatim mode only warns of limits."""
        stack, weights = stack_of(params), target.asset("weights", params.weights)
        together = params.input_tokens + params.output_tokens
        if together > params.max_length:
            message = _("Prompt and output total %(sum)d tokens, more than the max model length.")
            raise LaunchError(message, "max_length", sum=together)
        check_dies(params.tp, target)
        if not is_exact(params):
            fields = {**LIMIT_FIELDS, "max_input": INPUT}
            refuse_limits(model_of_asset(weights), stack, _wish(params, target), fields)
        return vllm_bench.offline_plan(
            *(self.command, stack, params, site_of(stack, target)),
            weights=inside(stack, weights, target),
            folder=str(weights.data.get("path") or ""),
            image=image_name(stack, target) if stack.vllm.image else "",
            exact=is_exact(params),
        )


def _wish(params: Any, target: Target) -> Wish:
    model = model_of_asset(target.asset("weights", params.weights))
    return wish(model, tp=params.tp, length=params.max_length, max_input=params.input_tokens)


class ThroughputParams(EngineParams):
    """Work of the engine. Lengths are in tokens."""

    requests: int = field(10, "Requests", "Load", "requests", ge=1, le=100000)
    """Requests, all sent at the start."""
    input_tokens: int = tokens_field(1000, "Prompt length", without_dies=128)
    """Tokens per request, random content."""
    output_tokens: int = tokens_field(1000, "Output length", without_dies=64)
    """Output tokens per request, always generated in full."""
    exclusive: bool = exclusive_field(True)
    overlap: bool = overlap_field()


class BenchmarkThroughput(Offline, params=ThroughputParams):
    """Measure the speed of the engine with all requests sent at once."""

    name = "benchmark-throughput"
    title = "Benchmark offline throughput"
    leads_to = ("benchmark-latency", "deploy-vllm")
    reads = "tools.vllm.reading.throughput"
    progress = "tools.outputs.progress.prompts"
    command = "throughput"

    def load_of(self, params: ThroughputParams) -> str:
        """ "offline, 10 × 1000 → 1000 tok"."""
        return f"offline, {params.requests} × {params.input_tokens} → {params.output_tokens} tok"

    def notes(self, params: ThroughputParams, target: Target) -> Sequence[Message]:
        stack, notes = stack_of(params), super().notes(params, target)
        has_name, exact = stack.bench.throughput.dataset_name, is_exact(params)
        own = guide_notes(
            random_lengths=has_name and stack.vllm.container,
            dataset_name_fails=not has_name and exact,
            dataset_name_dropped=not has_name and not exact,
        )
        return [*notes, *own]

    def work(self, params: Mapping[str, Any]) -> float:
        return work_of_requests(params)


class LatencyParams(EngineParams):
    """Work of the engine. Lengths are in tokens."""

    input_tokens: int = tokens_field(1024, "Prompt length", without_dies=128)
    """Tokens per request, random content."""
    output_tokens: int = tokens_field(1024, "Output length", without_dies=32)
    """Output tokens per request, always generated in full."""
    batch_size: int = field(1, "Batch size", "Load", "requests", ge=1, le=1024)
    """Requests per batch."""
    iterations: int = field(10, "Iterations", "Load", "batches", ge=1, le=10000, without_dies=5)
    """Measured batches; ten warm-up batches run first."""
    exclusive: bool = exclusive_field(True)
    overlap: bool = overlap_field()


class BenchmarkLatency(Offline, params=LatencyParams):
    """Measure the time per batch, without a server."""

    name = "benchmark-latency"
    title = "Benchmark offline latency"
    leads_to = ("deploy-vllm",)
    reads = "tools.vllm.reading.latency"
    progress = "tools.outputs.progress.iterations"
    command = "latency"

    def load_of(self, params: LatencyParams) -> str:
        """ "offline, batch 1, 1024 → 1024 tok"."""
        lengths = f"{params.input_tokens} → {params.output_tokens}"
        return f"offline, batch {params.batch_size}, {lengths} tok"

    def work(self, params: Mapping[str, Any]) -> float:
        return (int(params["iterations"]) + _WARM_UP) * work_of_request(params)
