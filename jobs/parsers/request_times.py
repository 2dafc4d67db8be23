"""Times of one completed request of a benchmark, whichever tool measured it."""

from __future__ import annotations

from typing import NamedTuple

# Stored of a point. Of more none is taken, because goodput and intervals of a part would mislead;
# parsers read one more to show that.
MOST_REQUESTS = 10_000


class RequestTimes(NamedTuple):
    """Times of one completed request; None: not reported by the tool."""

    ttft_ms: float | None
    tpot_ms: float | None
    latency_s: float | None


# Values of a RequestTimes. A page reads up to 50,000 and needs few by name. Unlike lists, the
# garbage collector does not visit tuples of numbers again.
RequestRow = tuple[float | None, ...]
