"""Deploy with vLLM: the weights as they are, over many dies, behind an OpenAI-compatible API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field

from jobs.catalog import STACKS, Stack, ZooModel
from jobs.catalog.limits import Wish
from jobs.errors import LaunchError
from jobs.kinds import limits, vllm_common
from jobs.kinds.base import AssetRef, Choice, Conclusion, Need, Remark, Target
from jobs.kinds.common import asset
from jobs.kinds.vacc import exact_field, model_of, stack_choices, stack_field, stack_of, vacc_site
from jobs.parsers import reports
from jobs.plans import Plan
from jobs.toolchains import vllm

name = "deploy-vllm"
title = "Deploy with vLLM"
family = "deploy"

GUIDE_LENGTH = 32768
SECRET_PATTERN = r"^$|^[A-Z][A-Z0-9_]{1,63}$"


class Params(BaseModel):
    """What to serve, and how. Lengths are in tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stack: Literal["guide", "current"] = stack_field()
    as_in_guide: bool = exact_field()
    weights: str = Field(
        description="The weights to serve, as they were published.",
        json_schema_extra={"label": "Weights", "group": "Model", "asset": "weights"},
    )
    name: str = Field(
        "",
        max_length=100,
        pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._/-]*$",
        description="Name of the model in the API. Empty: the model's own.",
        json_schema_extra={"label": "Name", "group": "Model"},
    )
    tp: int = Field(
        32,
        ge=1,
        le=64,
        description="Dies that share each layer. The full model runs on 32 and no others.",
        json_schema_extra={"label": "Tensor parallel", "unit": "dies", "group": "Server"},
    )
    pp: int = Field(
        1,
        ge=1,
        le=4,
        description="Stages that share the layers (pipeline parallel): 2 allow longer inputs.",
        json_schema_extra={"label": "Pipeline stages", "unit": "stages", "group": "Server"},
    )
    max_length: int = Field(
        GUIDE_LENGTH,
        ge=256,
        le=1048576,
        description="Prompt and answer of one request together (--max-model-len).",
        json_schema_extra={"label": "Longest request", "unit": "tokens", "group": "Server"},
    )
    reasoning: bool = Field(
        True,
        description="Tell thought and answer apart in the API (--reasoning-parser deepseek_r1).",
        json_schema_extra={"label": "Reasoning parser", "group": "Server"},
    )
    mtp: bool = Field(
        False,
        description="Speculative decoding with the model's own MTP layer.",
        json_schema_extra={"label": "MTP", "group": "Server", "when": ["stack", "current"]},
    )
    bind: str = Field(
        "",
        max_length=64,
        pattern=r"^$|^[0-9A-Fa-f.:]+$",
        description="Address that the server listens on. Empty: all, or the guide's own.",
        json_schema_extra={"label": "Listen on", "group": "Server"},
    )
    port: int = Field(
        8000,
        ge=0,
        le=65535,
        description="0: any port of the host's range that is free.",
        json_schema_extra={"label": "Port", "group": "Server"},
    )
    api_key: str = Field(
        "",
        max_length=64,
        pattern=SECRET_PATTERN,
        description="Name of the secret that requests must carry. Empty: no key.",
        json_schema_extra={"label": "API key", "group": "Server"},
    )
    kv_cache_space: int = Field(
        0,
        ge=0,
        le=64,
        description="VLLM_VACC_KVCACHE_SPACE; its unit is not documented. 0: as the image has it.",
        json_schema_extra={"label": "KV cache space", "group": "Server"},
    )


def offered(target: Target) -> bool:
    """On a host with accelerator cards."""
    return target.has_dies


def choices(field: str, target: Target) -> Sequence[Choice] | None:
    """What ``field`` may be on this host."""
    return stack_choices(target) if field == "stack" else None


def needs(params: Params, target: Target) -> Sequence[Need]:
    """Nothing: the image has it all."""
    return ()


def title_of(params: Params, target: Target) -> str:
    """ "DeepSeek-R1, tp32"."""
    shape = f"tp{params.tp}" + (f"-pp{params.pp}" if params.pp > 1 else "")
    words = [_model(params, target).name, shape, *(["MTP"] if params.mtp else [])]
    return ", ".join(words)


def inputs(params: Params, target: Target) -> Mapping[str, AssetRef]:
    """The weights."""
    return {"weights": _weights(params, target)}


def product(params: Params, target: Target) -> Mapping[str, Any] | None:
    """A deployment that tells what it serves by itself."""
    weights, serving = _weights(params, target), _serving(params, target)
    precision = str(weights.data.get("precision", ""))
    return {
        "type": "deployment",
        "name": serving.name or serving.weights,
        "model_id": weights.data["model_id"],
        "label": f"{precision} tp{params.tp}",
        "precision": precision,
        "toolchain": "vllm",
        "details": {
            "label": f"{precision} tp{params.tp}" + (f"-pp{params.pp}" if params.pp > 1 else ""),
            "precision": precision,
            "toolchain": "vllm",
            "engine": "vllm",
            "stack": params.stack,
            "tp": params.tp,
            "pp": params.pp,
            "mtp": params.mtp,
            "max_total": params.max_length,
            "container": _container(params),
            "tokenizer": serving.weights,
            "path": serving.folder,
            "api_key": params.api_key,
        },
    }


def notes(params: Params, target: Target) -> Sequence[Remark]:
    """What is done otherwise than the page prints it."""
    stack, serving = stack_of(params), _serving(params, target)
    found = [Remark("guide:detached"), Remark("guide:docker_exec")] if _by_hand(stack) else []
    if params.as_in_guide:
        if serving.bind == vllm.GUIDE_ADDRESS:
            found.append(Remark("guide:address", {"address": serving.bind}))
        found.append(Remark("guide:name_is_path", {"name": serving.weights}))
        found += limits.found(_model(params, target), stack, _wish(params, target))
    else:
        found += [
            Remark("guide:own_name"),
            Remark("guide:dies_named"),
            Remark("guide:served_name", {"name": serving.name}),
        ]
        if params.stack == "guide":
            found.append(Remark("guide:listens_everywhere"))
        found += limits.asked(_model(params, target), stack, _wish(params, target))
    if stack.vllm.needs_both_think_tags and params.reasoning:
        found.append(Remark("guide:think_tags"))
    return found


def plan(params: Params, target: Target) -> Plan:
    """A container, the server in it, and a wait until it is ready."""
    stack = stack_of(params)
    if not params.as_in_guide:
        fields = {"max_input": "max_length", "concurrency": ""}
        limits.refuse(_model(params, target), stack, _wish(params, target), fields)
        if params.mtp and stack.vllm.mtp is None:
            raise LaunchError(_("This stack has no MTP."), "mtp")
    return vllm.serve_plan(stack, _serving(params, target), vacc_site(target))


def conclude(
    params: Params, plan: Plan, outputs: Mapping[str, bytes], exit_code: int
) -> Conclusion:
    """How long it took to be ready."""
    seconds = reports.read(outputs, "ready.json", reports.ReadyReport).seconds
    return Conclusion(sentence=Remark("deploy:ready", {"seconds": f"{seconds:.1f}"}))


def _by_hand(stack: Stack) -> bool:
    """Whether the stack's page starts a shell in a container, and the server in that."""
    return stack.vllm.container is not None and not stack.vllm.container.publish_port


def _container(params: Params) -> str:
    """Its name, with the deployment's number still to come."""
    container = STACKS[params.stack].vllm.container
    return container.name if params.as_in_guide and container else vllm.OWN_NAME


def _weights(params: Params, target: Target) -> AssetRef:
    return asset(target.weights, params.weights, "weights")


def _model(params: Params, target: Target) -> ZooModel:
    return model_of(str(_weights(params, target).data["model_id"]), "weights")


def _wish(params: Params, target: Target) -> Wish:
    return Wish(
        path="vllm",
        tp=params.tp,
        pp=params.pp,
        mtp=params.mtp,
        precision=_model(params, target).dtype,
        max_input=1,
        max_length=params.max_length,
        concurrency=1,
    )


def _serving(params: Params, target: Target) -> vllm.Serving:
    stack = stack_of(params)
    hub_name = _model(params, target).folder
    weights = _weights(params, target)
    bind = params.bind or ("0.0.0.0" if not (params.as_in_guide and _by_hand(stack)) else "")
    # The guide prints no name, the page of the current stack does.
    own_name = "" if params.as_in_guide and _by_hand(stack) else hub_name
    return vllm.Serving(
        weights=vllm_common.inside(stack, weights, target),
        folder=str(weights.data.get("path") or ""),
        name=params.name or own_name,
        tp=params.tp,
        pp=params.pp,
        max_length=params.max_length,
        reasoning=params.reasoning,
        mtp=params.mtp,
        bind=bind or vllm.GUIDE_ADDRESS,
        port=params.port,
        exact=params.as_in_guide,
        image=vllm_common.image(stack, target),
        key=params.api_key,
        kv_cache_space=params.kv_cache_space,
    )
