"""Benchmark offline throughput: speed of the engine with all requests sent at once."""

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.base.messages import Message
from jobs.kinds.lib.base import Target, field
from jobs.kinds.lib.common import exclusive_field, overlap_field
from jobs.kinds.lib.load import work_of_requests
from jobs.kinds.lib.vacc import is_exact, stack_of
from jobs.kinds.lib.vllm import EngineParams, Offline, site_of, tokens_field
from jobs.plans import Plan
from jobs.tools.vllm import bench as vllm_bench


class Params(EngineParams):
    """Work of the engine. Lengths are in tokens."""

    requests: int = field(10, "Requests", "Load", "requests", ge=1, le=100000)
    """Requests, all sent at the start."""
    input_tokens: int = tokens_field(1000, "Prompt length", without_dies=128)
    """Tokens per request, random content."""
    output_tokens: int = tokens_field(1000, "Output length", without_dies=64)
    """Output tokens per request, always generated in full."""
    exclusive: bool = exclusive_field(True)
    overlap: bool = overlap_field()


class BenchmarkThroughput(Offline, params=Params):
    """Measure the speed of the engine with all requests sent at once."""

    name = "benchmark-throughput"
    title = "Benchmark offline throughput"
    leads_to = ("benchmark-latency", "deploy-vllm")
    reads = "tools.vllm.reading.throughput"
    progress = "tools.outputs.progress.prompts"
    command = "throughput"

    def load_of(self, params: Params) -> str:
        """ "offline, 10 × 1000 → 1000 tok"."""
        return f"offline, {params.requests} × {params.input_tokens} → {params.output_tokens} tok"

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        stack, notes = stack_of(params), super().notes(params, target)
        if stack.bench.throughput.dataset_name:
            return [*notes, Message("guide:random_lengths")] if stack.vllm.container else notes
        name = "guide:dataset_name_fails" if is_exact(params) else "guide:dataset_name_dropped"
        return [*notes, Message(name)]

    def plan(self, params: Params, target: Target) -> Plan:
        stack = stack_of(params)
        return vllm_bench.throughput_plan(
            stack,
            self.engine(params, target),
            site_of(stack, target),
            prompts=params.requests,
            input_tokens=params.input_tokens,
            output=params.output_tokens,
        )

    def work(self, params: Mapping[str, Any]) -> float:
        return work_of_requests(params)
