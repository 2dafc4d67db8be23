"""Power and energy of the dies during a benchmark, where the host reports power."""

from __future__ import annotations

from jobs.metrics.base import Metric

ENERGY = (
    Metric("power_mean_w", "Power of all dies, mean", "W", ""),
    Metric("energy_per_token_j", "Energy per output token", "J", "lower"),
)
