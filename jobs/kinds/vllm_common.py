"""What vLLM's benchmarks share: their container, their weights, their words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, Protocol, TypeVar

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.catalog import Stack, ZooModel
from jobs.catalog.limits import Wish
from jobs.catalog.stacks_schema import Offline
from jobs.errors import LaunchError, ParseError
from jobs.kinds import limits
from jobs.kinds.base import LOG, AssetRef, Remark, Target
from jobs.kinds.vacc import OfStack, image_name, is_exact, vacc_site
from jobs.toolchains import vllm_bench
from jobs.toolchains.vacc_site import inside_of

ENGINE_GROUP = "Engine"
# Field of a wish -> field of the forms here, where they are called otherwise.
LIMIT_FIELDS = {"max_input": "max_length", "path": "weights", "precision": "weights"}
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


def check_dies(wanted: int, target: Target, field: str = "tp") -> None:
    """Refuse more dies than the host has, for which the job would wait for ever.

    Raises:
        LaunchError: at ``field``.
    """
    there = len(target.facts.get("dies") or ())
    if wanted > there:
        words = _("%(host)s has %(there)d dies, and this takes %(wanted)d.")
        args = {"host": target.name, "there": there, "wanted": wanted}
        raise LaunchError(words % args, field)


def wish(
    model: ZooModel, *, tp: int, length: int, pp: int = 1, mtp: bool = False, max_input: int = 1
) -> Wish:
    """What is asked of a model that is served, or loaded, by vLLM."""
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


def engine(
    stack: Stack, weights: AssetRef, target: Target, *, tp: int, max_length: int, exact: bool
) -> vllm_bench.Engine:
    """How an offline benchmark loads the model."""
    return vllm_bench.Engine(
        weights=inside(stack, weights, target),
        folder=str(weights.data.get("path") or ""),
        tp=tp,
        max_length=max_length,
        image=image_name(stack, target),
        exact=exact,
    )


class Loading(OfStack, Protocol):
    """Params of a benchmark that loads the model by itself."""

    @property
    def tp(self) -> int:
        """Dies."""

    @property
    def max_length(self) -> int:
        """The longest request, in tokens."""

    @property
    def input_tokens(self) -> int:
        """Of a request."""

    @property
    def output_tokens(self) -> int:
        """Of a request."""


def check_engine(params: Loading, stack: Stack, model: ZooModel, target: Target) -> None:
    """Refuse what the model or the stack cannot do; to the letter it is told only.

    Raises:
        LaunchError: at the field.
    """
    together = params.input_tokens + params.output_tokens
    if together > params.max_length:
        words = _("Input and output are %(sum)d tokens together, more than the longest request.")
        raise LaunchError(words % {"sum": together}, "max_length")
    check_dies(params.tp, target)
    if not is_exact(params):
        fields = {**LIMIT_FIELDS, "max_input": "input_tokens"}
        limits.refuse(model, stack, _loaded(params, model), fields)


def engine_notes(params: Loading, stack: Stack, tool: Offline, model: ZooModel) -> list[Remark]:
    """What an offline benchmark does otherwise than the guide prints it."""
    exact, found = is_exact(params), [Remark("guide:detached"), Remark("guide:docker_exec")]
    if tool.needs_import:
        args = {"module": tool.needs_import}
        found.append(
            Remark("guide:plugin_missing", args) if exact else Remark("guide:plugin_imported", args)
        )
    if exact:
        found.append(Remark("guide:dies_unnamed", {"dies": params.tp}))
    else:
        found += [Remark("guide:json_kept"), Remark("guide:dies_named")]
    told = limits.found if exact else limits.asked
    return [*found, *told(model, stack, _loaded(params, model))]


def _loaded(params: Loading, model: ZooModel) -> Wish:
    return wish(model, tp=params.tp, length=params.max_length, max_input=params.input_tokens)


def file_or_log(
    outputs: Mapping[str, bytes],
    parse: Callable[[str, bytes], Parsed],
    parse_log: Callable[[str, bytes], Parsed],
) -> Parsed | None:
    """The run in result.json; where the command asked for none, the run that the log shows.

    None: the log shows none, so the tool exited with 0 and did no work.

    Raises:
        ParseError: the file is not what the tool writes.
    """
    if "result.json" in outputs:
        return parse("result.json", outputs["result.json"])
    try:
        return parse_log("log", outputs.get(LOG, b""))
    except ParseError:
        return None
