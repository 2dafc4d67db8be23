"""Shared code of benchmarks of the engine alone, which load the model themselves."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import Stack, ZooModel
from jobs.catalog.limits import Wish
from jobs.kinds.lib import lengths, limits, vllm_common
from jobs.kinds.lib.base import Target
from jobs.kinds.lib.vacc import (
    OfStack,
    container_notes,
    exact_field,
    image_name,
    is_exact,
    model_of_asset,
    stack_of,
)
from jobs.tools.vllm import bench as vllm_bench


def input_field(default: int) -> Any:
    """Return the field ``input_tokens``."""
    return vllm_common.tokens_field(
        default, "Prompt length", "Tokens per request, random content.", without_dies=128
    )


def output_field(default: int, *, without_dies: int) -> Any:
    """Return the field ``output_tokens``. ``without_dies``: the default on a processor."""
    return vllm_common.tokens_field(
        default,
        "Output length",
        "Output tokens per request, always generated in full.",
        without_dies=without_dies,
    )


class EngineParams(vllm_common.VllmParams):
    """Engine to load. Lengths are in tokens."""

    as_in_guide: bool = exact_field()
    weights: str = vllm_common.weights_field(
        "The benchmark loads the model itself: its dies must be free."
    )
    tp: int = vllm_common.tp_field()
    max_length: int = vllm_common.length_field()
    kv_cache_gib: int = vllm_common.kv_cache_field()


class Loading(OfStack, Protocol):
    """Params of a benchmark that loads the model itself."""

    @property
    def weights(self) -> str:
        """Key of the asset."""

    @property
    def tp(self) -> int:
        """Dies."""

    @property
    def max_length(self) -> int:
        """Max model length, in tokens."""

    @property
    def kv_cache_gib(self) -> int:
        """Of an engine on a processor."""

    @property
    def input_tokens(self) -> int:
        """Of a request."""

    @property
    def output_tokens(self) -> int:
        """Of a request."""


class Offline(vllm_common.OnVllm, params=EngineParams):
    """Base of kinds that measure the engine without a server."""

    family = "benchmark"
    programs = vllm_bench.PROGRAMS
    steps = vllm_bench.STEPS
    lengths = (lengths.INPUT, lengths.OUTPUT)
    command: ClassVar[Literal["latency", "throughput"]]  # of vLLM's benchmarks

    @abstractmethod
    def load_of(self, params: Any) -> str:
        """Return the load for titles and results: "offline, batch 1, 1024 → 1024 tok"."""

    def title_of(self, params: Loading, target: Target) -> str:
        """ "DeepSeek-R1, tp32, offline, batch 1, 1024 → 1024 tok"."""
        return f"{_model(params, target).name}, tp{params.tp}, {self.load_of(params)}"

    def notes(self, params: Any, target: Target) -> Sequence[Message]:
        """Return notes on differences from the guide."""
        stack, model = stack_of(params), _model(params, target)
        if stack.vllm.container is None:
            return limits.asked(model, stack, _loaded(params, model))
        exact, tool = is_exact(params), getattr(stack.bench, self.command)
        notes = [*container_notes(stack, target), Message("guide:docker_exec")]
        if tool.needs_import:
            args = {"module": tool.needs_import}
            notes.append(
                Message("guide:plugin_missing", args)
                if exact
                else Message("guide:plugin_imported", args)
            )
        if exact:
            notes.append(Message("guide:dies_unnamed", {"dies": params.tp}))
        else:
            own = ("own_name", "label", "results_mounted", "json_kept", "dies_named")
            notes += [Message(f"guide:{name}") for name in own]
        findings_of = limits.violated if exact else limits.asked
        return [*notes, *findings_of(model, stack, _loaded(params, model))]

    def engine(self, params: Loading, target: Target) -> vllm_bench.Engine:
        """Return the engine arguments. Verbatim mode only warns of limits.

        Raises:
            LaunchError: at the field that the model, the stack or the host does not support.
        """
        stack = stack_of(params)
        _check(params, stack, _model(params, target), target)
        weights = target.asset("weights", params.weights)
        return vllm_bench.Engine(
            weights=vllm_common.inside(stack, weights, target),
            folder=str(weights.data.get("path") or ""),
            tp=params.tp,
            max_length=params.max_length,
            image=image_name(stack, target) if stack.vllm.image else "",
            exact=is_exact(params),
            kv_cache_gib=params.kv_cache_gib,
        )


def _model(params: Loading, target: Target) -> ZooModel:
    return model_of_asset(target.asset("weights", params.weights))


def _check(params: Loading, stack: Stack, model: ZooModel, target: Target) -> None:
    together = params.input_tokens + params.output_tokens
    if together > params.max_length:
        message = _("Prompt and output total %(sum)d tokens, more than the max model length.")
        raise LaunchError(message % {"sum": together}, "max_length")
    vllm_common.check_dies(params.tp, target)
    if not is_exact(params):
        fields = {**vllm_common.LIMIT_FIELDS, "max_input": "input_tokens"}
        limits.refuse(model, stack, _loaded(params, model), fields)


def _loaded(params: Loading, model: ZooModel) -> Wish:
    return vllm_common.wish(
        model, tp=params.tp, length=params.max_length, max_input=params.input_tokens
    )
