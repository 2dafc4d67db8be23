"""The one number that stands for a result, and the one beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.models import Result

# The first that was measured: a benchmark of one batch has no rate, only how long it took.
_FIRST: dict[str, Sequence[str]] = {
    Result.Sort.BENCHMARK: ("output_tokens_per_s", "total_tokens_per_s", "batch_latency_mean_s"),
    Result.Sort.EVALUATION: ("accuracy",),
}
_BESIDE: dict[str, Sequence[str]] = {
    Result.Sort.BENCHMARK: ("ttft_p50_ms", "batch_latency_p99_s", "requests_per_s"),
    Result.Sort.EVALUATION: ("questions",),
}


def headline(sort: str, metrics: Mapping[str, Any]) -> str:
    """Name of the metric that stands for a result of this sort."""
    return _chosen(_FIRST[sort], metrics)


def beside(sort: str, metrics: Mapping[str, Any]) -> str:
    """Name of the metric that is shown beside it."""
    return _chosen(_BESIDE[sort], metrics)


def _chosen(names: Sequence[str], metrics: Mapping[str, Any]) -> str:
    return next((name for name in names if name in metrics), names[0])
