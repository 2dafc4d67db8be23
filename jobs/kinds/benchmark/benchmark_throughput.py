"""Benchmark offline throughput: speed of the engine with all requests sent at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from jobs.base.messages import Message
from jobs.kinds.lib import vllm_common, work
from jobs.kinds.lib.base import Target
from jobs.kinds.lib.common import exclusive_field, overlap_field
from jobs.kinds.lib.offline import EngineParams, Offline, input_field, output_field
from jobs.kinds.lib.vacc import is_exact, stack_of
from jobs.plans import Plan
from jobs.tools.vllm import bench as vllm_bench


class Params(EngineParams):
    """Work of the engine. Lengths are in tokens."""

    requests: int = Field(
        10,
        ge=1,
        le=100000,
        description="Requests, all sent at the start.",
        json_schema_extra={"label": "Requests", "unit": "requests", "group": "Load"},
    )
    input_tokens: int = input_field(1000)
    output_tokens: int = output_field(1000, without_dies=64)
    exclusive: bool = exclusive_field(True)
    overlap: bool = overlap_field()


class BenchmarkThroughput(Offline, params=Params):
    """Measure the speed of the engine with all requests sent at once."""

    name = "benchmark-throughput"
    title = "Benchmark offline throughput"
    reads = "tools.vllm.reading.throughput"
    progress = "tools.outputs.progress.prompts"
    command = "throughput"

    def load_of(self, params: Params) -> str:
        """ "offline, 10 × 1000 → 1000 tok"."""
        return f"offline, {params.requests} × {params.input_tokens} → {params.output_tokens} tok"

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        """Return notes on differences from the guide."""
        stack, notes = stack_of(params), super().notes(params, target)
        if stack.bench.throughput.dataset_name:
            return [*notes, Message("guide:random_lengths")] if stack.vllm.container else notes
        if is_exact(params):
            return [*notes, Message("guide:dataset_name_fails")]
        return [*notes, Message("guide:dataset_name_dropped")]

    def plan(self, params: Params, target: Target) -> Plan:
        """The benchmark, in the stack's container if any."""
        stack = stack_of(params)
        return vllm_bench.throughput_plan(
            stack,
            self.engine(params, target),
            vllm_common.site_of(stack, target),
            prompts=params.requests,
            input_tokens=params.input_tokens,
            output=params.output_tokens,
        )

    def successors(self, params: Params) -> Sequence[str]:
        """The other offline benchmark of the same weights, then a server."""
        return ("benchmark-latency", "deploy-vllm")

    def work(self, params: Mapping[str, Any]) -> float:
        """All requests together."""
        return work.all_at_once(params)
