"""Check of a launch request against limits of model, stack and card, and the memory of a die. Red
blocks the launch, amber needs confirmation; a finding names the field to change."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jobs.catalog.schema import (
    PATH_TITLES,
    DeployPath,
    HubSource,
    PathName,
    Precision,
    PublishedLimits,
    ZooModel,
)
from jobs.catalog.stacks import BuildIn, Stack

# A VA16 card has 128 GB for its four dies (VastModelZOO, "8×128G"; 1 GB = 10^9 bytes).
DIE_BYTES = 32 * 10**9
KV_WIDTH = 2  # bytes per value: the cache has 16 bits at any weight precision
WIDTHS: dict[Precision, int] = {"fp16": 2, "bf16": 2, "fp8": 1, "int8": 1}


@dataclass(frozen=True, slots=True)
class ViolatedLimit:
    """Violated limit: ``field`` of the request, id and arguments of a message."""

    field: str
    level: Literal["red", "amber"]
    message_id: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Launch request, lengths in tokens; ``max_length`` is input plus output. ``compiles``: limits
    of compiling apply too. ``stack_size``: VACC_STACK_SIZE, 0 if unset."""

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


def limits(model: ZooModel, stack: Stack, wish: Wish) -> list[ViolatedLimit]:
    """Return all violated limits, red first; empty: no violation."""
    path = model.paths.get(wish.path)
    if path is None:
        return [_red("path", "limit:path", model=model.name, path=PATH_TITLES[wish.path])]
    published = [one for one in path.limits if not one.stacks or stack.id in one.stacks]
    if wish.path not in stack.paths or (path.limits and not published):
        return [_red("path", "limit:stack_path", stack=stack.id, path=PATH_TITLES[wish.path])]
    findings = [*_form(model, path, wish)]
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


def _form(model: ZooModel, path: DeployPath, wish: Wish) -> Iterator[ViolatedLimit]:
    if wish.max_input > wish.max_length:
        args = {"max_input": wish.max_input, "max_length": wish.max_length}
        yield _red("max_input", "limit:input_above_length", **args)
    if wish.max_length > model.context_tokens:
        yield _red("max_length", "limit:context", model=model.name, tokens=model.context_tokens)
    if wish.tp not in path.tp:
        yield _red("tp", "limit:tp", tp=wish.tp, allowed=_listed(path.tp))
    if wish.precision not in path.precisions:
        allowed = _listed(path.precisions)
        yield _red("precision", "limit:precision", precision=wish.precision, allowed=allowed)


def _memory(model: ZooModel, path: DeployPath, wish: Wish) -> Iterator[ViolatedLimit]:
    """Weights must fit; a cache needs confirmation only, because the engine rations it."""
    # A compiled server has a fixed cache; vLLM's cache is shared and must fit one request.
    tokens = wish.max_length * (wish.concurrency if wish.path == "build_in" else 1)
    share = fit(model, tp=wish.tp, pp=wish.pp, tokens=tokens, precision=wish.precision)
    args = {
        "tp": wish.tp,
        "precision": wish.precision,
        "weights_gb": _gb(share.weights_bytes),
        "die_gb": _gb(DIE_BYTES),
    }
    if share.fits:
        return
    if share.weights_bytes <= DIE_BYTES:
        args |= {"kv_gb": _gb(share.kv_bytes), "tokens": tokens}
        yield _amber("max_length", "limit:cache_does_not_fit", **args)
        return
    table = fits(model, tokens=0, tps=path.tp, precisions=[wish.precision])
    best = min((row.tp for row in table if row.fits), default=None)
    if best is None:
        yield _red("tp", "limit:weights_fit_nowhere", **args)
    else:
        yield _red("tp", "limit:weights_do_not_fit", **args, best=best)


def _compiled(model: ZooModel, tools: BuildIn, wish: Wish) -> Iterator[ViolatedLimit]:
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


def _compiling(
    model: ZooModel, tools: BuildIn, path: DeployPath, wish: Wish
) -> Iterator[ViolatedLimit]:
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


def _served(stack: Stack, published: list[PublishedLimits], wish: Wish) -> Iterator[ViolatedLimit]:
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
) -> Iterator[ViolatedLimit]:
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


def _red(name: str, message_id: str, **args: Any) -> ViolatedLimit:
    return ViolatedLimit(name, "red", message_id, args)


def _amber(name: str, message_id: str, **args: Any) -> ViolatedLimit:
    return ViolatedLimit(name, "amber", message_id, args)


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


def _gb(size: int) -> str:
    return f"{size / 10**9:.1f}"


@dataclass(frozen=True, slots=True)
class Fit:
    """Memory of one die in bytes. Formulas are arithmetic: "7,615,616,512 × 2 B ÷ 4"."""

    tp: int
    precision: Precision
    weights_bytes: int
    kv_bytes: int
    weights_formula: str
    kv_token_formula: str
    kv_formula: str

    @property
    def free_bytes(self) -> int:
        return DIE_BYTES - self.weights_bytes - self.kv_bytes

    @property
    def fits(self) -> bool:
        return self.free_bytes >= 0


def fit(model: ZooModel, *, tp: int, tokens: int, precision: Precision, pp: int = 1) -> Fit:
    """Return the memory of one of ``tp`` × ``pp`` dies. ``tokens``: all tokens in the cache.
    ``weights / dies + KV per token x tokens / shards``. Grouped-query attention divides the KV
    heads among a tensor parallel group, up to the number of heads; with MLA every die of the group
    stores the whole latent vector. The runtime's own memory is unpublished and not included."""
    shape, layers = model.architecture, model.architecture.num_hidden_layers
    if shape.mla:
        rank, rope = shape.mla.kv_lora_rank, shape.mla.qk_rope_head_dim
        shards, kv_token = 1, layers * (rank + rope) * KV_WIDTH
        kv_token_formula = f"{layers} × ({rank} + {rope}) × {KV_WIDTH} B"
    else:
        heads, size = shape.num_key_value_heads, shape.head_dim
        shards, kv_token = min(tp, heads), 2 * layers * heads * size * KV_WIDTH
        kv_token_formula = f"2 × {layers} × {heads} × {size} × {KV_WIDTH} B"
    source, width = model.source, WIDTHS[precision]
    weights, weights_formula = model.parameters * width, f"{model.parameters:,} × {width} B"
    if isinstance(source, HubSource) and precision == source.precision and source.is_about:
        # The published size, more than parameters × width: also scales and the MTP layer.
        weights, weights_formula = source.bytes, f"{source.bytes:,} B"
    return Fit(
        tp=tp,
        precision=precision,
        weights_bytes=-(-weights // (tp * pp)),  # rounded up
        kv_bytes=-(-kv_token * tokens // (shards * pp)),
        weights_formula=f"{weights_formula} ÷ {_parts(tp, pp)}",
        kv_token_formula=kv_token_formula,
        kv_formula=f"{kv_token:,} B × {tokens:,} ÷ {_parts(shards, pp)}",
    )


def fits(
    model: ZooModel, *, tokens: int, tps: Sequence[int], precisions: Sequence[Precision]
) -> list[Fit]:
    return [
        fit(model, tp=tp, tokens=tokens, precision=precision)
        for precision in precisions
        for tp in tps
    ]


def _parts(one: int, other: int) -> str:
    return str(one) if other == 1 else f"({one} × {other})"
