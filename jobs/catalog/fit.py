"""Memory fit of a model: weights and KV cache per die, with the formula.

``weights / dies + KV per token x tokens / shards``. Grouped-query attention divides the KV heads
among a tensor parallel group, up to the number of heads; with MLA every die of the group stores the
whole latent vector. The runtime's own memory is unpublished and not included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.catalog.architecture import Architecture
from jobs.catalog.schema import HubSource, Precision, ZooModel

# A VA16 card has 128 GB for its four dies (VastModelZOO, "8×128G"; 1 GB = 10^9 bytes).
DIE_BYTES = 32 * 10**9
KV_WIDTH = 2  # bytes per value: the cache has 16 bits at any weight precision
WIDTHS: dict[Precision, int] = {"fp16": 2, "bf16": 2, "fp8": 1, "int8": 1}


@dataclass(frozen=True, slots=True)
class Fit:
    """Memory of one die in bytes. ``free_bytes`` is below 0 when the model does not fit.

    The formulas are arithmetic with numbers: "7,615,616,512 × 2 B ÷ 4".
    """

    tp: int
    pp: int
    precision: Precision
    tokens: int
    die_bytes: int
    weights_bytes: int
    kv_bytes: int
    kv_token_bytes: int
    weights_formula: str
    kv_token_formula: str
    kv_formula: str

    @property
    def free_bytes(self) -> int:
        """Return the free memory of the die."""
        return self.die_bytes - self.weights_bytes - self.kv_bytes

    @property
    def fits(self) -> bool:
        """Return True if weights and cache fit; the runtime also needs memory."""
        return self.free_bytes >= 0

    @property
    def weights_fit(self) -> bool:
        """Return True if the weights alone fit."""
        return self.weights_bytes <= self.die_bytes


def fit(
    model: ZooModel,
    *,
    tp: int,
    tokens: int,
    precision: Precision,
    pp: int = 1,
    die_bytes: int = DIE_BYTES,
) -> Fit:
    """Return the memory of one of ``tp`` × ``pp`` dies. ``tokens``: all tokens in the cache."""
    shape = model.architecture
    shards = 1 if shape.mla else min(tp, shape.num_key_value_heads)
    kv_token = kv_bytes_per_token(shape)
    weights, weights_text = _weights(model, precision)
    return Fit(
        tp=tp,
        pp=pp,
        precision=precision,
        tokens=tokens,
        die_bytes=die_bytes,
        weights_bytes=_share(weights, tp * pp),
        kv_bytes=_share(kv_token * tokens, shards * pp),
        kv_token_bytes=kv_token,
        weights_formula=f"{weights_text} ÷ {_parts(tp, pp)}",
        kv_token_formula=_kv_formula(shape),
        kv_formula=f"{kv_token:,} B × {tokens:,} ÷ {_parts(shards, pp)}",
    )


def fits(
    model: ZooModel,
    *,
    tokens: int,
    tps: Sequence[int],
    precisions: Sequence[Precision],
    die_bytes: int = DIE_BYTES,
) -> list[Fit]:
    """Return the fit of every precision at every tp, in the given order."""
    return [
        fit(model, tp=tp, tokens=tokens, precision=precision, die_bytes=die_bytes)
        for precision in precisions
        for tp in tps
    ]


def smallest_tp(
    model: ZooModel,
    *,
    tokens: int,
    tps: Sequence[int],
    precision: Precision,
    die_bytes: int = DIE_BYTES,
) -> int | None:
    """Return the smallest tp that fits the model; None: no ``tps`` fits."""
    table = fits(model, tokens=tokens, tps=tps, precisions=[precision], die_bytes=die_bytes)
    return min((row.tp for row in table if row.fits), default=None)


def weights_bytes(model: ZooModel, precision: Precision) -> int:
    """Return the bytes of all weights in ``precision``; the published size for its own
    precision."""
    return _weights(model, precision)[0]


def kv_bytes_per_token(shape: Architecture) -> int:
    """Return the bytes of the whole cache per token."""
    if shape.mla:
        latent = shape.mla.kv_lora_rank + shape.mla.qk_rope_head_dim
        return shape.num_hidden_layers * latent * KV_WIDTH
    heads = shape.num_key_value_heads * shape.head_dim
    return 2 * shape.num_hidden_layers * heads * KV_WIDTH


def _weights(model: ZooModel, precision: Precision) -> tuple[int, str]:
    source = model.source
    if isinstance(source, HubSource) and precision == source.precision and source.is_about:
        # More than parameters × width: also scales and the MTP layer.
        return source.bytes, f"{source.bytes:,} B"
    width = WIDTHS[precision]
    return model.parameters * width, f"{model.parameters:,} × {width} B"


def _kv_formula(shape: Architecture) -> str:
    layers = shape.num_hidden_layers
    if shape.mla:
        latent = f"({shape.mla.kv_lora_rank} + {shape.mla.qk_rope_head_dim})"
        return f"{layers} × {latent} × {KV_WIDTH} B"
    return f"2 × {layers} × {shape.num_key_value_heads} × {shape.head_dim} × {KV_WIDTH} B"


def _parts(one: int, other: int) -> str:
    return str(one) if other == 1 else f"({one} × {other})"


def _share(total: int, parts: int) -> int:
    return -(-total // parts)
