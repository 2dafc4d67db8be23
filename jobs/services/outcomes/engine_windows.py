"""Engine metrics during each point of a benchmark, from scraped samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from jobs.base.messages import Message
from jobs.kinds.lib.load import hits_remark, since_start_remark
from jobs.metrics.measured import Measurement
from jobs.models import Job, JobStep, PointBlock
from jobs.tools.lib.engine_counters import Samples, during, hits_since_start, running_peak, served

WATCH = "engine"
_STEP = "measure"
# Every tool loads for longer before its first request.
_START_UP_S = 1.0

Window = tuple[float, float]


def with_engine(job: Job, measured: Measurement) -> Measurement:
    """Return ``measured`` with engine metrics at each point, and a remark on cached prompts.

    Metrics of the tool stay. Without points or windows, ``measured`` is returned unchanged. For an
    engine that reports hits only since its start, the whole has ``engine_prefix_hits_since_start``
    at the end of the run; points have no share.
    """
    samples = samples_of(job, WATCH)
    windows = windows_of(job, measured) if samples else {}
    engine_metrics = {
        concurrency: {
            **during(samples, *window),
            **_served(samples, concurrency, windows, measured),
        }
        for concurrency, window in windows.items()
    }
    points = [(c, {**engine_metrics.get(c, {}), **metrics}) for c, metrics in measured.points]
    best = measured.metrics.get("output_tokens_per_s")
    of_best = next(
        (engine_metrics.get(c) for c, m in points if m.get("output_tokens_per_s") == best), None
    )
    remark = hits_remark(job.params, points)
    others = _others_remark(samples, windows)
    whole = dict(of_best or {})
    if windows and not any("engine_prefix_hits" in metrics for _c, metrics in points):
        share = hits_since_start(samples, max(end for _begin, end in windows.values()))
        if share is not None:
            whole["engine_prefix_hits_since_start"] = share
            remark = since_start_remark(share)
    return replace(
        measured,
        points=points,
        metrics={**whole, **measured.metrics},
        remarks=[*measured.remarks, *filter(None, (remark, others))],
    )


def _served(
    samples: Samples,
    concurrency: int,
    windows: Mapping[int, Window],
    measured: Measurement,
) -> dict[str, float]:
    """Return what the engine served at one point, from before its first request to before the next
    point's, without warm-ups. A first request comes at its recorded start, else when the tool has
    loaded."""
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
    samples: list[tuple[float, Mapping[str, float]]], windows: Mapping[int, Window]
) -> Message | None:
    """Return a remark when the engine ran more requests than the client sent: other clients.

    The point with the largest excess counts; a client without a limit (0) is left out.
    """
    peaks = {c: running_peak(samples, *window) or 0.0 for c, window in windows.items() if c}
    worst = max(peaks, key=lambda c: peaks[c] - c, default=None)
    if worst is None or peaks[worst] <= worst:
        return None
    args = {"running": int(peaks[worst]), "concurrency": worst}
    return Message("result:other_clients", args)


def samples_of(job: Job, watch: str) -> list[tuple[float, Mapping[str, float]]]:
    """Return the samples of a watch by the host's clock, oldest first."""
    blocks = PointBlock.objects.filter(job=job, watch=watch).order_by("offset", "id")
    rows = [row for (block,) in blocks.values_list("rows") for row in block]
    return sorted(((float(at), values) for at, values in rows), key=lambda row: row[0])


def windows_of(job: Job, measured: Measurement) -> dict[int, Window]:
    """Return concurrency → time window by the host's clock (seconds since the epoch).

    The window of a point is its own step, from the start that the tool recorded; of points that
    share one step, the recorded starts divide it. It begins with the first measured request, where
    that is known.
    """
    steps = {step.name: window for step in job.steps.all() if (window := _window(job, step))}
    windows = {}
    for concurrency, _metrics in measured.points:
        names = [f"{_STEP}-{concurrency}", *([_STEP] if len(measured.points) == 1 else [])]
        window = next((steps[name] for name in names if name in steps), None)
        if window is not None:
            begin, end = window
            windows[concurrency] = (max(begin, measured.began.get(concurrency, begin)), end)
    windows = windows or _recorded(measured.began, steps.get(_STEP))
    warmed = {level: one.until or 0.0 for level, one in measured.warm_ups.items()}
    return {
        level: (min(max(begin, warmed.get(level, begin)), end), end)
        for level, (begin, end) in windows.items()
    }


def _recorded(began: Mapping[int, float], whole: Window | None) -> dict[int, Window]:
    """Return recorded windows: each ends with the next start, the last with the step."""
    if whole is None or not began:
        return {}
    order = sorted(began.items(), key=lambda item: item[1])
    ends = [*(begin for _c, begin in order[1:]), whole[1]]
    pairs = zip(order, ends, strict=True)
    return {concurrency: (begin, end) for (concurrency, begin), end in pairs}


def _window(job: Job, step: JobStep) -> Window | None:
    if step.started_at is None or step.duration_s is None:
        return None
    begin = step.started_at.timestamp() + job.host.clock_skew_s  # rows use the dashboard's clock
    return begin, begin + step.duration_s
