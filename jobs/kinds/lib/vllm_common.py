"""Shared code of kinds that run vLLM: fields, container, weights, requirements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.base.errors import LaunchError
from jobs.catalog import Stack, ZooModel
from jobs.catalog.limits import Wish
from jobs.kinds.lib.base import AssetRef, Choice, Kind, KindParams, Need, Target
from jobs.kinds.lib.common import asset_choices
from jobs.kinds.lib.common import site as site_without_dies
from jobs.kinds.lib.vacc import (
    OfStack,
    exact_field,
    stack_choices,
    stack_field,
    stack_of,
    vacc_site,
)
from jobs.tools.lib.site import Site
from jobs.tools.vacc.site import VaccSite, inside_of
from jobs.tools.vllm import cpu as vllm_cpu

ENGINE_GROUP = "Engine"
# Field of a wish -> field of these forms, if named differently.
LIMIT_FIELDS = {"max_input": "max_length", "path": "weights", "precision": "weights"}


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


class VllmParams(KindParams):
    """Stack with vLLM, and how its commands are built."""

    stack: Literal["guide", "current", "vllm-cpu"] = stack_field(runs_without_dies=True)
    as_in_guide: bool = exact_field(of_every_stack=True)


class OnVllm(Kind, params=VllmParams):
    """Base of kinds that run vLLM, on cards or on a processor."""

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        """Return choices of ``stack`` and ``weights`` on this host; None: any value, or another
        field."""
        if field == "stack":
            return stack_choices(target)
        if field == "weights" and not target.has_dies:
            formats = ((ref, ref.data.get("format")) for ref in target.weights)
            return asset_choices(ref for ref, form in formats if form == vllm_cpu.FORMAT)
        return None

    def needs(self, params: OfStack, target: Target) -> Sequence[Need]:
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
