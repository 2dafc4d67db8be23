"""Client against engine: output tokens, TTFT and queue time by both. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from jobs.queries.results.curve import CurvePoint

# Counters are read about every second; below this share the two agree.
TOKENS_CLOSE = 0.03
# HTTP, tokenizer and a local network take this long before the engine's clock starts.
DELAY_MS = 50.0
DELAY_SHARE = 0.05
# Delays that differ by less than this share of their median do not depend on the load.
STEADY = 0.25

TokensVerdict = Literal["agree", "warm_up", "failed", "others", "short", "differ", "unknown"]
DelayVerdict = Literal["near", "constant", "grows", "once", "less", "unknown"]


@dataclass(frozen=True, slots=True)
class Side:
    """A point by both. ``extra``: requests that only the engine counts; ``delay_ms``: TTFT of the
    client minus that of the engine. None: not reported."""

    concurrency: int
    client_tokens: float | None
    engine_tokens: float | None
    extra: int | None
    tokens: TokensVerdict
    client_ttft_ms: float | None
    engine_ttft_ms: float | None
    client_queue_ms: float | None
    engine_queue_ms: float | None

    @property
    def tokens_share(self) -> float | None:
        if not self.client_tokens or self.engine_tokens is None:
            return None
        return self.engine_tokens / self.client_tokens - 1

    @property
    def delay_ms(self) -> float | None:
        """Return the time between client and engine before the first token."""
        if self.client_ttft_ms is None or self.engine_ttft_ms is None:
            return None
        return self.client_ttft_ms - self.engine_ttft_ms


@dataclass(frozen=True, slots=True)
class TwoSides:
    """All points by both. ``delay``: verdict on the delays of all; ``delay_ms``: the median of the
    remarkable ones."""

    sides: Sequence[Side]
    delay: DelayVerdict
    delay_ms: float | None = None

    @property
    def is_flagged(self) -> bool:
        """Return True when a difference needs attention."""
        is_unexplained = any(side.tokens == "differ" for side in self.sides)
        return is_unexplained or self.delay in ("constant", "grows", "once", "less")


def judged(sides: Sequence[Side]) -> TwoSides | None:
    """Return the points that the engine reported too, with the verdict on all; None without any."""
    reported = [one for one in sides if one.engine_tokens is not None or one.delay_ms is not None]
    if not reported:
        return None
    verdict, delay = _delay(reported)
    return TwoSides(reported, verdict, delay)


def side_of(point: CurvePoint, warm_ups: int, *, has_others: bool) -> Side:
    """Return a point by both. ``warm_ups``: requests per point that the client sends and leaves
    out. ``has_others``: other clients used the engine meanwhile."""
    # Of one run, the page's own where it has this point: a mean would hide a single bad one.
    run = point.runs[0]
    client = run.get("output_tokens")
    mean, completed = run.get("output_tokens_mean"), run.get("requests")
    if client is None and mean is not None and completed is not None:
        client = mean * completed
    engine, sent = run.get("engine_output_tokens"), run.get("engine_requests")
    extra = None
    if sent is not None and completed is not None:
        extra = max(0, int(sent - completed - (run.get("failed_requests") or 0)))
    elif warm_ups:
        extra = warm_ups
    return Side(
        point.concurrency,
        client,
        engine,
        extra,
        _tokens(run, client, extra, has_others=has_others),
        run.get("ttft_mean_ms"),
        run.get("engine_ttft_mean_ms"),
        run.get("queue_mean_ms"),
        run.get("engine_queue_mean_ms"),
    )


def _tokens(
    run: Mapping[str, float], client: float | None, extra: int | None, *, has_others: bool
) -> TokensVerdict:
    """Return why the engine counted other tokens than the client, or that both agree."""
    engine, completed = run.get("engine_output_tokens"), run.get("requests")
    if engine is None or not client:
        return "unknown"
    if abs(engine - client) <= TOKENS_CLOSE * client:
        return "agree"
    if extra and completed:
        expected = client * (1 + extra / completed)
        # The warm-up itself may be cut off or start before the first reading: one request of play.
        play = TOKENS_CLOSE * expected + client / completed
        if client < engine <= expected + play:
            return "warm_up"
    if has_others and engine > client:
        return "others"
    if run.get("failed_requests") and engine > client:
        return "failed"
    # Readings that end before the window does miss the last tokens.
    gap, duration = run.get("engine_gap_s"), run.get("duration_s")
    if gap and duration and engine < client and gap / duration > TOKENS_CLOSE:
        return "short"
    return "differ"


def _delay(sides: Sequence[Side]) -> tuple[DelayVerdict, float | None]:
    delays = [
        (one.delay_ms, one.engine_ttft_ms)
        for one in sides
        if one.delay_ms is not None and one.engine_ttft_ms is not None
    ]
    if not delays:
        return "unknown", None
    values = [delay for delay, _ttft in delays]
    remarkable = [d for d, ttft in delays if abs(d) > max(DELAY_MS, DELAY_SHARE * ttft)]
    if not remarkable:
        return "near", median(values)
    middle = median(remarkable)
    if middle < 0:
        return "less", middle
    if len(values) == 1:
        return "once", middle
    spread = max(values) - min(values)
    if spread <= max(DELAY_MS, STEADY * abs(median(values))):
        return "constant", median(values)
    return "grows", middle
