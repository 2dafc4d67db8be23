"""Shared code of vLLM's benchmarks: container, weights, texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Protocol, TypeVar

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.catalog import Stack, ZooModel
from jobs.catalog.limits import Wish
from jobs.catalog.stacks_schema import Offline
from jobs.errors import LaunchError, ParseError
from jobs.kinds.lib import limits
from jobs.kinds.lib.base import LOG, AssetRef, Choice, Need, Target
from jobs.kinds.lib.common import site as site_without_dies
from jobs.kinds.lib.vacc import (
    OfStack,
    container_notes,
    image_name,
    is_exact,
    stack_choices,
    stack_of,
    vacc_site,
)
from jobs.messages import Message
from jobs.toolchains.site import Site
from jobs.toolchains.vacc_site import VaccSite, inside_of
from jobs.toolchains.vllm import vllm_bench, vllm_cpu

ENGINE_GROUP = "Engine"
# Field of a wish -> field of these forms, if named differently.
LIMIT_FIELDS = {"max_input": "max_length", "path": "weights", "precision": "weights"}
Parsed = TypeVar("Parsed")


def weights_field(description: str) -> Any:
    """The field ``weights``."""
    return Field(
        description=description,
        json_schema_extra={
            "label": "Weights",
            "group": "Model",
            "asset": "weights",
            "made_by": "convert-weights",
            "way": "vllm",
        },
    )


def tp_field(group: str = ENGINE_GROUP) -> Any:
    """The field ``tp``."""
    return Field(
        32,
        ge=1,
        le=64,
        description="Dies per layer. The full model runs only on 32.",
        json_schema_extra={
            "label": "Tensor parallel size",
            "unit": "dies",
            "group": group,
            "needs_dies": True,
            "without_dies": 1,
        },
    )


def length_field(
    default: int = 16384, group: str = ENGINE_GROUP, *, on_page: int | None = None
) -> Any:
    """The field ``max_length``. ``on_page``: what the page of today's stack prints."""
    return Field(
        default,
        ge=256,
        le=1048576,
        description="Prompt and output of one request (--max-model-len).",
        json_schema_extra={
            "label": "Max model length",
            "unit": "tokens",
            "group": group,
            "without_dies": 2048,
            "of_model": ["vllm", "max_length"],
            **_printed(on_page),
        },
    )


def tokens_field(
    default: int,
    label: str,
    description: str,
    *,
    without_dies: int,
    on_page: int | None = None,
    within: Sequence[tuple[str, str, float]] = (),
) -> Any:
    """Return a length field; the default differs on hosts without cards.

    ``within``: its bounds, see ``jobs.kinds.lib.defaults``.
    """
    return Field(
        default,
        ge=1,
        le=1048576,
        description=description,
        json_schema_extra={
            "label": label,
            "unit": "tokens",
            "group": "Load",
            "without_dies": without_dies,
            **_printed(on_page),
            "within": [list(rule) for rule in within],
        },
    )


def _printed(figure: int | None) -> dict[str, int]:
    return {} if figure is None else {"on_page": figure}


def kv_cache_field(group: str = ENGINE_GROUP) -> Any:
    """The field ``kv_cache_gib`` of an engine on a processor."""
    return Field(
        1,
        ge=1,
        le=1024,
        description="KV cache memory for all requests (VLLM_CPU_KVCACHE_SPACE).",
        json_schema_extra={
            "label": "KV cache",
            "unit": "GiB",
            "group": group,
            "when": ["stack", "vllm-cpu"],
        },
    )


def choices(field: str, target: Target) -> list[Choice] | None:
    """Return choices of ``stack`` and ``weights`` on this host; None: any value, or another
    field."""
    if field == "stack":
        return list(stack_choices(target))
    if field == "weights" and not target.has_dies:
        loadable = [ref for ref in target.weights if ref.data.get("format") == vllm_cpu.FORMAT]
        return [Choice(ref.key, ref.label) for ref in loadable]
    return None


def needs(params: OfStack) -> tuple[Need, ...]:
    """Return the stack's environment; none for an image."""
    environment = stack_of(params).environment
    return (Need(environment),) if environment else ()


def site_of(stack: Stack, target: Target) -> VaccSite | Site:
    """Return the host's folders for the stack's commands.

    Raises:
        LaunchError: the host has not reported its folders yet.
    """
    return vacc_site(target) if stack.vllm.container else site_without_dies(target)


def inside(stack: Stack, weights: AssetRef, target: Target) -> str:
    """Return the weights' path in a container of ``stack``; unchanged without a container.

    Raises:
        LaunchError: the container cannot access the folder.
    """
    container = stack.vllm.container
    folder = str(weights.data.get("path") or "")
    if container is None:
        return folder
    site = vacc_site(target)
    if not container.publish_port:
        path = inside_of(target.facts, folder)
    elif str(PurePosixPath(folder).parent) == site.weights:
        path = str(PurePosixPath(container.mount, PurePosixPath(folder).name))
    else:
        path = ""
    if not path:
        message = _("Choose a path in %(folder)s: the container has no access to others.") % {
            "folder": site.weights
        }
        raise LaunchError(message, "weights")
    return path


def check_dies(wanted: int, target: Target, field: str = "tp") -> None:
    """Refuse more dies than the host has, because the job would wait forever.

    Raises:
        LaunchError: at ``field``.
    """
    there = len(target.facts.get("dies") or ())
    if wanted > there and target.has_dies:
        message = _("%(host)s has %(there)d dies; %(wanted)d needed.")
        args = {"host": target.name, "there": there, "wanted": wanted}
        raise LaunchError(message % args, field)


def wish(
    model: ZooModel, *, tp: int, length: int, pp: int = 1, mtp: bool = False, max_input: int = 1
) -> Wish:
    """Return the requirements of a model that vLLM serves or loads."""
    return Wish(
        path="vllm",
        tp=tp,
        pp=pp,
        mtp=mtp,
        precision=model.dtype,
        max_input=max_input,
        max_length=length,
        concurrency=1,
    )


class Loading(OfStack, Protocol):
    """Params of a benchmark that loads the model itself."""

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


def engine(params: Loading, weights: AssetRef, target: Target) -> vllm_bench.Engine:
    """Return the engine arguments of an offline benchmark."""
    stack = stack_of(params)
    return vllm_bench.Engine(
        weights=inside(stack, weights, target),
        folder=str(weights.data.get("path") or ""),
        tp=params.tp,
        max_length=params.max_length,
        image=image_name(stack, target) if stack.vllm.image else "",
        exact=is_exact(params),
        kv_cache_gib=params.kv_cache_gib,
    )


def check_engine(params: Loading, stack: Stack, model: ZooModel, target: Target) -> None:
    """Refuse what the model or stack does not support; verbatim mode only warns.

    Raises:
        LaunchError: at the field.
    """
    together = params.input_tokens + params.output_tokens
    if together > params.max_length:
        message = _("Prompt and output total %(sum)d tokens, more than the max model length.")
        raise LaunchError(message % {"sum": together}, "max_length")
    check_dies(params.tp, target)
    if not is_exact(params):
        fields = {**LIMIT_FIELDS, "max_input": "input_tokens"}
        limits.refuse(model, stack, _loaded(params, model), fields)


def engine_notes(
    params: Loading, stack: Stack, tool: Offline, model: ZooModel, target: Target
) -> list[Message]:
    """Return notes on differences of an offline benchmark from the guide."""
    if stack.vllm.container is None:
        return limits.asked(model, stack, _loaded(params, model))
    exact = is_exact(params)
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
        notes += [Message("guide:json_kept"), Message("guide:dies_named")]
    findings_of = limits.violated if exact else limits.asked
    return [*notes, *findings_of(model, stack, _loaded(params, model))]


def _loaded(params: Loading, model: ZooModel) -> Wish:
    return wish(model, tp=params.tp, length=params.max_length, max_input=params.input_tokens)


def file_or_log(
    outputs: Mapping[str, bytes],
    parse: Callable[[str, bytes], Parsed],
    parse_log: Callable[[str, bytes], Parsed],
) -> Parsed | None:
    """Return the run in result.json, or from the log if the command wrote no file.

    None: no run in the log, so the tool exited with 0 without work.

    Raises:
        ParseError: the file is not what the tool writes.
    """
    if "result.json" in outputs:
        return parse("result.json", outputs["result.json"])
    try:
        return parse_log("log", outputs.get(LOG, b""))
    except ParseError:
        return None
