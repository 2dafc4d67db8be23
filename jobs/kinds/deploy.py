"""Serve an artifact with llama.cpp, llmdeploy or vastgenx, or published weights with vLLM."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import MODELS, Stack, ZooModel
from jobs.catalog.limits import Wish
from jobs.catalog.stacks import BuildIn
from jobs.kinds.lib import ports, vacc, vllm
from jobs.kinds.lib.base import AssetRef, Choice, Kind, KindParams, Target, field
from jobs.kinds.lib.common import NAME, SECRET, asset_choices, guide_notes, site
from jobs.plans import Plan
from jobs.tools.lib.environments import LLAMA_CPP
from jobs.tools.llama_cpp import commands as llama_cpp
from jobs.tools.vacc import build_in
from jobs.tools.vllm import serve


class DeployParams(KindParams):
    """Model to serve, and its settings. Lengths are in tokens."""

    artifact: str = field(..., "Artifact", "Model", asset="artifact")
    """Artifact to deploy."""
    name: str = field("", "Name", "Model", max_length=60, pattern=NAME)
    """Model name in the API. Empty: model and precision."""
    context: int = field(2048, "Max model length", "Server", "tokens", ge=256, le=131072)
    """Prompt and output of one request."""
    parallel: int = field(4, "Concurrency", "Server", "requests", ge=1, le=64)
    """Concurrent requests; further requests wait."""
    threads: int = field(0, "Threads", "Server", "threads", ge=0, le=1024)
    """0: one fewer than the host's cores, to leave room for other work."""
    reasoning: bool = field(False, "Reasoning template", "Server")
    """Each answer starts with up to 80 words of reasoning. Six examples before each prompt use
    about 300 tokens of the context."""


class Deploy(Kind, params=DeployParams):
    """Serve an artifact over an OpenAI-compatible API."""

    name = "deploy"
    title = "Deploy"
    good_for = "llama.cpp on a processor: small models, ready within seconds."
    reads = "readings.ready"
    family = "deploy"
    has_dies = False
    environment = LLAMA_CPP
    programs = llama_cpp.PROGRAMS
    clients = llama_cpp.CLIENTS
    leads_to = ("benchmark", "evaluate")

    def title_of(self, params: DeployParams, target: Target) -> str:
        served = target.asset("artifact", params.artifact).data
        made = f"{served['model_id']}-{served['precision']}"
        return params.name or (f"{made}-reasoning" if params.reasoning else made)

    def product(self, params: DeployParams, target: Target) -> Mapping[str, Any] | None:
        served = target.asset("artifact", params.artifact).data
        return {
            "type": "deployment",
            "name": self.title_of(params, target),
            **{name: served[name] for name in ("model_id", "label", "precision", "toolchain")},
            "parallel": params.parallel,
            "context": params.context,
            "details": {"reasoning": params.reasoning, "max_total": params.context},
        }

    def plan(self, params: DeployParams, target: Target) -> Plan:
        model = MODELS.get(str(target.asset("artifact", params.artifact).data["model_id"]))
        if model and params.context > model.context_tokens:
            message = _("Max context of %(model)s is %(tokens)d tokens.")
            raise LaunchError(message, "context", model=model.name, tokens=model.context_tokens)
        # The dashboard's chat must reach the server; on This computer nothing else must.
        listen = "127.0.0.1" if target.is_this_computer else "0.0.0.0"  # noqa: S104
        name = self.title_of(params, target)
        return llama_cpp.deploy_plan(params, site(target), name=name, listen=listen)


BATCH_SIZE = 16
_GUIDE = ("stack", "guide")


class BuildInParams(vacc.VaccParams):
    """Model to serve, and its settings."""

    artifact: str = field(..., "Artifact", "Model", asset="artifact")
    """Artifact compiled by vamc. Its shape limits the request length."""
    batch_size: int = field(BATCH_SIZE, "Batch size", "Server", "requests", ge=1, le=256)
    """Concurrent requests."""
    bind: str = field("", "Listen on", "Server", max_length=64, pattern=r"^$|^[0-9A-Fa-f.:]+$")
    """Listen address of the server. Empty: all addresses."""
    port: int = field(0, "Port", "Server", ge=0, le=65535, free_port=True)
    """0: the tool's default (7863, 9900) if free, otherwise another port."""
    ready_path: str = field(
        *("/v1/models", "Readiness path", "Server"),
        max_length=100,
        pattern=r"^/[A-Za-z0-9/_.-]*$",
    )
    """Path that returns 200 once the server is ready."""
    prompt_template: str = field(
        *("", "Prompt template", "llmdeploy"), max_length=60, pattern=NAME, when=_GUIDE
    )
    """Prompt template of llmdeploy. Empty: its own choice."""
    publish_port: int = field(
        *(17810, "Publish port", "llmdeploy"), ge=1024, le=65535, free_port=True, when=_GUIDE
    )
    """Internal port of llmdeploy. A second server needs another one."""
    # llmdeploy's sample has ports above 65535.
    subscribe_port: int = field(
        *(17110, "Subscribe port", "llmdeploy"), ge=1024, le=65535, free_port=True, when=_GUIDE
    )
    """Internal port of llmdeploy. A second server needs another one."""


class DeployBuildIn(vacc.OnVacc, params=BuildInParams):
    """Serve a vamc artifact with llmdeploy or vastgenx, on its number of dies."""

    name = "deploy-build-in"
    title = "Deploy Build_In"
    good_for = "A compiled distill on a few dies, behind the vendor's server."
    reads = "readings.ready"
    family = "deploy"
    programs = build_in.PROGRAMS
    clients = build_in.CLIENTS
    leads_to = ("benchmark", "evaluate", "evaluate-opencompass")
    steps = build_in.STEPS

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "artifact":
            return asset_choices(
                ref for ref in target.artifacts if ref.data.get("toolchain") == build_in.COMPILER
            )
        return super().choices(field, target)

    def notes(self, params: BuildInParams, target: Target) -> Sequence[Message]:
        tools, artifact = vacc.build_in_of(params), _artifact(params, target)
        notes = [Message("guide:server_in_words", {"tool": tools.server})]
        if tools.config:
            own = {"publish": params.publish_port, "subscribe": params.subscribe_port}
            notes.append(Message("guide:ports_corrected", own))
        notes += guide_notes(bare_stream=tools.bare_stream)
        notes.append(Message("guide:no_key", {"tool": tools.server}))
        model, wish = vacc.model_of_asset(artifact), _build_in_wish(params, artifact)
        return [*notes, *vacc.limit_notes(model, vacc.stack_of(params), wish, exact=False)]

    def title_of(self, params: BuildInParams, target: Target) -> str:
        return PurePosixPath(str(_artifact(params, target).data["path"])).name

    def product(self, params: BuildInParams, target: Target) -> Mapping[str, Any] | None:
        served, tools = _artifact(params, target).data, vacc.build_in_of(params)
        return {
            "type": "deployment",
            "name": self.title_of(params, target),
            **{name: served[name] for name in ("model_id", "label", "precision", "toolchain")},
            "details": {
                "stack": params.stack,
                "engine": tools.server,
                "container": "",
                "api_key": "",
                "tokenizer": served.get("tokenizer") or f"{served['path']}/tokenizer",
                **{name: served[name] for name in ("path", "tp", "max_input", "max_total")},
                "batch_size": params.batch_size,
                "bare_stream": tools.bare_stream,
                **_own_ports(params, tools),
            },
        }

    def plan(self, params: BuildInParams, target: Target) -> Plan:
        artifact, tools = _artifact(params, target), vacc.build_in_of(params)
        shape = ("path", "tp", "precision", "max_input", "max_length")
        fields = {**dict.fromkeys(shape, "artifact"), "concurrency": "batch_size"}
        wish = _build_in_wish(params, artifact)
        vacc.refuse_limits(vacc.model_of_asset(artifact), vacc.stack_of(params), wish, fields)
        own_ports = _own_ports(params, tools)
        ports.refuse(ports.of_server({"port": params.port}, own_ports), target.servers)
        ports.refuse_address(params.bind)
        return build_in.serve_plan(tools, params, vacc.vacc_site(target), artifact.data)


def _own_ports(params: BuildInParams, tools: BuildIn) -> dict[str, int]:
    """Return the internal ports of llmdeploy's processes, by field; {} for the other server."""
    names = ports.LLMDEPLOY_PORTS if tools.config else ()
    return {name: getattr(params, name) for name in names}


def _build_in_wish(params: BuildInParams, artifact: AssetRef) -> Wish:
    served = artifact.data
    return Wish(
        path="build_in",
        tp=int(served["tp"]),
        precision=served["precision"],
        max_input=int(served["max_input"]),
        max_length=int(served["max_total"]),
        concurrency=params.batch_size,
    )


def _artifact(params: BuildInParams, target: Target) -> AssetRef:
    """Return the artifact, which vamc must have compiled for this number of dies."""
    ref = target.asset("artifact", params.artifact)
    if ref.data.get("toolchain") != build_in.COMPILER or "tp" not in ref.data:
        message = _("%(artifact)s was not compiled by vamc. Choose another artifact.")
        raise LaunchError(message, "artifact", artifact=ref.label)
    return ref


PRINTED_PORT = 8000
# Max length of a deployment's name.
NAME_LENGTH = 100


class DeployVllmParams(vllm.VllmParams):
    """Model to serve, and its settings. Lengths are in tokens."""

    weights: str = vllm.weights_field()
    """Weights to deploy, as published."""
    name: str = field(
        *("", "Name", "Model"),
        max_length=NAME_LENGTH,
        pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._/-]*$",
    )
    """Model name in the API. Empty: the model's own."""
    tp: int = vllm.tp_field("Server")
    pp: int = field(
        *(1, "Pipeline parallel size", "Server", "stages"), ge=1, le=4, needs_dies=True, on_page=2
    )
    """Groups of layers, one after the other: 2 allow longer inputs."""
    max_length: int = vllm.length_field(32768, "Server", on_page=131072)
    kv_cache_gib: int = vllm.kv_cache_field("Server")
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


class DeployVllm(vllm.OnVllm, params=DeployVllmParams):
    """Serve published weights over many dies, behind an OpenAI-compatible API."""

    name = "deploy-vllm"
    title = "Deploy with vLLM"
    good_for = "Published weights: DeepSeek-R1 over many dies, or a small model on a processor."
    reads = "readings.ready"
    progress = "tools.outputs.progress.shards"
    family = "deploy"
    programs = serve.PROGRAMS
    clients = serve.CLIENTS
    leads_to = ("benchmark-online", "evaluate-opencompass", "evaluate-evalscope", "evaluate")

    def title_of(self, params: DeployVllmParams, target: Target) -> str:
        """ "DeepSeek-R1, tp32"; on a processor "SmolLM2-135M-Instruct, BF16 from Q4_1"."""
        name = _model(params, target).name
        if not vacc.stack_of(params).vllm.container:
            return f"{name}, {_label(params, target)}"
        return f"{name}, {_shape(params)}" + (", MTP" if params.mtp else "")

    def product(self, params: DeployVllmParams, target: Target) -> Mapping[str, Any] | None:
        weights, serving = target.asset("weights", params.weights), _serving(params, target)
        shipped = vacc.stack_of(params).vllm.container
        container = ""
        if shipped:  # with a slot for the deployment's number
            container = shipped.name if params.as_in_guide else serve.OWN_NAME
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

    def notes(self, params: DeployVllmParams, target: Target) -> Sequence[Message]:
        stack, serving = vacc.stack_of(params), _serving(params, target)
        model, exact = _model(params, target), params.as_in_guide
        limited = vacc.limit_notes(model, stack, _wish(params, model), exact=exact)
        if stack.vllm.container is None:
            return [Message("deploy:own_template"), *limited] if serving.template else limited
        by_hand = _by_hand(stack)
        notes = [*vacc.container_notes(stack, target), *guide_notes(docker_exec=by_hand)]
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
                async_off=serve.is_synchronous(stack, serving),
            )
        thinks = stack.vllm.needs_both_think_tags and params.reasoning
        return [*notes, *guide_notes("waits_ready", think_tags=thinks), *limited]

    def plan(self, params: DeployVllmParams, target: Target) -> Plan:
        stack, serving = vacc.stack_of(params), _serving(params, target)
        if params.as_in_guide:  # a setting without a place must not be dropped silently
            lost = [name for name in ("api_key", "kv_cache_space") if getattr(params, name)]
            lost += ["mtp"] if params.mtp and stack.vllm.mtp is None else []
            if lost:
                message = _("The guide's commands do not have this setting. Leave the default.")
                raise LaunchError(message, lost[0])
        else:
            model = _model(params, target)
            vacc.refuse_limits(model, stack, _wish(params, model), vllm.LIMIT_FIELDS)
        vllm.check_dies(params.tp * params.pp, target, "pp" if params.pp > 1 else "tp")
        ports.refuse(ports.of_server({"port": params.port}, {}), target.servers)
        ports.refuse_address(params.bind)
        if len(serving.served_name) > NAME_LENGTH:
            raise LaunchError(_("Enter a name: the folder's name is too long."), "name")
        if stack.vllm.container is None:
            return serve.serve_here_plan(stack, serving, site(target))
        return serve.serve_plan(stack, serving, vacc.vacc_site(target))


def _by_hand(stack: Stack) -> bool:
    """True if the stack's page starts the server from a shell in a container."""
    return stack.vllm.container is not None and not stack.vllm.container.publish_port


def _label(params: DeployVllmParams, target: Target) -> str:
    """Return precision and parallel sizes: "bf16 tp32-pp2"."""
    precision = str(target.asset("weights", params.weights).data.get("precision", ""))
    if not vacc.stack_of(params).vllm.container:
        return precision
    return f"{precision} {_shape(params)}"


def _shape(params: DeployVllmParams) -> str:
    return f"tp{params.tp}" + (f"-pp{params.pp}" if params.pp > 1 else "")


def _model(params: DeployVllmParams, target: Target) -> ZooModel:
    return vacc.model_of_asset(target.asset("weights", params.weights))


def _longest_input(params: DeployVllmParams, target: Target) -> int:
    """Return the max prompt length: at most the published limit for these stages."""
    path = _model(params, target).paths.get("vllm")
    published = [
        one.max_input
        for one in (path.limits if path else ())
        if one.pp == params.pp and one.max_input and params.stack in (one.stacks or (params.stack,))
    ]
    return min([*published, params.max_length])


def _wish(params: DeployVllmParams, model: ZooModel) -> Wish:
    return vllm.wish(model, tp=params.tp, pp=params.pp, mtp=params.mtp, length=params.max_length)


def _serving(params: DeployVllmParams, target: Target) -> serve.VllmServer:
    stack, weights = vacc.stack_of(params), target.asset("weights", params.weights)
    # The guide sets no name, the page of the current stack does.
    model = _model(params, target)
    own_name = "" if params.as_in_guide and _by_hand(stack) else model.folder
    long = stack.vllm.long_input
    return serve.VllmServer(
        params,
        weights=vllm.inside(stack, weights, target),
        folder=str(weights.data.get("path") or ""),
        name=params.name or own_name,
        long_input=long is not None and _longest_input(params, target) > long.above_tokens,
        bind=_address(params, stack, target),
        image=vacc.image_name(stack, target) if stack.vllm.image else "",
        template=params.reasoning and not stack.vllm.container and not model.reasoning,
    )


def _address(params: DeployVllmParams, stack: Stack, target: Target) -> str:
    """Return the listen address; behind a published port, all addresses of the container. The
    dashboard's chat must reach the server; on This computer nothing else must."""
    if target.is_this_computer and not stack.vllm.container:
        return serve.LOOPBACK
    if not _by_hand(stack):
        return serve.ALL_ADDRESSES
    return params.bind or (serve.GUIDE_ADDRESS if params.as_in_guide else serve.ALL_ADDRESSES)
