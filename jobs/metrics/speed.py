"""Throughput of a deployment.

*Goodput* counts only requests within all requested latency limits.
"""

from __future__ import annotations

from jobs.metrics.base import Metric

SPEED = (
    Metric("output_tokens_per_s", "Output tokens/s", "tokens/s", "higher"),
    Metric("total_tokens_per_s", "Total tokens/s", "tokens/s", "higher"),
    Metric("requests_per_s", "Requests/s", "requests/s", "higher"),
    Metric("goodput_requests_per_s", "Goodput, requests/s", "requests/s", "higher"),
    Metric("peak_output_tokens_per_s", "Peak output tokens/s", "tokens/s", "higher"),
)
