"""Energy per output token at each point of a benchmark, from the power of its dies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

from jobs.metrics.measured import Measurement
from jobs.models import Job
from jobs.plans import DIES
from jobs.services.outcomes.engine_windows import Window, samples_of, windows_of

# A mean of fewer readings, one every five seconds, says nothing about a point.
LEAST_READINGS = 2
_POWER = "power_w"


def with_energy(job: Job, measured: Measurement) -> Measurement:
    """Return ``measured`` with power and energy at each point; unchanged where none was reported.

    The whole has those of the point with the highest output rate.
    """
    samples = samples_of(job, DIES)
    readings = [(at, values[_POWER]) for at, values in samples if _POWER in values]
    windows = windows_of(job, measured) if readings else {}
    if not windows:
        return measured
    points = []
    whole: dict[str, float] = {}
    best = measured.metrics.get("output_tokens_per_s")
    for concurrency, metrics in measured.points:
        window = windows.get(concurrency)
        has_start = concurrency in measured.began
        own = _energy(readings, window, metrics, has_start=has_start) if window else {}
        points.append((concurrency, {**own, **metrics}))
        if metrics.get("output_tokens_per_s") == best:
            whole = own
    return replace(measured, points=points, metrics={**whole, **measured.metrics})


def _energy(
    readings: list[tuple[float, float]],
    window: Window,
    metrics: Mapping[str, float],
    *,
    has_start: bool,
) -> dict[str, float]:
    """Return the metrics of one point. Requests fill its duration from the recorded start, else up
    to the window's end: the tool's own start-up is not measured."""
    begin, end = window
    duration = metrics.get("duration_s")
    if duration:
        begin, end = (begin, begin + duration) if has_start else (max(begin, end - duration), end)
    watts = [power for at, power in readings if begin <= at <= end]
    if len(watts) < LEAST_READINGS:
        return {}
    power = fmean(watts)
    rate = metrics.get("output_tokens_per_s")
    return {"power_mean_w": power, **({"energy_per_token_j": power / rate} if rate else {})}
