"""What vLLM's benchmarks share: their container, their weights, their words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, TypeVar

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.catalog import Stack
from jobs.errors import LaunchError
from jobs.kinds.base import LOG, AssetRef, Target
from jobs.kinds.vacc import vacc_site
from jobs.toolchains import vacc_images, vllm_bench
from jobs.toolchains.vacc_site import inside_of

ENGINE_GROUP = "Engine"
Parsed = TypeVar("Parsed")


def tp_field() -> Any:
    """The field ``tp``."""
    return Field(
        32,
        ge=1,
        le=64,
        description="Dies that share each layer. The full model runs on 32 and no others.",
        json_schema_extra={"label": "Tensor parallel", "unit": "dies", "group": ENGINE_GROUP},
    )


def length_field() -> Any:
    """The field ``max_length``."""
    return Field(
        16384,
        ge=256,
        le=1048576,
        description="Prompt and answer of one request together (--max-model-len).",
        json_schema_extra={"label": "Longest request", "unit": "tokens", "group": ENGINE_GROUP},
    )


def tokens_field(default: int, label: str, description: str) -> Any:
    """A length."""
    return Field(
        default,
        ge=1,
        le=1048576,
        description=description,
        json_schema_extra={"label": label, "unit": "tokens", "group": "Load"},
    )


def inside(stack: Stack, weights: AssetRef, target: Target) -> str:
    """The weights' folder as a container of ``stack`` sees it.

    Raises:
        LaunchError: it does not see it.
    """
    site, container = vacc_site(target), stack.vllm.container
    folder = str(weights.data.get("path") or "")
    if container is None or not container.publish_port:
        seen = inside_of(target.facts, folder)
    elif str(PurePosixPath(folder).parent) == site.weights:
        seen = str(PurePosixPath(container.mount, PurePosixPath(folder).name))
    else:
        seen = ""
    if not seen:
        words = _("The container sees only what is in %(folder)s.") % {"folder": site.weights}
        raise LaunchError(words, "weights")
    return seen


def image(stack: Stack, target: Target) -> str:
    """The stack's image on this host.

    Raises:
        LaunchError: it is in a registry, and the host has no address of one.
    """
    try:
        return vacc_images.reference(stack, vacc_site(target))
    except ValueError:
        raise LaunchError(
            _("%(host)s names no registry of images (HOST_REGISTRY).") % {"host": target.name},
            "stack",
        ) from None


def engine(
    stack: Stack, weights: AssetRef, target: Target, *, tp: int, max_length: int, exact: bool
) -> vllm_bench.Engine:
    """How an offline benchmark loads the model."""
    return vllm_bench.Engine(
        weights=inside(stack, weights, target),
        folder=str(weights.data.get("path") or ""),
        tp=tp,
        max_length=max_length,
        image=image(stack, target),
        exact=exact,
    )


def file_or_log(
    outputs: Mapping[str, bytes],
    parse: Callable[[str, bytes], Parsed],
    parse_log: Callable[[str, bytes], Parsed],
) -> Parsed:
    """The run in result.json; where the command asked for none, the run that the log shows.

    Raises:
        ParseError: there is none, or it is not what the tool writes.
    """
    if "result.json" in outputs:
        return parse("result.json", outputs["result.json"])
    return parse_log("log", outputs.get(LOG, b""))
