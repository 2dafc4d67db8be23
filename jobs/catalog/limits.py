"""Check of a launch request against the limits of model, stack and card.

Red blocks the launch, amber needs confirmation. A finding names the field to change, and a message
of the dashboard with arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jobs.catalog import fit as sizes
from jobs.catalog.schema import (
    PATH_TITLES,
    DeployPath,
    PathName,
    Precision,
    PublishedLimits,
    ZooModel,
)
from jobs.catalog.stacks_schema import BuildIn, Stack

Level = Literal["red", "amber"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Violated limit: ``field`` of the request, id and arguments of a message."""

    field: str
    level: Level
    message_id: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Launch request. Lengths in tokens; ``max_length`` is input plus output.

    ``compiles``: this job compiles the artifact, so limits of compiling apply too; ``stack_size``
    is VACC_STACK_SIZE, 0 if unset.
    """

    path: PathName
    tp: int
    precision: Precision
    max_input: int
    max_length: int
    concurrency: int
    pp: int = 1
    mtp: bool = False
    compiles: bool = False
    align_qkv: bool = False
    stack_size: int = 0
    die_bytes: int = sizes.DIE_BYTES


def limits(model: ZooModel, stack: Stack, wish: Wish) -> list[Finding]:
    """Return all violated limits, red first; empty: no violation."""
    path = model.paths.get(wish.path)
    if path is None:
        return [_red("path", "limit:path", model=model.name, path=PATH_TITLES[wish.path])]
    published = [one for one in path.limits if not one.stacks or stack.id in one.stacks]
    if wish.path not in stack.paths or (path.limits and not published):
        return [_red("path", "limit:stack_path", stack=stack.id, path=PATH_TITLES[wish.path])]
    findings = [*_lengths(model, wish), *_groups(path, wish)]
    if stack.hosts == "vacc":
        findings += _memory(model, path, wish)
    if wish.path == "vllm":
        findings += _served(stack, published, wish)
    elif stack.build_in:
        findings += _compiled(model, stack.build_in, wish)
    if wish.compiles and stack.build_in:
        findings += _compiling(model, stack.build_in, path, wish)
    return sorted(findings, key=lambda finding: finding.level == "amber")


def reasoning_tokens(model: ZooModel) -> int:
    """Return the recommended max output tokens of a reasoning model; 0: no reasoning model."""
    longest = model.prompting.evaluation_tokens or model.sampling.max_tokens
    return longest if model.reasoning else 0


def _lengths(model: ZooModel, wish: Wish) -> Iterator[Finding]:
    if wish.max_input > wish.max_length:
        args = {"max_input": wish.max_input, "max_length": wish.max_length}
        yield _red("max_input", "limit:input_above_length", **args)
    if wish.max_length > model.context_tokens:
        yield _red("max_length", "limit:context", model=model.name, tokens=model.context_tokens)


def _groups(path: DeployPath, wish: Wish) -> Iterator[Finding]:
    if wish.tp not in path.tp:
        yield _red("tp", "limit:tp", tp=wish.tp, allowed=_listed(path.tp))
    if wish.precision not in path.precisions:
        args = {"precision": wish.precision, "allowed": _listed(path.precisions)}
        yield _red("precision", "limit:precision", **args)


def _memory(model: ZooModel, path: DeployPath, wish: Wish) -> Iterator[Finding]:
    """Yield memory findings: weights must fit. A cache that does not fit needs confirmation only,
    because the engine rations it.
    """
    # A compiled server has a fixed cache; vLLM's cache is shared and must fit one request.
    tokens = wish.max_length * (wish.concurrency if wish.path == "build_in" else 1)
    die_bytes = wish.die_bytes
    share = sizes.fit(
        model, tp=wish.tp, pp=wish.pp, tokens=tokens, precision=wish.precision, die_bytes=die_bytes
    )
    args = {
        "tp": wish.tp,
        "precision": wish.precision,
        "weights_gb": _gb(share.weights_bytes),
        "die_gb": _gb(die_bytes),
    }
    if share.fits:
        return
    if share.weights_fit:
        args |= {"kv_gb": _gb(share.kv_bytes), "tokens": tokens}
        yield _amber("max_length", "limit:cache_does_not_fit", **args)
        return
    best = sizes.smallest_tp(
        model, tokens=0, tps=path.tp, precision=wish.precision, die_bytes=die_bytes
    )
    if best is None:
        yield _red("tp", "limit:weights_fit_nowhere", **args)
    else:
        yield _red("tp", "limit:weights_do_not_fit", **args, best=best)


def _compiled(model: ZooModel, tools: BuildIn, wish: Wish) -> Iterator[Finding]:
    """Yield findings for a compiled model, existing or to be compiled."""
    for name, tokens in (("max_input", wish.max_input), ("max_length", wish.max_length)):
        if tokens % tools.length_multiple:
            yield _red(name, "limit:multiple", tokens=tokens, multiple=tools.length_multiple)
    wanted = reasoning_tokens(model)
    if wish.max_length < wanted:
        yield _amber(
            "max_length", "limit:reasoning_is_cut", max_length=wish.max_length, tokens=wanted
        )
    if tools.batch_size and wish.concurrency > tools.batch_size:
        args = {"asked": wish.concurrency, "most": tools.batch_size, "server": tools.server}
        yield _amber("concurrency", "limit:batch_size", **args)


def _compiling(model: ZooModel, tools: BuildIn, path: DeployPath, wish: Wish) -> Iterator[Finding]:
    heads = model.architecture.num_key_value_heads
    if heads % wish.tp and not wish.align_qkv:
        yield _red("align_qkv", "limit:align_qkv", heads=heads, tp=wish.tp)
    large = model.parameters >= tools.stack_size_from_parameters
    if large and wish.stack_size < tools.stack_size:
        yield _amber("stack_size", "limit:stack_size", size=tools.stack_size)
    if path.tp_shown and wish.tp not in path.tp_shown:
        yield _amber("tp", "limit:tp_not_shown", tp=wish.tp, shown=_listed(path.tp_shown))
    shown = path.shape_shown
    if shown and (wish.max_input > shown.max_input or wish.max_length > shown.max_length):
        args = {"max_input": shown.max_input, "max_length": shown.max_length}
        yield _amber("max_length", "limit:shape_not_shown", **args)


def _served(stack: Stack, published: list[PublishedLimits], wish: Wish) -> Iterator[Finding]:
    here = next((one for one in published if one.pp == wish.pp), None)
    if published and here is None:
        allowed = _listed(one.pp for one in published)
        yield _red("pp", "limit:pp", pp=wish.pp, allowed=allowed, stack=stack.id)
    if wish.mtp and stack.vllm.mtp is None:
        yield _red("mtp", "limit:mtp_stack", stack=stack.id)
    if here is None:
        return
    yield from _within(here, published, wish)
    if wish.mtp and not here.mtp:
        yield _red("mtp", "limit:mtp_pp", pp=wish.pp)


def _within(
    here: PublishedLimits, published: list[PublishedLimits], wish: Wish
) -> Iterator[Finding]:
    """Yield findings: a length above its limit blocks; excess requests only queue."""
    for name, asked in (("max_input", wish.max_input), ("max_length", wish.max_length)):
        most = getattr(here, name)
        if most is None or asked <= most:
            continue
        args = {"asked": asked, "most": most, "tp": wish.tp, "pp": wish.pp}
        better = [one.pp for one in published if (getattr(one, name) or 0) >= asked]
        if better:
            yield _red(name, f"limit:{name}_of_pp", **args, better=min(better))
        else:
            yield _red(name, f"limit:{name}", **args)
    if here.concurrency and wish.concurrency > here.concurrency:
        yield _amber(
            "concurrency", "limit:concurrency", asked=wish.concurrency, most=here.concurrency
        )


def _red(name: str, message_id: str, **args: Any) -> Finding:
    return Finding(name, "red", message_id, args)


def _amber(name: str, message_id: str, **args: Any) -> Finding:
    return Finding(name, "amber", message_id, args)


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


def _gb(size: int) -> str:
    return f"{size / 10**9:.1f}"
