"""What is said beside a speed that a prefix cache helped with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.kinds.lib.base import Remark
from jobs.kinds.lib.defaults import EXACT

MOST = 0.01  # of the prompt tokens: a cold benchmark has fewer


def hits_remark(
    params: Mapping[str, Any], points: Sequence[tuple[int, Mapping[str, float]]]
) -> Remark | None:
    """A remark on the point with the most hits, with their cause as far as ``params`` tell it."""
    hits = {concurrency: m.get("engine_prefix_hits", 0.0) for concurrency, m in points}
    worst = max(hits, key=lambda concurrency: hits[concurrency], default=None)
    if worst is None or hits[worst] <= MOST:
        return None
    # Two decimals, as every share has wherever it stands.
    args: dict[str, Any] = {"share": f"{100 * hits[worst]:.2f}", "concurrency": worst}
    prefix, length = params.get("prefix_tokens") or 0, params.get("input_tokens") or 0
    if params.get(EXACT):
        return Remark("benchmark:hits_guide", args)
    if params.get("seed") is not None:
        return Remark("benchmark:hits_seed", {**args, "seed": params["seed"]})
    if prefix and params.get("dataset") != "sharegpt" and hits[worst] <= 1.5 * prefix / length:
        return Remark("benchmark:hits_prefix", {**args, "tokens": prefix})
    return Remark("benchmark:hits", args)


def since_start_remark(share: float) -> Remark | None:
    """A remark on a share that counts all that the server was asked since its start."""
    if share <= MOST:
        return None
    return Remark("benchmark:hits_since_start", {"share": f"{100 * share:.2f}"})
