"""Remarks on speeds that a prefix cache improved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.base.messages import Message
from jobs.kinds.lib.defaults import EXACT

MOST = 0.01  # share of prompt tokens; a cold benchmark has less


def hits_remark(
    params: Mapping[str, Any], points: Sequence[tuple[int, Mapping[str, float]]]
) -> Message | None:
    """Return a remark on the point with the most hits, with the cause if ``params`` show it."""
    hits = {concurrency: m.get("engine_prefix_hits", 0.0) for concurrency, m in points}
    worst = max(hits, key=lambda concurrency: hits[concurrency], default=None)
    if worst is None or hits[worst] <= MOST:
        return None
    # Two decimals, like all shares.
    args: dict[str, Any] = {"share": f"{100 * hits[worst]:.2f}", "concurrency": worst}
    prefix, length = params.get("prefix_tokens") or 0, params.get("input_tokens") or 0
    if params.get(EXACT):
        return Message("benchmark:hits_guide", args)
    if params.get("seed") is not None:
        return Message("benchmark:hits_seed", {**args, "seed": params["seed"]})
    if prefix and params.get("dataset") != "sharegpt" and hits[worst] <= 1.5 * prefix / length:
        return Message("benchmark:hits_prefix", {**args, "tokens": prefix})
    return Message("benchmark:hits", args)


def since_start_remark(share: float) -> Message | None:
    """Return a remark on a share that counts all requests since the server's start."""
    if share <= MOST:
        return None
    return Message("benchmark:hits_since_start", {"share": f"{100 * share:.2f}"})
