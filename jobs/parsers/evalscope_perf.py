"""EvalScope 1.14's performance test: a folder for each concurrency, with a summary and percentiles.

``<run>/parallel_4_number_20/benchmark_summary.json`` and ``benchmark_percentile.json`` beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from jobs.errors import ParseError
from jobs.parsers.files import json_object, json_of, number, number_or_none

SUMMARY = "benchmark_summary.json"
PERCENTILES = "benchmark_percentile.json"

# EvalScope's name -> ours. What fails to be there is left out of the point.
_SUMMARY_METRICS = {
    "Output Throughput (tok/s)": "output_tokens_per_s",
    "Total Throughput (tok/s)": "total_tokens_per_s",
    "Req Throughput (req/s)": "requests_per_s",
    "Avg TTFT (ms)": "ttft_mean_ms",
    "Avg TPOT (ms)": "tpot_mean_ms",
    "Avg ITL (ms)": "itl_mean_ms",
    "Avg Latency (s)": "latency_mean_s",
    "Avg Input Tokens": "input_tokens_mean",
    "Avg Output Tokens": "output_tokens_mean",
}
_PERCENTILE_COLUMNS = {
    "TTFT (ms)": "ttft_{}_ms",
    "TPOT (ms)": "tpot_{}_ms",
    "ITL (ms)": "itl_{}_ms",
    "Latency (s)": "latency_{}_s",
}
_ROWS = {"50%": "p50", "90%": "p90", "99%": "p99"}


@dataclass(frozen=True, slots=True)
class PerfPoint:
    """One concurrency. ``metrics`` has the names of ``jobs.metrics.METRICS``; no speed without a
    completed request.
    """

    concurrency: int
    completed: int
    failed: int
    metrics: Mapping[str, float]


def parse(files: Mapping[str, bytes]) -> list[PerfPoint]:
    """The points in ``files`` (path -> content), by concurrency, then by number of requests.

    Raises:
        ParseError: there is no summary, or one is not what EvalScope 1.14 writes.
    """
    summaries = [path for path in files if PurePosixPath(path).name == SUMMARY]
    if not summaries:
        raise ParseError(f"EvalScope left no {SUMMARY}")
    points = [_point(path, files) for path in summaries]
    return sorted(points, key=lambda point: (point.concurrency, point.completed + point.failed))


def _point(path: str, files: Mapping[str, bytes]) -> PerfPoint:
    summary = json_object(path, files[path])
    completed = int(number(path, summary, "Success Requests"))
    failed = int(number(path, summary, "Failed Requests"))
    metrics = {
        "concurrency": number(path, summary, "Concurrency"),
        "requests": float(completed),
        "failed_requests": float(failed),
        "duration_s": number(path, summary, "Test Duration (s)"),
    }
    if completed:
        for theirs, ours in _SUMMARY_METRICS.items():
            value = number_or_none(summary, theirs)
            if value is not None:
                metrics[ours] = value
        beside = str(PurePosixPath(path).with_name(PERCENTILES))
        if beside in files:
            metrics |= _percentiles(beside, files[beside])
    return PerfPoint(int(metrics["concurrency"]), completed, failed, metrics)


def _percentiles(path: str, content: bytes) -> dict[str, float]:
    rows = json_of(path, content)
    if not isinstance(rows, list):
        raise ParseError(f"{path} does not hold a list")
    found = {}
    for row in rows:
        name = _ROWS.get(row.get("Percentiles", "")) if isinstance(row, dict) else None
        if name is None:
            continue
        for column, metric in _PERCENTILE_COLUMNS.items():
            value = number_or_none(row, column)
            if value is not None:
                found[metric.format(name)] = value
    return found
