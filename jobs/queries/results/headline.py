"""Main and second metric of a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.models import Result

# The first measured one counts: an offline batch has no rate, only a latency.
_FIRST: dict[str, Sequence[str]] = {
    Result.Type.BENCHMARK: ("output_tokens_per_s", "total_tokens_per_s", "batch_latency_mean_s"),
    Result.Type.EVALUATION: ("accuracy", "accuracy_macro"),
}
_SECONDARY: dict[str, Sequence[str]] = {
    Result.Type.BENCHMARK: ("ttft_p50_ms", "batch_latency_p99_s", "requests_per_s"),
    Result.Type.EVALUATION: ("questions",),
}


def headline(result_type: str, metrics: Mapping[str, Any]) -> str:
    """Return the name of the main metric of a result of this type."""
    return _chosen(_FIRST[result_type], metrics)


def secondary_metric(result_type: str, metrics: Mapping[str, Any]) -> str:
    """Return the name of the second metric."""
    return _chosen(_SECONDARY[result_type], metrics)


def _chosen(names: Sequence[str], metrics: Mapping[str, Any]) -> str:
    return next((name for name in names if name in metrics), names[0])
