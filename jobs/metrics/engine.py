"""What an engine says of itself while a benchmark runs: its own counters."""

from __future__ import annotations

from jobs.metrics.base import Metric

ENGINE = (
    Metric("engine_prefix_hits", "Prefix cache hits", "%", ""),
    # Of engines that do not count hits: earlier runs on the server are in it.
    Metric("engine_prefix_hits_since_start", "Prefix cache hits since server start", "%", ""),
    Metric("engine_kv_cache_peak", "KV cache in use, peak", "%", ""),
    Metric("engine_queue_mean_ms", "Queue time in the engine, mean", "ms", "lower"),
    Metric("engine_preemptions", "Preemptions", "", "lower", is_count=True),
)
