"""Engine metrics and energy per token at each point of a benchmark, from scraped samples."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from jobs.base.messages import Message
from jobs.kinds.lib.load import hits_remark, since_start_remark
from jobs.metrics.measured import Measurement
from jobs.models import Job
from jobs.plans import DIES
from jobs.queries.jobs.progress import Sample, all_samples
from jobs.tools.lib.engine_counters import during, hits_since_start, running_peak, served

WATCH = "engine"
_STEP = "measure"
# Every tool loads for longer before its first request.
_START_UP_S = 1.0
# A mean of fewer readings, one every five seconds, says nothing about a point.
LEAST_READINGS = 2
_RATE, _POWER = "output_tokens_per_s", "power_w"

Window = tuple[float, float]


def with_engine(job: Job, measured: Measurement) -> Measurement:
    """Return ``measured`` with engine metrics at each point, and a remark on cached prompts.
    Metrics of the tool stay. For an engine that reports hits only since its start, the whole has
    ``engine_prefix_hits_since_start`` at the end of the run; points have no share."""
    samples = all_samples(job.pk, WATCH)
    windows = windows_of(job, measured) if samples else {}
    own = {
        level: {**during(samples, *window), **_served(samples, level, windows, measured)}
        for level, window in windows.items()
    }
    measured = _with_metrics(measured, own)
    points = measured.points
    remark, whole = hits_remark(job.params, measured.named_points), dict(measured.metrics)
    if windows and not any("engine_prefix_hits" in metrics for _c, metrics in points):
        share = hits_since_start(samples, max(end for _begin, end in windows.values()))
        if share is not None:
            whole = {"engine_prefix_hits_since_start": share, **whole}
            remark = since_start_remark(share)
    remarks = [
        *measured.remarks,
        *filter(None, (remark, _others_remark(samples, windows, measured))),
    ]
    return replace(measured, metrics=whole, remarks=remarks)


def with_energy(job: Job, measured: Measurement) -> Measurement:
    """``measured`` with power and energy at each point; unchanged where none was reported."""
    readings = [
        (at, values[_POWER]) for at, values in all_samples(job.pk, DIES) if _POWER in values
    ]
    windows = windows_of(job, measured) if readings else {}
    own = {
        level: _energy(readings, windows[level], metrics, has_start=level in measured.began)
        for level, metrics in measured.points
        if level in windows
    }
    return _with_metrics(measured, own) if own else measured


def _with_metrics(measured: Measurement, own: Mapping[int, Mapping[str, float]]) -> Measurement:
    """Add metrics by concurrency; those of the point with the highest output rate to the whole."""
    points = [(level, {**own.get(level, {}), **metrics}) for level, metrics in measured.points]
    best = measured.metrics.get(_RATE)
    of_best = (own.get(level, {}) for level, metrics in points if metrics.get(_RATE) == best)
    return replace(measured, points=points, metrics={**next(of_best, {}), **measured.metrics})


def _energy(
    readings: Sequence[tuple[float, float]],
    window: Window,
    metrics: Mapping[str, float],
    *,
    has_start: bool,
) -> dict[str, float]:
    """The metrics of one point. Requests fill its duration from the recorded start, else up to the
    window's end: the tool's own start-up is not measured."""
    begin, end = window
    duration = metrics.get("duration_s")
    if duration:
        begin, end = (begin, begin + duration) if has_start else (max(begin, end - duration), end)
    watts = [power for at, power in readings if begin <= at <= end]
    if len(watts) < LEAST_READINGS:
        return {}
    power, rate = fmean(watts), metrics.get(_RATE)
    return {"power_mean_w": power, **({"energy_per_token_j": power / rate} if rate else {})}


def _served(
    samples: Sequence[Sample],
    concurrency: int,
    windows: Mapping[int, Window],
    measured: Measurement,
) -> dict[str, float]:
    """What the engine served at one point without warm-ups, up to before the next point's first
    request, which comes at its recorded start, else when the tool has loaded."""
    starts = {
        one: measured.began.get(one, begin + _START_UP_S) for one, (begin, _end) in windows.items()
    }
    own, end = starts[concurrency], windows[concurrency][1]
    later = (start for start in starts.values() if start > own)
    return served(
        samples,
        min(own, end),
        end,
        until=min(later, default=math.inf),
        warm_up=measured.warm_ups.get(concurrency),
    )


def _others_remark(
    samples: Sequence[Sample], windows: Mapping[int, Window], measured: Measurement
) -> Message | None:
    """A remark when the engine ran more requests than the client sent: other clients. The point
    with the largest excess counts; a client without a limit (0) is left out."""
    peaks: dict[int, float] = {}
    for key, window in windows.items():
        if c := measured.load(key).concurrency:
            peaks[c] = max(peaks.get(c, 0.0), running_peak(samples, *window) or 0.0)
    worst = max(peaks, key=lambda c: peaks[c] - c, default=None)
    if worst is None or peaks[worst] <= worst:
        return None
    return Message("result:other_clients", {"running": int(peaks[worst]), "concurrency": worst})


def windows_of(job: Job, measured: Measurement) -> dict[int, Window]:
    """Concurrency → time window by the host's clock (seconds since the epoch). The window of a
    point is its own step, from the start that the tool recorded; of points that share one step, the
    recorded starts divide it: each ends with the next start, the last with the step. It begins with
    the first measured request, where that is known."""
    steps: dict[str, Window] = {}
    for step in job.steps.all():
        if step.started_at is not None and step.duration_s is not None:
            # Rows of steps use the dashboard's clock.
            begin = step.started_at.timestamp() + job.host.clock_skew_s
            steps[step.name] = begin, begin + step.duration_s
    windows = {}
    for level, _metrics in measured.points:
        names = [f"{_STEP}-{level}", *([_STEP] if len(measured.points) == 1 else [])]
        window = next((steps[name] for name in names if name in steps), None)
        if window is not None:
            windows[level] = (max(window[0], measured.began.get(level, 0.0)), window[1])
    if not windows and _STEP in steps:
        order = sorted(measured.began.items(), key=lambda item: item[1])
        ends = [*(begin for _c, begin in order[1:]), steps[_STEP][1]]
        windows = {level: (begin, end) for (level, begin), end in zip(order, ends, strict=False)}
    warmed = {level: one.until or 0.0 for level, one in measured.warm_ups.items()}
    return {
        level: (min(max(begin, warmed.get(level, begin)), end), end)
        for level, (begin, end) in windows.items()
    }
