"""Deploy with vLLM: serve published weights over many dies, behind an OpenAI-compatible API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import STACKS, Stack, ZooModel
from jobs.catalog.limits import Wish
from jobs.kinds.lib import limits, listen, ports, vllm_common
from jobs.kinds.lib.base import Target
from jobs.kinds.lib.common import name_field, secret_field
from jobs.kinds.lib.common import site as site_without_dies
from jobs.kinds.lib.vacc import container_notes, image_name, model_of_asset, stack_of, vacc_site
from jobs.plans import Plan
from jobs.tools.vllm import serve as vllm

GUIDE_LENGTH, PAGE_LENGTH = 32768, 131072
PRINTED_PORT = 8000
ADDRESS_PATTERN = r"^$|^[0-9]{1,3}(\.[0-9]{1,3}){3}$"
# Max length of a deployment's name.
NAME_LENGTH = 100


class Params(vllm_common.VllmParams):
    """Model to serve, and its settings. Lengths are in tokens."""

    weights: str = vllm_common.weights_field("Weights to deploy, as published.")
    name: str = name_field(
        "Model name in the API. Empty: the model's own.",
        max_length=NAME_LENGTH,
        pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._/-]*$",
    )
    tp: int = vllm_common.tp_field("Server")
    pp: int = Field(
        1,
        ge=1,
        le=4,
        description="Groups of layers, one after the other: 2 allow longer inputs.",
        json_schema_extra={
            "label": "Pipeline parallel size",
            "unit": "stages",
            "group": "Server",
            "needs_dies": True,
            "on_page": 2,
        },
    )
    max_length: int = vllm_common.length_field(GUIDE_LENGTH, "Server", on_page=PAGE_LENGTH)
    kv_cache_gib: int = vllm_common.kv_cache_field("Server")
    reasoning: bool = Field(
        True,
        description="Separate reasoning and answer in the API (--reasoning-parser deepseek_r1).",
        json_schema_extra={"label": "Reasoning parser", "group": "Server"},
    )
    mtp: bool = Field(
        False,
        description="Speculative decoding with the model's MTP layer.",
        json_schema_extra={
            "label": "MTP",
            "group": "Server",
            "when": ["stack", "current"],
            "needs_dies": True,
        },
    )
    bind: str = Field(
        "",
        max_length=15,
        pattern=ADDRESS_PATTERN,
        description="Listen address of the server. Empty: all addresses; with guide verbatim, the "
        "guide's.",
        json_schema_extra={
            "label": "Listen on",
            "group": "Server",
            "when": ["stack", "guide"],
            "needs_dies": True,
        },
    )
    port: int = Field(
        PRINTED_PORT,
        ge=0,
        le=65535,
        description="0: any free port of the host's range.",
        json_schema_extra={
            "label": "Port",
            "group": "Server",
            "without_dies": 0,
            "free_port": True,
            "printed": True,
        },
    )
    api_key: str = secret_field(
        "Secret with the API key that requests must send. Empty: no key.",
        label="API key",
        group="Server",
    )
    kv_cache_space: int = Field(
        0,
        ge=0,
        le=64,
        description="VLLM_VACC_KVCACHE_SPACE; unit undocumented. 0: the image's default.",
        json_schema_extra={"label": "KV cache space", "group": "Server", "needs_dies": True},
    )


class DeployVllm(vllm_common.OnVllm, params=Params):
    """Serve published weights over many dies, behind an OpenAI-compatible API."""

    name = "deploy-vllm"
    title = "Deploy with vLLM"
    reads = "readings.ready"
    progress = "tools.outputs.progress.shards"
    family = "deploy"
    programs = vllm.PROGRAMS
    clients = vllm.CLIENTS

    def title_of(self, params: Params, target: Target) -> str:
        """ "DeepSeek-R1, tp32"; on a processor "SmolLM2-135M-Instruct, BF16 from Q4_1"."""
        if not stack_of(params).vllm.container:
            return f"{_model(params, target).name}, {_label(params, target)}"
        shape = f"tp{params.tp}" + (f"-pp{params.pp}" if params.pp > 1 else "")
        parts = [_model(params, target).name, shape, *(["MTP"] if params.mtp else [])]
        return ", ".join(parts)

    def product(self, params: Params, target: Target) -> Mapping[str, Any] | None:
        """A deployment that carries its own model details."""
        weights, serving = target.asset("weights", params.weights), _serving(params, target)
        precision = str(weights.data.get("precision", ""))
        return {
            "type": "deployment",
            "name": serving.served_name,
            "model_id": weights.data["model_id"],
            "label": _label(params, target),
            "precision": precision,
            "toolchain": "vllm",
            "details": {
                "label": _label(params, target),
                "precision": precision,
                "toolchain": "vllm",
                "engine": "vllm",
                "stack": params.stack,
                "tp": params.tp,
                "pp": params.pp,
                "mtp": params.mtp,
                "reasoning": params.reasoning,
                "max_input": _longest_input(params, target),
                "max_total": params.max_length,
                "container": _container(params),
                "tokenizer": serving.weights,
                "path": serving.folder,
                "api_key": params.api_key,
            },
        }

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        """Return notes on differences from the stack's page."""
        stack, serving = stack_of(params), _serving(params, target)
        findings_of = limits.violated if params.as_in_guide else limits.asked
        limited = findings_of(_model(params, target), stack, _wish(params, target))
        if stack.vllm.container is None:
            return [*_own_template(serving), *limited]
        notes = container_notes(stack, target)
        if _by_hand(stack):
            notes.append(Message("guide:docker_exec"))
        notes += _port_notes(params)
        notes += _exact_notes(stack, serving) if params.as_in_guide else _own_notes(stack, serving)
        notes.append(Message("guide:waits_ready"))
        if stack.vllm.needs_both_think_tags and params.reasoning:
            notes.append(Message("guide:think_tags"))
        return [*notes, *limited]

    def plan(self, params: Params, target: Target) -> Plan:
        """Start the server, in the stack's container if any, and wait until ready."""
        stack, serving = stack_of(params), _serving(params, target)
        if params.as_in_guide:
            _refuse_what_is_not_printed(params)
        else:
            model = _model(params, target)
            limits.refuse(model, stack, _wish(params, target), vllm_common.LIMIT_FIELDS)
        vllm_common.check_dies(serving.dies, target, "pp" if params.pp > 1 else "tp")
        ports.refuse(ports.of_server({"port": params.port}, {}), target.servers)
        listen.refuse(params.bind)
        if len(serving.served_name) > NAME_LENGTH:
            raise LaunchError(_("Enter a name: the folder's name is too long."), "name")
        if stack.vllm.container is None:
            return vllm.serve_here_plan(stack, serving, site_without_dies(target))
        return vllm.serve_plan(stack, serving, vacc_site(target))

    def successors(self, params: Params) -> Sequence[str]:
        """Measure it."""
        return ("benchmark-online", "evaluate-opencompass", "evaluate-evalscope", "evaluate")


def _own_template(serving: vllm.VllmServer) -> list[Message]:
    return [Message("deploy:own_template")] if serving.template else []


def _port_notes(params: Params) -> list[Message]:
    if params.port == PRINTED_PORT:
        return []
    args = {"port": params.port, "printed": PRINTED_PORT}
    return [Message("guide:port_other" if params.port else "guide:port_free", args)]


def _exact_notes(stack: Stack, serving: vllm.VllmServer) -> list[Message]:
    """Return notes on known failures in verbatim mode."""
    notes = [Message("guide:dies_unnamed", {"dies": serving.dies})]
    if serving.only_address:
        notes.append(Message("guide:address", {"address": serving.only_address}))
    if not serving.name:
        notes.append(Message("guide:name_is_path", {"name": serving.weights}))
    if stack.vllm.no_async_scheduling and (serving.mtp or serving.pp > 1):
        notes.append(Message("guide:async_left"))
    return notes


def _own_notes(stack: Stack, serving: vllm.VllmServer) -> list[Message]:
    """Return notes on additions and their reasons."""
    notes = [
        Message("guide:own_name"),
        Message("guide:label"),
        Message("guide:dies_named"),
        Message("guide:served_name", {"name": serving.name}),
    ]
    if not _by_hand(stack):
        notes.append(Message("guide:removed_at_end"))
    if _by_hand(stack) and not serving.only_address:
        notes.append(Message("guide:listens_everywhere"))
    if serving.key:
        notes.append(Message("guide:key_in_environment"))
    if vllm.is_synchronous(stack, serving):
        notes.append(Message("guide:async_off"))
    return notes


def _refuse_what_is_not_printed(params: Params) -> None:
    """A setting that the printed commands have no place for must not be dropped silently."""
    message = _("The guide's commands do not have this setting. Leave the default.")
    for name in ("api_key", "kv_cache_space"):
        if getattr(params, name):
            raise LaunchError(message, name)
    if params.mtp and stack_of(params).vllm.mtp is None:
        raise LaunchError(message, "mtp")


def _by_hand(stack: Stack) -> bool:
    """True if the stack's page starts the server from a shell in a container."""
    return stack.vllm.container is not None and not stack.vllm.container.publish_port


def _container(params: Params) -> str:
    """Return the container's name, with a slot for the deployment's number."""
    container = STACKS[params.stack].vllm.container
    if container is None:
        return ""
    return container.name if params.as_in_guide else vllm.OWN_NAME


def _label(params: Params, target: Target) -> str:
    """Return precision and parallel sizes: "bf16 tp32-pp2"."""
    precision = str(target.asset("weights", params.weights).data.get("precision", ""))
    if not stack_of(params).vllm.container:
        return precision
    return f"{precision} tp{params.tp}" + (f"-pp{params.pp}" if params.pp > 1 else "")


def _model(params: Params, target: Target) -> ZooModel:
    return model_of_asset(target.asset("weights", params.weights))


def _longest_input(params: Params, target: Target) -> int:
    """Return the max prompt length: the published limit for these stages, at most the full
    length."""
    path = _model(params, target).paths.get("vllm")
    published = [
        one.max_input
        for one in (path.limits if path else ())
        if one.pp == params.pp and one.max_input and params.stack in (one.stacks or (params.stack,))
    ]
    return min([*published, params.max_length])


def _wish(params: Params, target: Target) -> Wish:
    return vllm_common.wish(
        _model(params, target), tp=params.tp, pp=params.pp, mtp=params.mtp, length=params.max_length
    )


def _serving(params: Params, target: Target) -> vllm.VllmServer:
    stack, weights = stack_of(params), target.asset("weights", params.weights)
    # The guide sets no name, the page of the current stack does.
    own_name = "" if params.as_in_guide and _by_hand(stack) else _model(params, target).folder
    long = stack.vllm.long_input
    model = _model(params, target)
    return vllm.VllmServer(
        weights=vllm_common.inside(stack, weights, target),
        folder=str(weights.data.get("path") or ""),
        name=params.name or own_name,
        tp=params.tp,
        pp=params.pp,
        max_length=params.max_length,
        reasoning=params.reasoning,
        mtp=params.mtp,
        long_input=long is not None and _longest_input(params, target) > long.above_tokens,
        bind=_address(params, stack, target),
        port=params.port,
        exact=params.as_in_guide,
        image=image_name(stack, target) if stack.vllm.image else "",
        key=params.api_key,
        kv_cache_space=params.kv_cache_space if stack.vllm.container else params.kv_cache_gib,
        template=params.reasoning and not stack.vllm.container and not model.reasoning,
    )


def _address(params: Params, stack: Stack, target: Target) -> str:
    """Return the listen address; behind a published port, all addresses of the container.

    The dashboard's chat must reach the server; on This computer nothing else must.
    """
    if target.is_this_computer and not stack.vllm.container:
        return vllm.LOOPBACK
    if not _by_hand(stack):
        return vllm.ALL_ADDRESSES
    return params.bind or (vllm.GUIDE_ADDRESS if params.as_in_guide else vllm.ALL_ADDRESSES)
