"""Benchmark offline latency: time per batch, without a server."""

from collections.abc import Mapping
from typing import Any

from jobs.kinds.lib.base import Target, field
from jobs.kinds.lib.common import exclusive_field, overlap_field
from jobs.kinds.lib.load import work_of_request
from jobs.kinds.lib.vacc import stack_of
from jobs.kinds.lib.vllm import EngineParams, Offline, site_of, tokens_field
from jobs.plans import Plan
from jobs.tools.vllm import bench as vllm_bench

_WARM_UP = 10  # batches


class Params(EngineParams):
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


class BenchmarkLatency(Offline, params=Params):
    """Measure the time per batch, without a server."""

    name = "benchmark-latency"
    title = "Benchmark offline latency"
    leads_to = ("deploy-vllm",)
    reads = "tools.vllm.reading.latency"
    progress = "tools.outputs.progress.iterations"
    command = "latency"

    def load_of(self, params: Params) -> str:
        """ "offline, batch 1, 1024 → 1024 tok"."""
        lengths = f"{params.input_tokens} → {params.output_tokens}"
        return f"offline, batch {params.batch_size}, {lengths} tok"

    def plan(self, params: Params, target: Target) -> Plan:
        stack = stack_of(params)
        return vllm_bench.latency_plan(
            stack,
            self.engine(params, target),
            site_of(stack, target),
            lengths=(params.input_tokens, params.output_tokens),
            batch=params.batch_size,
            rounds=params.iterations,
        )

    def work(self, params: Mapping[str, Any]) -> float:
        return (int(params["iterations"]) + _WARM_UP) * work_of_request(params)
