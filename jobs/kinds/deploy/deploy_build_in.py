"""Deploy Build_In: serve a vamc artifact with llmdeploy or vastgenx, on its number of dies."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import Stack, ZooModel
from jobs.catalog.limits import Wish
from jobs.catalog.stacks import BuildIn
from jobs.kinds.lib import ports
from jobs.kinds.lib.base import AssetRef, Choice, Target, field
from jobs.kinds.lib.common import NAME, asset_choices, options_from
from jobs.kinds.lib.vacc import (
    OnVacc,
    VaccParams,
    limit_notes,
    model_of_asset,
    refuse_limits,
    stack_of,
    vacc_site,
)
from jobs.plans import Plan
from jobs.tools.vacc import build_in
from jobs.tools.vacc.build_in import BuildInServer

EVERYWHERE = "0.0.0.0"  # noqa: S104 -- the dashboard's chat must reach the server
BATCH_SIZE = 16
_FIELDS = {
    "path": "artifact",
    "tp": "artifact",
    "precision": "artifact",
    "max_input": "artifact",
    "max_length": "artifact",
    "concurrency": "batch_size",
}


_GUIDE = ("stack", "guide")


class Params(VaccParams):
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


class DeployBuildIn(OnVacc, params=Params):
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

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        stack = stack_of(params)
        tools, model = _tools(stack), _model(params, target)
        notes = [Message("guide:server_in_words", {"tool": tools.server})]
        if tools.config:
            own = {"publish": params.publish_port, "subscribe": params.subscribe_port}
            notes.append(Message("guide:ports_corrected", own))
        if tools.bare_stream:
            notes.append(Message("guide:bare_stream"))
        notes.append(Message("guide:no_key", {"tool": tools.server}))
        return [*notes, *limit_notes(model, stack, _wish(params, target), exact=False)]

    def title_of(self, params: Params, target: Target) -> str:
        return _name(params, target)

    def inputs(self, params: Params, target: Target) -> Mapping[str, AssetRef]:
        return {"artifact": _artifact(params, target)}

    def product(self, params: Params, target: Target) -> Mapping[str, Any] | None:
        served, tools = _artifact(params, target).data, _tools(stack_of(params))
        return {
            "type": "deployment",
            "name": _name(params, target),
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

    def plan(self, params: Params, target: Target) -> Plan:
        stack, served = stack_of(params), _artifact(params, target).data
        tools, site = _tools(stack), vacc_site(target)
        refuse_limits(_model(params, target), stack, _wish(params, target), _FIELDS)
        own_ports = _own_ports(params, tools)
        ports.refuse(ports.of_server({"port": params.port}, own_ports), target.servers)
        ports.refuse_address(params.bind)
        served_name = _name(params, target)
        serving = options_from(
            params,
            BuildInServer,
            name=served_name,
            tp=int(served["tp"]),
            max_length=int(served["max_total"]),
            bind=params.bind or EVERYWHERE,
            deploy_config=str(served.get("deploy_config") or "")
            or f"{build_in.deploy_folder(served['path'])}/{served_name}_deploy.json",
        )
        return build_in.serve_plan(tools, serving, site)


def _own_ports(params: Params, tools: BuildIn) -> dict[str, int]:
    """Return the internal ports of llmdeploy's processes, by field; {} for the other server."""
    names = ports.LLMDEPLOY_PORTS if tools.config else ()
    return {name: getattr(params, name) for name in names}


def _wish(params: Params, target: Target) -> Wish:
    served = _artifact(params, target).data
    return Wish(
        path="build_in",
        tp=int(served["tp"]),
        precision=served["precision"],
        max_input=int(served["max_input"]),
        max_length=int(served["max_total"]),
        concurrency=params.batch_size,
    )


def _artifact(params: Params, target: Target) -> AssetRef:
    """Return the artifact, which vamc must have compiled for this number of dies."""
    ref = target.asset("artifact", params.artifact)
    if ref.data.get("toolchain") != build_in.COMPILER or "tp" not in ref.data:
        message = _("%(artifact)s was not compiled by vamc. Choose another artifact.")
        raise LaunchError(message % {"artifact": ref.label}, "artifact")
    return ref


def _name(params: Params, target: Target) -> str:
    return PurePosixPath(str(_artifact(params, target).data["path"])).name


def _model(params: Params, target: Target) -> ZooModel:
    return model_of_asset(_artifact(params, target))


def _tools(stack: Stack) -> BuildIn:
    if stack.build_in is None:
        raise LaunchError(_("This stack cannot deploy compiled models."), "stack")
    return stack.build_in
