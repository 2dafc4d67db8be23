"""Hold of requests while an exclusive benchmark measures their engine.

A held request waits in its web process. All of them look again at the same memory, and then begin
at once: the engine has a queue of its own.
"""

import asyncio
import time
from collections.abc import Sequence

from django.conf import settings

from dashboard.gateway.memory import GatewayKey, GatewayTarget, candidates, in_benchmark

_LOOK_S = 0.5
# In one web process: each keeps its body, of up to 4 MiB.
MOST_HELD = 512

_held = 0


async def candidates_after_benchmark(
    key: GatewayKey, model: str, found: Sequence[GatewayTarget]
) -> Sequence[GatewayTarget]:
    """Return ``found`` once no exclusive benchmark measures all of them. Raises ``GatewayRefusal``:
    the wait was too long, too many wait, or the model is gone."""
    global _held
    if _held >= MOST_HELD:
        raise in_benchmark(found[0], model)
    ends = time.monotonic() + settings.GATEWAY_HOLD_S
    _held += 1
    try:
        while found[0].is_closed:
            if time.monotonic() >= ends:
                raise in_benchmark(found[0], model)
            await asyncio.sleep(_LOOK_S)
            found = await candidates(key, model)
    finally:
        _held -= 1
    return found
