"""How much was tried, and what of it failed."""

from __future__ import annotations

from jobs.metrics.base import Metric

COUNTS = (
    Metric("concurrency", "Concurrency", "requests", ""),
    Metric("requests", "Requests completed", "requests", ""),
    Metric("failed_requests", "Failed requests", "requests", "lower"),
    Metric("duration_s", "Duration", "s", ""),
    Metric("peak_requests", "Peak requests in flight", "requests", ""),
    Metric("input_tokens", "Input tokens", "tokens", ""),
    Metric("output_tokens", "Output tokens", "tokens", ""),
    Metric("input_tokens_mean", "Input tokens, mean", "tokens", ""),
    Metric("output_tokens_mean", "Output tokens, mean", "tokens", ""),
    Metric("iterations", "Iterations", "", ""),
    Metric("questions", "Questions", "questions", ""),
    Metric("correct", "Correct answers", "questions", "higher"),
    Metric("unanswered", "Questions without an answer", "questions", "lower"),
)
