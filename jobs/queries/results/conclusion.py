"""Conclusion of a benchmark: best rate, recommended concurrency, what binds, what to do. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt
from statistics import median
from typing import Literal, NamedTuple

from jobs.queries.results.curve import CLOSE, CLOSE_IF_NOISE, RATE, CurvePoint, ServingLimit
from jobs.queries.results.levels import Level, LevelFinding, hold
from jobs.statistics import LEAST_RUNS

# Where throughput ended. "none": no usable point. "single": one point. "flat": the lowest
# concurrency is as good as the best. "saturated": a lower concurrency is as good as the highest.
# "rising": the search ended before the top. "limited": a concurrency limit was reached. "falls":
# the highest concurrency is slower than the best. "fails": requests fail at the highest ones.
Shape = Literal["none", "single", "flat", "saturated", "rising", "limited", "falls", "fails"]
_Measure = Literal["measure_higher", "measure_lower", "measure_between", "measure_more"]
_Limits = Literal["raise_limit", "stack_limit", "kv_cache", "queue", "level"]
StepId = _Measure | _Limits | Literal["use", "failures", "repeat", "requests"]
# A KV cache above this share has no room for another request.
KV_FULL = 0.95
# Requests that wait this share of their TTFT in the engine's queue mostly wait.
QUEUED = 0.5
_WIDE = 2  # concurrencies with a larger ratio have room for one between them


class AdvisedStep(NamedTuple):
    """Next step. ``concurrency``: values to measure; ``n``: a number for the text."""

    id: StepId
    concurrency: tuple[int, ...] = ()
    n: int = 0


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Conclusion from a curve. ``best``, ``knee`` and ``recommended`` are usable points of it.

    ``knee``: the lowest that is as good as the best. ``recommended``: the knee, with a level that
    of the points that hold it; None where points miss the level and none is known to hold it.
    ``limit`` is set where it binds. ``failing``: the lowest concurrency above the usable ones at
    which too many requests fail. ``excluded``: all points with too many failures.
    """

    shape: Shape
    points: Sequence[CurvePoint]
    best: CurvePoint | None = None
    knee: CurvePoint | None = None
    recommended: CurvePoint | None = None
    limit: ServingLimit | None = None
    failing: CurvePoint | None = None
    excluded: Sequence[CurvePoint] = ()
    level: LevelFinding | None = None
    is_cache_full: bool = False
    is_queued: bool = False
    steps: Sequence[AdvisedStep] = ()

    @property
    def noisiest(self) -> CurvePoint | None:
        """Return the usable point whose runs differ most, where they differ too much for a knee. A
        point whose interval stays below the best rate decides nothing."""
        least = (1 - CLOSE) * self.best.rate if self.best else 0.0
        noises = {
            one.concurrency: noise
            for one in self.points
            if one.is_usable
            and (noise := one.noise or 0.0)
            and (interval := one.interval(RATE))
            and interval.high >= least
        }
        most = max(self.points, key=lambda one: noises.get(one.concurrency, 0.0))
        return most if noises.get(most.concurrency, 0.0) > CLOSE_IF_NOISE else None

    @property
    def last(self) -> CurvePoint:
        return self.points[-1]

    @property
    def is_open(self) -> bool:
        """True where a concurrency above the measured ones may be faster than the recommended."""
        return self.shape == "rising" and self.recommended is self.last


def conclude(
    points: Sequence[CurvePoint], *, limits: Sequence[ServingLimit] = (), level: Level | None = None
) -> Conclusion:
    """Return the conclusion from ``points``, by concurrency. The knee is the smallest concurrency
    whose rate is as good as the best (:meth:`CurvePoint.is_as_good_as`): above it, more concurrency
    adds latency only. It is recommended, of the points that hold the level if there is one."""
    usable = [point for point in points if point.is_usable]
    excluded = [point for point in points if not point.is_usable]
    if not usable:
        steps = [AdvisedStep("failures")] if any(point.failed for point in points) else []
        return Conclusion("none", points, excluded=excluded, steps=steps)
    best, knee = _best_and_knee(usable)
    finding = hold(level, usable) if level else None
    recommended: CurvePoint | None = knee
    if finding is not None and finding.is_known:
        met = [one.point for one in finding.points if one.verdict == "met"]
        recommended = _best_and_knee(met)[1] if met else None
    above = [point for point in excluded if point.concurrency > usable[-1].concurrency]
    lowest = min(limits, key=lambda one: one.most, default=None)
    binding = lowest if lowest and knee.concurrency >= lowest.most else None
    queue, ttft = (usable[-1].mean(f"{name}_mean_ms") for name in ("engine_queue", "ttft"))
    found = Conclusion(
        _shape(usable, best, knee, is_failing=bool(above), is_limited=binding is not None),
        points,
        best=best,
        knee=knee,
        recommended=recommended,
        limit=binding,
        failing=above[0] if above else None,
        excluded=excluded,
        level=finding,
        is_cache_full=(best.mean("engine_kv_cache_peak") or 0.0) >= KV_FULL,
        is_queued=queue is not None and ttft is not None and queue > 0 and queue >= QUEUED * ttft,
    )
    steps = [*_by_shape(found, usable, lowest), *_by_level(found), *_by_samples(found)]
    return replace(found, steps=list(dict.fromkeys(steps)))


def best_of(points: Sequence[CurvePoint]) -> CurvePoint | None:
    usable = (point for point in points if point.is_usable)
    return max(usable, key=lambda point: point.rate, default=None)


def _best_and_knee(points: Sequence[CurvePoint]) -> tuple[CurvePoint, CurvePoint]:
    best = max(points, key=lambda point: point.rate)
    return best, next(point for point in points if point.is_as_good_as(best))


def _shape(
    usable: Sequence[CurvePoint],
    best: CurvePoint,
    knee: CurvePoint,
    *,
    is_failing: bool,
    is_limited: bool,
) -> Shape:
    top = usable[-1]
    if is_failing:
        return "fails"
    if len(usable) == 1:
        return "single"
    if is_limited:
        return "limited"
    if not top.is_as_good_as(best):
        return "falls"
    if knee is usable[0]:
        return "flat"
    return "rising" if knee is top else "saturated"


def _by_shape(
    found: Conclusion, usable: Sequence[CurvePoint], lowest: ServingLimit | None
) -> list[AdvisedStep]:
    first, top = usable[0].concurrency, usable[-1].concurrency
    if found.shape == "fails" and found.failing is not None:
        between = _between(top, found.failing.concurrency)
        return [
            AdvisedStep("failures"),
            *([AdvisedStep("measure_between", between)] if between else []),
        ]
    if found.shape == "limited" and found.limit is not None:
        if found.limit.origin == "stack":
            return [AdvisedStep("stack_limit", n=found.limit.most)]
        return [AdvisedStep("raise_limit", n=2 * found.limit.most)]
    if found.shape == "single":
        lower = tuple(sorted({1, max(1, top // 2)} - {top}))
        return [AdvisedStep("measure_more", (*lower, *_higher(top, lowest)))]
    if found.shape == "rising":
        causes = [AdvisedStep("kv_cache")] if found.is_cache_full else []
        causes += [AdvisedStep("queue")] if found.is_queued and not found.is_cache_full else []
        higher = _higher(top, lowest)
        return [*([AdvisedStep("measure_higher", higher)] if higher else []), *causes]
    steps = [AdvisedStep("use", n=found.recommended.concurrency)] if found.recommended else []
    if found.shape == "flat" and first > 1:
        steps.append(AdvisedStep("measure_lower", tuple(sorted({1, first // 2}))))
    if found.shape in ("saturated", "falls") and found.knee is not None:
        knee = found.knee.concurrency
        below = [p.concurrency for p in usable if p.concurrency < knee]
        between = _between(below[-1], knee) if below else ()
        steps += [AdvisedStep("measure_between", between)] if between else []
        steps += [AdvisedStep("kv_cache")] if found.is_cache_full else []
    return steps


def _by_level(found: Conclusion) -> list[AdvisedStep]:
    level = found.level
    if level is None or level.best is not None or level.points[0].verdict != "missed":
        return []
    lowest = level.points[0].point.concurrency
    lower = tuple(sorted({1, lowest // 2}))
    return [AdvisedStep("measure_lower", lower) if lowest > 1 else AdvisedStep("level")]


def _by_samples(found: Conclusion) -> list[AdvisedStep]:
    steps = []
    if found.level is not None and (few := max((one.few for one in found.level.points), default=0)):
        steps.append(AdvisedStep("requests", n=few))
    runs = len(found.best.values(RATE)) if found.best else LEAST_RUNS
    if runs < LEAST_RUNS:
        steps.append(AdvisedStep("repeat", n=LEAST_RUNS - runs))
    return steps


def _higher(top: int, lowest: ServingLimit | None) -> tuple[int, ...]:
    """Return two higher concurrencies, none above a limit that is still further up."""
    most = lowest.most if lowest else 4 * top
    return tuple(sorted({min(2 * top, most), min(4 * top, most)} - set(range(top + 1))))


def _between(low: int, high: int) -> tuple[int, ...]:
    """Return the geometric middle of two concurrencies that are far apart."""
    return (isqrt(low * high),) if high > _WIDE * low else ()


# Counters are read about every second; below this share the two agree.
TOKENS_CLOSE = 0.03
# HTTP, tokenizer and a local network take this long before the engine's clock starts.
DELAY_MS = 50.0
DELAY_SHARE = 0.05
# Delays that differ by less than this share of their median do not depend on the load.
STEADY = 0.25

TokensVerdict = Literal["agree", "warm_up", "failed", "others", "short", "differ", "unknown"]
DelayVerdict = Literal["near", "constant", "grows", "once", "less", "unknown"]


class ClientAndEngine(NamedTuple):
    """A point by both; None: not reported. ``extra``: requests that only the engine counts."""

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


class TwoSides(NamedTuple):
    """All points by both. ``delay``: verdict on the delays of all; ``delay_ms``: the median of the
    remarkable ones."""

    sides: Sequence[ClientAndEngine]
    delay: DelayVerdict
    delay_ms: float | None = None


def judged(sides: Sequence[ClientAndEngine]) -> TwoSides | None:
    """Return the points that the engine reported too, with the verdict on all; None without any."""
    reported = [one for one in sides if one.engine_tokens is not None or one.delay_ms is not None]
    if not reported:
        return None
    verdict, delay = _delay(reported)
    return TwoSides(reported, verdict, delay)


def side_of(point: CurvePoint, warm_ups: int, *, has_others: bool) -> ClientAndEngine:
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
    verdict = _tokens(run, client, extra, has_others=has_others)
    names = ("ttft_mean_ms", "engine_ttft_mean_ms", "queue_mean_ms", "engine_queue_mean_ms")
    return ClientAndEngine(point.concurrency, client, engine, extra, verdict, *map(run.get, names))


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


def _delay(sides: Sequence[ClientAndEngine]) -> tuple[DelayVerdict, float | None]:
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
