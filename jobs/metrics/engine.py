"""What an engine says of itself while it serves: its own counters and its log."""

from __future__ import annotations

from jobs.metrics.base import Metric

ENGINE = (
    Metric("engine_output_tokens_per_s", "Engine output tokens/s", "tokens/s", "higher"),
    Metric("engine_prompt_tokens_per_s", "Engine prompt tokens/s", "tokens/s", "higher"),
    Metric("engine_running", "Requests running", "requests", ""),
    Metric("engine_waiting", "Requests waiting", "requests", "lower"),
    Metric("engine_preemptions", "Preemptions", "", "lower", is_count=True),
    Metric("engine_kv_cache", "KV cache in use", "%", ""),
    Metric("engine_prefix_hits", "Prefix cache hits", "%", "higher"),
    Metric("engine_ttft_mean_ms", "Engine TTFT mean", "ms", "lower"),
    Metric("engine_itl_mean_ms", "Engine ITL mean", "ms", "lower"),
)
