"""How long a request waits: first token (TTFT), each further token (TPOT, ITL), all of it."""

from __future__ import annotations

from jobs.metrics.base import Metric

STATISTICS = {"mean": "mean", "p50": "p50", "p90": "p90", "p99": "p99"}
FAMILIES = (
    ("ttft", "ms", "TTFT"),
    ("tpot", "ms", "TPOT"),
    ("itl", "ms", "ITL"),
    ("latency", "s", "Latency"),
)

LATENCY = tuple(
    Metric(f"{family}_{statistic}_{unit}", f"{label} {name}", unit, "lower")
    for family, unit, label in FAMILIES
    for statistic, name in STATISTICS.items()
)
