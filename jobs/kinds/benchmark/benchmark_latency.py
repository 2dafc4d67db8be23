"""Benchmark offline latency: time per batch, without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from jobs.kinds.lib import vllm_common, work
from jobs.kinds.lib.base import Target
from jobs.kinds.lib.common import exclusive_field, overlap_field
from jobs.kinds.lib.offline import EngineParams, Offline, input_field, output_field
from jobs.kinds.lib.vacc import stack_of
from jobs.plans import Plan
from jobs.tools.vllm import bench as vllm_bench


class Params(EngineParams):
    """Work of the engine. Lengths are in tokens."""

    input_tokens: int = input_field(1024)
    output_tokens: int = output_field(1024, without_dies=32)
    batch_size: int = Field(
        1,
        ge=1,
        le=1024,
        description="Requests per batch.",
        json_schema_extra={"label": "Batch size", "unit": "requests", "group": "Load"},
    )
    iterations: int = Field(
        10,
        ge=1,
        le=10000,
        description="Measured batches; ten warm-up batches run first.",
        json_schema_extra={
            "label": "Iterations",
            "unit": "batches",
            "group": "Load",
            "without_dies": 5,
        },
    )
    exclusive: bool = exclusive_field(True)
    overlap: bool = overlap_field()


class BenchmarkLatency(Offline, params=Params):
    """Measure the time per batch, without a server."""

    name = "benchmark-latency"
    title = "Benchmark offline latency"
    reads = "tools.vllm.reading.latency"
    progress = "tools.outputs.progress.iterations"
    command = "latency"

    def load_of(self, params: Params) -> str:
        """ "offline, batch 1, 1024 → 1024 tok"."""
        lengths = f"{params.input_tokens} → {params.output_tokens}"
        return f"offline, batch {params.batch_size}, {lengths} tok"

    def plan(self, params: Params, target: Target) -> Plan:
        """The benchmark, in the stack's container if any."""
        stack = stack_of(params)
        return vllm_bench.latency_plan(
            stack,
            self.engine(params, target),
            vllm_common.site_of(stack, target),
            input_tokens=params.input_tokens,
            output=params.output_tokens,
            batch=params.batch_size,
            iterations=params.iterations,
        )

    def successors(self, params: Params) -> Sequence[str]:
        """A server of the same weights."""
        return ("deploy-vllm",)

    def work(self, params: Mapping[str, Any]) -> float:
        """Batches, warm-up included."""
        return work.batches(params)
