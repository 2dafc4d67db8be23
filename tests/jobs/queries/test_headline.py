"""Main metric of a result."""

import pytest

from jobs.queries.results.repeats import SECONDARY, headline


@pytest.mark.parametrize(
    ("result_type", "metrics", "expected"),
    [
        (
            "benchmark",
            {"output_tokens_per_s": 1, "total_tokens_per_s": 2, "ttft_p50_ms": 3},
            ("output_tokens_per_s", "ttft_p50_ms"),
        ),
        (
            "benchmark",
            {"total_tokens_per_s": 2, "requests_per_s": 1},
            ("total_tokens_per_s", "requests_per_s"),
        ),
        (
            "benchmark",
            {"batch_latency_mean_s": 2, "batch_latency_p99_s": 1},
            ("batch_latency_mean_s", "batch_latency_p99_s"),
        ),
        ("benchmark", {}, ("output_tokens_per_s", "ttft_p50_ms")),
        ("evaluation", {"accuracy": 1, "questions": 2}, ("accuracy", "questions")),
    ],
)
def test_a_result_is_shown_by_what_was_measured(result_type, metrics, expected):
    second = headline(result_type, metrics, SECONDARY)
    assert (headline(result_type, metrics), second) == expected
