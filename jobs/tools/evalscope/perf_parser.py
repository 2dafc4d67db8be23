"""EvalScope's performance test: a folder per concurrency with summary and percentiles.

``<run>/parallel_4_number_20/benchmark_summary.json`` with ``benchmark_percentile.json``. Three
generations use different names: 0.16 to 1.5 in seconds, 1.9 and 1.14 in ms. The unit comes from the
name, never from the version.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.base.numbers import MS_PER_S
from jobs.metrics.measured import WarmUp
from jobs.tools.outputs.figures import Figure, take
from jobs.tools.outputs.files import count, json_object, json_of, number_or_none

SUMMARY = "benchmark_summary.json"
PERCENTILES = "benchmark_percentile.json"
WHAT = "a summary of EvalScope's performance test"

# Our name -> EvalScope's names, 1.14 first, each with its factor.
_Names = Sequence[tuple[str, float]]
_DURATION: _Names = (("Test Duration (s)", 1.0), ("Time taken for tests (s)", 1.0))
_CONCURRENCY: _Names = (("Concurrency", 1.0), ("Number of concurrency", 1.0))
_COMPLETED = ("Success Requests", "Succeed requests")
_HOW = ("Non-Stream Requests", "Stream Requests")
_OF_STREAMS = ("ttft_", "tpot_", "itl_")
_HITS = "KV Cache Hit Rate (%)"
_FAILED = ("Failed Requests", "Failed requests")
_SUMMARY_METRICS: Mapping[str, _Names] = {
    "output_tokens_per_s": (
        ("Output Throughput (tok/s)", 1.0),
        ("Output token throughput (tok/s)", 1.0),
    ),
    "total_tokens_per_s": (
        ("Total Throughput (tok/s)", 1.0),
        ("Total token throughput (tok/s)", 1.0),
    ),
    "requests_per_s": (("Req Throughput (req/s)", 1.0), ("Request throughput (req/s)", 1.0)),
    "latency_mean_s": (("Avg Latency (s)", 1.0), ("Average latency (s)", 1.0)),
    "ttft_mean_ms": (
        ("Avg TTFT (ms)", 1.0),
        ("TTFT (ms)", 1.0),
        ("Average time to first token (s)", MS_PER_S),
    ),
    "tpot_mean_ms": (
        ("Avg TPOT (ms)", 1.0),
        ("TPOT (ms)", 1.0),
        ("Average time per output token (s)", MS_PER_S),
    ),
    "itl_mean_ms": (
        ("Avg ITL (ms)", 1.0),
        ("ITL (ms)", 1.0),
        ("Average inter-token latency (s)", MS_PER_S),
    ),
    "input_tokens_mean": (("Avg Input Tokens", 1.0), ("Average input tokens per request", 1.0)),
    "output_tokens_mean": (("Avg Output Tokens", 1.0), ("Average output tokens per request", 1.0)),
}
_PERCENTILE_COLUMNS: Mapping[str, _Names] = {
    "ttft_{}_ms": (("TTFT (ms)", 1.0), ("TTFT (s)", MS_PER_S)),
    "tpot_{}_ms": (("TPOT (ms)", 1.0), ("TPOT (s)", MS_PER_S)),
    "itl_{}_ms": (("ITL (ms)", 1.0), ("ITL (s)", MS_PER_S)),
    "latency_{}_s": (("Latency (s)", 1.0),),
}
_ROWS = {
    "min": "min",
    "max": "max",
    "25%": "p25",
    "50%": "p50",
    "75%": "p75",
    "90%": "p90",
    "95%": "p95",
    "99%": "p99",
}


@dataclass(frozen=True, slots=True)
class PerfPoint:
    """Point of one concurrency. ``metrics`` has names of ``jobs.metrics.METRICS``, without speed
    when no request completed. ``left_out``: figures that cannot be true.
    """

    concurrency: int
    completed: int
    failed: int
    metrics: Mapping[str, float]
    left_out: tuple[Message, ...] = ()


def parse(files: Mapping[str, bytes]) -> list[PerfPoint]:
    """Return the points in ``files`` (path -> content), by concurrency, then by requests.

    Raises:
        ParseError: no summary, or a summary in an unknown format.
    """
    summaries = [path for path in files if PurePosixPath(path).name == SUMMARY]
    if not summaries:
        raise ParseError(f"EvalScope wrote no {SUMMARY}")
    points = []
    for path in summaries:
        beside = str(PurePosixPath(path).with_name(PERCENTILES))
        percentiles = (beside, files[beside]) if beside in files else None
        points.append(point(path, files[path], percentiles))
    return sorted(points, key=lambda point: (point.concurrency, point.completed + point.failed))


def began(content: bytes) -> dict[int, float]:
    """Return concurrency -> start (seconds since the epoch), as recorded by send_cold.py.

    Other lines are left out.
    """
    starts = {}
    for line in content.splitlines():
        try:
            record = json.loads(line)
            starts[int(record["concurrency"])] = float(record["began"])
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
            continue
    return {concurrency: at for concurrency, at in starts.items() if math.isfinite(at)}


def warm_ups(content: bytes) -> dict[int, WarmUp]:
    """Return concurrency -> its warm-up requests, as recorded by send_cold.py.

    Other lines are left out.
    """
    found = {}
    for line in content.splitlines():
        try:
            record = json.loads(line)
            level, requests = int(record["concurrency"]), int(record["warm_ups"])
            tokens, until = float(record["warm_up_tokens"]), float(record["measured"])
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
            continue
        if math.isfinite(until) and 0 <= tokens < math.inf and requests >= 0:
            found[level] = WarmUp(requests, tokens, until)
    return found


def point(path: str, content: bytes, percentiles: tuple[str, bytes] | None = None) -> PerfPoint:
    """Return the point of one summary. ``percentiles``: path and content.

    Raises:
        ParseError: no summary, or in an unknown format.
    """
    summary = json_object(path, content)
    completed, failed = (_count(path, summary, names) for names in (_COMPLETED, _FAILED))
    concurrency = _needed(path, summary, _CONCURRENCY)
    figures = {
        "concurrency": Figure(_CONCURRENCY[0][0], concurrency),
        "requests": Figure(_COMPLETED[0], completed),
        "failed_requests": Figure(_FAILED[0], failed),
        "duration_s": _first(summary, _DURATION),
    }
    if figures["duration_s"].value is None:
        _needed(path, summary, _DURATION)
    if completed:
        figures |= {ours: _first(summary, names) for ours, names in _SUMMARY_METRICS.items()}
        if summary.get(_HITS):  # also 0 when the server reports no cached tokens
            figures["engine_prefix_hits"] = Figure(_HITS, summary[_HITS], 0.01)
        if figures["output_tokens_per_s"].value is None:
            raise ParseError(f"{path} has no known output throughput of EvalScope")
        if percentiles:
            figures |= _percentiles(*percentiles)
    if _came_whole(summary):
        # EvalScope writes the time of the whole answer as TTFT, and 0 between tokens.
        figures = {name: figures[name] for name in figures if not name.startswith(_OF_STREAMS)}
    metrics, left_out = take(path, figures)
    return PerfPoint(concurrency, completed, failed, metrics, left_out)


def _came_whole(summary: Mapping[str, Any]) -> bool:
    """Return True when no answer was streamed, as reported by 1.14."""
    whole, streamed = (number_or_none(summary, name) for name in _HOW)
    return bool(whole) and streamed == 0


def _percentiles(path: str, content: bytes) -> dict[str, Figure]:
    rows = json_of(path, content)
    if isinstance(rows, dict):  # one column each, as in the tool's memory
        rows = _transposed(path, rows)
    if not isinstance(rows, list):
        raise ParseError(f"{path} does not hold a list")
    figures = {}
    for row in rows:
        share = str(row.get("Percentiles")) if isinstance(row, dict) else ""
        if share not in _ROWS:
            continue
        for metric, names in _PERCENTILE_COLUMNS.items():
            figure = _first(row, names)
            key = f"{figure.key} {share}"
            figures[metric.format(_ROWS[share])] = Figure(key, figure.value, figure.factor)
    return figures


def _transposed(path: str, columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "Percentiles" not in columns or not all(isinstance(c, list) for c in columns.values()):
        raise ParseError(f"{path} does not hold percentiles of EvalScope")
    try:
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows]
    except ValueError as error:
        raise ParseError(f"{path} is damaged: columns differ in length") from error


def _first(data: Mapping[str, Any], names: _Names) -> Figure:
    """Return the figure of the first present name in ``names``; without one its value is None."""
    name, factor = next((one for one in names if data.get(one[0]) is not None), names[0])
    return Figure(name, data.get(name), factor)


def _needed(path: str, data: Mapping[str, Any], names: _Names) -> int:
    figure = _first(data, names)
    if figure.value is None:
        raise ParseError(f"{path} is not {WHAT}: no {' or '.join(name for name, _ in names)}")
    return count(path, data, figure.key)


def _count(path: str, data: Mapping[str, Any], names: Sequence[str]) -> int:
    for name in names:
        if name in data:
            return count(path, data, name)
    raise ParseError(f"{path} is not {WHAT}: no {' or '.join(names)}")
