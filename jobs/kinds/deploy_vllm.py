"""Deploy with vLLM: serve published weights over many dies, behind an OpenAI-compatible API."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import Stack, ZooModel
from jobs.catalog.limits import Wish
from jobs.kinds.lib import ports
from jobs.kinds.lib.base import Target, field
from jobs.kinds.lib.common import SECRET, guide_notes
from jobs.kinds.lib.common import site as site_without_dies
from jobs.kinds.lib.vacc import (
    container_notes,
    image_name,
    limit_notes,
    model_of_asset,
    refuse_limits,
    stack_of,
    vacc_site,
)
from jobs.kinds.lib.vllm import (
    LIMIT_FIELDS,
    OnVllm,
    VllmParams,
    check_dies,
    inside,
    kv_cache_field,
    length_field,
    tp_field,
    weights_field,
    wish,
)
from jobs.plans import Plan
from jobs.tools.vllm import serve as vllm

PRINTED_PORT = 8000
# Max length of a deployment's name.
NAME_LENGTH = 100


class Params(VllmParams):
    """Model to serve, and its settings. Lengths are in tokens."""

    weights: str = weights_field()
    """Weights to deploy, as published."""
    name: str = field(
        *("", "Name", "Model"),
        max_length=NAME_LENGTH,
        pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._/-]*$",
    )
    """Model name in the API. Empty: the model's own."""
    tp: int = tp_field("Server")
    pp: int = field(
        *(1, "Pipeline parallel size", "Server", "stages"), ge=1, le=4, needs_dies=True, on_page=2
    )
    """Groups of layers, one after the other: 2 allow longer inputs."""
    max_length: int = length_field(32768, "Server", on_page=131072)
    kv_cache_gib: int = kv_cache_field("Server")
    reasoning: bool = field(True, "Reasoning parser", "Server")
    """Separate reasoning and answer in the API (--reasoning-parser deepseek_r1)."""
    mtp: bool = field(False, "MTP", "Server", when=("stack", "current"), needs_dies=True)
    """Speculative decoding with the model's MTP layer."""
    bind: str = field(
        *("", "Listen on", "Server"),
        max_length=15,
        pattern=r"^$|^[0-9]{1,3}(\.[0-9]{1,3}){3}$",
        when=("stack", "guide"),
        needs_dies=True,
    )
    """Listen address of the server. Empty: all addresses; with guide verbatim, the guide's."""
    port: int = field(
        *(PRINTED_PORT, "Port", "Server"),
        ge=0,
        le=65535,
        without_dies=0,
        free_port=True,
        printed=True,
    )
    """0: any free port of the host's range."""
    api_key: str = field("", "API key", "Server", max_length=64, pattern=SECRET)
    """Secret with the API key that requests must send. Empty: no key."""
    kv_cache_space: int = field(0, "KV cache space", "Server", ge=0, le=64, needs_dies=True)
    """VLLM_VACC_KVCACHE_SPACE; unit undocumented. 0: the image's default."""


class DeployVllm(OnVllm, params=Params):
    """Serve published weights over many dies, behind an OpenAI-compatible API."""

    name = "deploy-vllm"
    title = "Deploy with vLLM"
    reads = "readings.ready"
    progress = "tools.outputs.progress.shards"
    family = "deploy"
    programs = vllm.PROGRAMS
    clients = vllm.CLIENTS
    leads_to = ("benchmark-online", "evaluate-opencompass", "evaluate-evalscope", "evaluate")

    def title_of(self, params: Params, target: Target) -> str:
        """ "DeepSeek-R1, tp32"; on a processor "SmolLM2-135M-Instruct, BF16 from Q4_1"."""
        name = _model(params, target).name
        if not stack_of(params).vllm.container:
            return f"{name}, {_label(params, target)}"
        return f"{name}, {_shape(params)}" + (", MTP" if params.mtp else "")

    def product(self, params: Params, target: Target) -> Mapping[str, Any] | None:
        weights, serving = target.asset("weights", params.weights), _serving(params, target)
        shipped = stack_of(params).vllm.container
        container = ""
        if shipped:  # with a slot for the deployment's number
            container = shipped.name if params.as_in_guide else vllm.OWN_NAME
        shown = {
            "label": _label(params, target),
            "precision": str(weights.data.get("precision", "")),
            "toolchain": "vllm",
        }
        return {
            "type": "deployment",
            "name": serving.served_name,
            "model_id": weights.data["model_id"],
            **shown,
            "details": {
                **shown,
                "engine": "vllm",
                "stack": params.stack,
                "tp": params.tp,
                "pp": params.pp,
                "mtp": params.mtp,
                "reasoning": params.reasoning,
                "max_input": _longest_input(params, target),
                "max_total": params.max_length,
                "container": container,
                "tokenizer": serving.weights,
                "path": serving.folder,
                "api_key": params.api_key,
            },
        }

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        stack, serving = stack_of(params), _serving(params, target)
        model, exact = _model(params, target), params.as_in_guide
        limited = limit_notes(model, stack, _wish(params, model), exact=exact)
        if stack.vllm.container is None:
            return [Message("deploy:own_template"), *limited] if serving.template else limited
        by_hand = _by_hand(stack)
        notes = [*container_notes(stack, target), *guide_notes(docker_exec=by_hand)]
        if params.port != PRINTED_PORT:
            args = {"port": params.port, "printed": PRINTED_PORT}
            notes.append(Message("guide:port_other" if params.port else "guide:port_free", args))
        if exact:
            notes.append(Message("guide:dies_unnamed", {"dies": params.tp * params.pp}))
            if serving.only_address:
                notes.append(Message("guide:address", {"address": serving.only_address}))
            if not serving.name:
                notes.append(Message("guide:name_is_path", {"name": serving.weights}))
            needs_flag = stack.vllm.no_async_scheduling and (params.mtp or params.pp > 1)
            notes += guide_notes(async_left=needs_flag)
        else:
            notes += guide_notes("own_name", "label", "dies_named")
            notes.append(Message("guide:served_name", {"name": serving.name}))
            notes += guide_notes(
                removed_at_end=not by_hand,
                listens_everywhere=by_hand and not serving.only_address,
                key_in_environment=params.api_key,
                async_off=vllm.is_synchronous(stack, serving),
            )
        thinks = stack.vllm.needs_both_think_tags and params.reasoning
        return [*notes, *guide_notes("waits_ready", think_tags=thinks), *limited]

    def plan(self, params: Params, target: Target) -> Plan:
        stack, serving = stack_of(params), _serving(params, target)
        if params.as_in_guide:  # a setting without a place must not be dropped silently
            lost = [name for name in ("api_key", "kv_cache_space") if getattr(params, name)]
            lost += ["mtp"] if params.mtp and stack.vllm.mtp is None else []
            if lost:
                message = _("The guide's commands do not have this setting. Leave the default.")
                raise LaunchError(message, lost[0])
        else:
            model = _model(params, target)
            refuse_limits(model, stack, _wish(params, model), LIMIT_FIELDS)
        check_dies(params.tp * params.pp, target, "pp" if params.pp > 1 else "tp")
        ports.refuse(ports.of_server({"port": params.port}, {}), target.servers)
        ports.refuse_address(params.bind)
        if len(serving.served_name) > NAME_LENGTH:
            raise LaunchError(_("Enter a name: the folder's name is too long."), "name")
        if stack.vllm.container is None:
            return vllm.serve_here_plan(stack, serving, site_without_dies(target))
        return vllm.serve_plan(stack, serving, vacc_site(target))


def _by_hand(stack: Stack) -> bool:
    """True if the stack's page starts the server from a shell in a container."""
    return stack.vllm.container is not None and not stack.vllm.container.publish_port


def _label(params: Params, target: Target) -> str:
    """Return precision and parallel sizes: "bf16 tp32-pp2"."""
    precision = str(target.asset("weights", params.weights).data.get("precision", ""))
    if not stack_of(params).vllm.container:
        return precision
    return f"{precision} {_shape(params)}"


def _shape(params: Params) -> str:
    return f"tp{params.tp}" + (f"-pp{params.pp}" if params.pp > 1 else "")


def _model(params: Params, target: Target) -> ZooModel:
    return model_of_asset(target.asset("weights", params.weights))


def _longest_input(params: Params, target: Target) -> int:
    """Return the max prompt length: at most the published limit for these stages."""
    path = _model(params, target).paths.get("vllm")
    published = [
        one.max_input
        for one in (path.limits if path else ())
        if one.pp == params.pp and one.max_input and params.stack in (one.stacks or (params.stack,))
    ]
    return min([*published, params.max_length])


def _wish(params: Params, model: ZooModel) -> Wish:
    return wish(model, tp=params.tp, pp=params.pp, mtp=params.mtp, length=params.max_length)


def _serving(params: Params, target: Target) -> vllm.VllmServer:
    stack, weights = stack_of(params), target.asset("weights", params.weights)
    # The guide sets no name, the page of the current stack does.
    model = _model(params, target)
    own_name = "" if params.as_in_guide and _by_hand(stack) else model.folder
    long = stack.vllm.long_input
    return vllm.VllmServer(
        params,
        weights=inside(stack, weights, target),
        folder=str(weights.data.get("path") or ""),
        name=params.name or own_name,
        long_input=long is not None and _longest_input(params, target) > long.above_tokens,
        bind=_address(params, stack, target),
        image=image_name(stack, target) if stack.vllm.image else "",
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
