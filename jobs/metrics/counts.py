"""Counts of requests, questions and tokens, and of failures."""

from __future__ import annotations

from jobs.metrics.base import Metric

COUNTS = (
    Metric("concurrency", "Concurrency", "requests", "", is_count=True),
    Metric("requests", "Requests completed", "requests", "", is_count=True),
    Metric("failed_requests", "Failed requests", "requests", "lower", is_count=True),
    # Totals over all concurrencies; the other metrics are of the best concurrency.
    Metric("requests_all", "Requests completed, all concurrencies", "requests", "", is_count=True),
    Metric(
        *("failed_requests_all", "Failed requests, all concurrencies", "requests", "lower"),
        is_count=True,
    ),
    Metric("duration_s", "Duration", "s", ""),
    Metric("peak_requests", "Peak concurrency", "requests", "", is_count=True),
    Metric("input_tokens", "Input tokens", "tokens", "", is_count=True),
    Metric("output_tokens", "Output tokens", "tokens", "", is_count=True),
    Metric("input_tokens_mean", "Input tokens, mean", "tokens", ""),
    Metric("output_tokens_mean", "Output tokens, mean", "tokens", ""),
    Metric("iterations", "Iterations", "", "", is_count=True),
    Metric("questions", "Questions", "questions", "", is_count=True),
    Metric("correct", "Correct answers", "questions", "higher", is_count=True),
    Metric("unanswered", "Unanswered questions", "questions", "lower", is_count=True),
)
