"""What an engine says of itself while a benchmark runs: its own counters."""

from __future__ import annotations

from jobs.metrics.base import Metric

ENGINE = (
    Metric("engine_prefix_hits", "Prefix cache hits", "%", ""),
    Metric("engine_kv_cache_peak", "KV cache in use, peak", "%", ""),
    Metric("engine_queue_mean_ms", "Queue time in the engine, mean", "ms", "lower"),
    Metric("engine_preemptions", "Preemptions", "", "lower", is_count=True),
)
