"""Latencies of requests: first token (TTFT), further tokens (TPOT, ITL), end to end.

*Queue* is the wait in the load generator, because of its concurrency limit. *Batch latency* is the
latency of a whole batch without a server.
"""

from __future__ import annotations

from jobs.metrics.base import Metric

STATISTICS = {
    "mean": "mean",
    "std": "standard deviation",
    "p25": "p25",
    "p50": "p50",
    "p75": "p75",
    "p90": "p90",
    "p95": "p95",
    "p99": "p99",
}
FAMILIES = (
    ("ttft", "ms", "TTFT"),
    ("tpot", "ms", "TPOT"),
    ("itl", "ms", "ITL"),
    ("latency", "s", "Latency"),
    ("queue", "ms", "Queue"),
    ("latency_with_queue", "s", "Latency with queue"),
)
_BATCH_STATISTICS = ("mean", "p10", "p25", "p50", "p75", "p90", "p99")

LATENCY = (
    *(
        Metric(f"{family}_{statistic}_{unit}", f"{label} {name}", unit, "lower")
        for family, unit, label in FAMILIES
        for statistic, name in STATISTICS.items()
    ),
    *(
        Metric(f"batch_latency_{statistic}_s", f"Batch latency {statistic}", "s", "lower")
        for statistic in _BATCH_STATISTICS
    ),
)
