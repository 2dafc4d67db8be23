"""Serve an artifact: with llama.cpp, or on VACC with llmdeploy or vastgenx (Build_In)."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import MODELS
from jobs.catalog.limits import Wish
from jobs.catalog.stacks import BuildIn
from jobs.kinds.lib import ports
from jobs.kinds.lib.base import AssetRef, Choice, Kind, KindParams, Target, field
from jobs.kinds.lib.common import NAME, asset_choices, guide_notes, site
from jobs.kinds.lib.vacc import (
    OnVacc,
    VaccParams,
    build_in_of,
    limit_notes,
    model_of_asset,
    refuse_limits,
    stack_of,
    vacc_site,
)
from jobs.plans import Plan
from jobs.tools.lib.environments import LLAMA_CPP
from jobs.tools.llama_cpp import commands as llama_cpp
from jobs.tools.vacc import build_in


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


class BuildInParams(VaccParams):
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


class DeployBuildIn(OnVacc, params=BuildInParams):
    """Serve a vamc artifact with llmdeploy or vastgenx, on its number of dies."""

    name = "deploy-build-in"
    title = "Deploy Build_In"
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
        tools, artifact = build_in_of(params), _artifact(params, target)
        notes = [Message("guide:server_in_words", {"tool": tools.server})]
        if tools.config:
            own = {"publish": params.publish_port, "subscribe": params.subscribe_port}
            notes.append(Message("guide:ports_corrected", own))
        notes += guide_notes(bare_stream=tools.bare_stream)
        notes.append(Message("guide:no_key", {"tool": tools.server}))
        model, wish = model_of_asset(artifact), _wish(params, artifact)
        return [*notes, *limit_notes(model, stack_of(params), wish, exact=False)]

    def title_of(self, params: BuildInParams, target: Target) -> str:
        return PurePosixPath(str(_artifact(params, target).data["path"])).name

    def product(self, params: BuildInParams, target: Target) -> Mapping[str, Any] | None:
        served, tools = _artifact(params, target).data, build_in_of(params)
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
        artifact, tools = _artifact(params, target), build_in_of(params)
        shape = ("path", "tp", "precision", "max_input", "max_length")
        fields = {**dict.fromkeys(shape, "artifact"), "concurrency": "batch_size"}
        wish = _wish(params, artifact)
        refuse_limits(model_of_asset(artifact), stack_of(params), wish, fields)
        own_ports = _own_ports(params, tools)
        ports.refuse(ports.of_server({"port": params.port}, own_ports), target.servers)
        ports.refuse_address(params.bind)
        return build_in.serve_plan(tools, params, vacc_site(target), artifact.data)


def _own_ports(params: BuildInParams, tools: BuildIn) -> dict[str, int]:
    """Return the internal ports of llmdeploy's processes, by field; {} for the other server."""
    names = ports.LLMDEPLOY_PORTS if tools.config else ()
    return {name: getattr(params, name) for name in names}


def _wish(params: BuildInParams, artifact: AssetRef) -> Wish:
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
