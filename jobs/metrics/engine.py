"""Counters of the engine during a benchmark."""

from __future__ import annotations

from jobs.metrics.base import Metric

ENGINE = (
    Metric("engine_prefix_hits", "Prefix cache hits", "%", ""),
    # For engines without a hit counter: includes earlier runs on the server.
    Metric("engine_prefix_hits_since_start", "Prefix cache hits since server start", "%", ""),
    Metric("engine_kv_cache_peak", "KV cache usage, peak", "%", ""),
    Metric("engine_queue_mean_ms", "Queue time in the engine, mean", "ms", "lower"),
    Metric("engine_output_tokens", "Output tokens by the engine", "tokens", "", is_count=True),
    Metric("engine_requests", "Requests by the engine", "requests", "", is_count=True),
    Metric("engine_ttft_mean_ms", "TTFT by the engine, mean", "ms", "lower"),
    Metric("engine_gap_s", "Time without readings at the end", "s", ""),
    Metric("engine_preemptions", "Preemptions", "", "lower", is_count=True),
)
