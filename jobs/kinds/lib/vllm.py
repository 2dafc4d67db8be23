"""Shared code of kinds that run vLLM."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.catalog import Stack, ZooModel
from jobs.catalog.limits import Wish
from jobs.kinds.lib import common, vacc
from jobs.kinds.lib.base import AssetRef, Choice, Kind, Target, field
from jobs.tools.lib.site import Site
from jobs.tools.vacc.site import VaccSite, inside_of
from jobs.tools.vllm import serve as vllm

CPU_STACK = "vllm-cpu"
# Field of a wish -> field of these forms, if named differently.
LIMIT_FIELDS = {"max_input": "max_length", "path": "weights", "precision": "weights"}


def weights_field() -> Any:
    return field(..., "Weights", "Model", asset="weights", made_by="convert-weights", way="vllm")


def tp_field(group: str = "Engine") -> Any:
    return field(
        *(32, "Tensor parallel size", group, "dies"),
        ge=1,
        le=64,
        needs_dies=True,
        without_dies=1,
        description="Dies per layer. The full model runs only on 32.",
    )


def length_field(default: int = 16384, group: str = "Engine", **rules: Any) -> Any:
    return field(
        *(default, "Max model length", group, "tokens"),
        ge=256,
        le=1048576,
        without_dies=2048,
        of_model=("vllm", "max_length"),
        description="Prompt and output of one request (--max-model-len).",
        **rules,
    )


def tokens_field(default: int, label: str, **rules: Any) -> Any:
    return field(default, label, "Load", "tokens", ge=1, le=1048576, **rules)


def kv_cache_field(group: str = "Engine") -> Any:
    """Return the field ``kv_cache_gib`` of an engine on a processor."""
    return field(
        *(1, "KV cache", group, "GiB"),
        ge=1,
        le=1024,
        when=("stack", CPU_STACK),
        description="KV cache memory for all requests (VLLM_CPU_KVCACHE_SPACE).",
    )


class VllmParams(vacc.StackParams):
    """Stack with vLLM. Guide verbatim applies to the page of the current stack, too."""

    stack: Literal["guide", "current", "vllm-cpu"] = vacc.stack_field(without_dies=CPU_STACK)
    as_in_guide: bool = vacc.exact_field()


class OnVllm(Kind, params=VllmParams):
    """Base of kinds that run vLLM, on cards or on a processor."""

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "stack":
            return vacc.stack_choices(target)
        if field == "weights" and not target.has_dies:
            formats = ((ref, ref.data.get("format")) for ref in target.weights)
            return common.asset_choices(ref for ref, form in formats if form == vllm.FORMAT)
        return None

    def needs(self, params: vacc.StackParams, target: Target) -> Sequence[str]:
        """Return the stack's environment; none for an image."""
        environment = vacc.stack_of(params).environment
        return (environment,) if environment else ()


def site_of(stack: Stack, target: Target) -> VaccSite | Site:
    """Return the host's folders for the stack's commands."""
    return vacc.vacc_site(target) if stack.vllm.container else common.site(target)


def inside(stack: Stack, weights: AssetRef, target: Target) -> str:
    """Return the weights' path in a container of ``stack``; unchanged without a container."""
    container = stack.vllm.container
    folder = str(weights.data.get("path") or "")
    if container is None:
        return folder
    site = vacc.vacc_site(target)
    if not container.publish_port:
        path = inside_of(target.facts, folder)
    elif str(PurePosixPath(folder).parent) == site.weights:
        path = str(PurePosixPath(container.mount, PurePosixPath(folder).name))
    else:
        path = ""
    if not path:
        message = _("Choose a path in %(folder)s: the container has no access to others.")
        raise LaunchError(message, "weights", folder=site.weights)
    return path


def check_dies(wanted: int, target: Target, field: str = "tp") -> None:
    """Refuse more dies than the host has, because the job would wait forever."""
    there = len(target.facts.get("dies") or ())
    if wanted > there and target.has_dies:
        message = _("%(host)s has %(there)d dies; %(wanted)d needed.")
        raise LaunchError(message, field, host=target.name, there=there, wanted=wanted)


def wish(
    model: ZooModel, *, tp: int, length: int, pp: int = 1, mtp: bool = False, max_input: int = 1
) -> Wish:
    """Return the requirements of a model that vLLM serves or loads."""
    fixed: Any = {"path": "vllm", "precision": model.dtype, "concurrency": 1}
    return Wish(**fixed, tp=tp, pp=pp, mtp=mtp, max_input=max_input, max_length=length)
