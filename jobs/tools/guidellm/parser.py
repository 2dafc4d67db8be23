"""GuideLLM 0.8: JSON of a run, and progress from the log.

GuideLLM's inter-token latency is, per request, the time after the first token divided by the tokens
after it: our TPOT. Its time per output token includes the first token and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import fmean
from typing import Any

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.base.patterns import pattern
from jobs.metrics.measured import MOST_REQUESTS, Progress, RequestTimes
from jobs.tools.outputs.figures import Figure, take
from jobs.tools.outputs.files import count, json_object, number, number_or_none

WHAT = "the result of a GuideLLM benchmark"
# GuideLLM's name -> our family, unit and factor.
_LATENCIES = {
    "time_to_first_token_ms": ("ttft", "ms"),
    "request_latency": ("latency", "s"),
}
_RATES = {
    "output_tokens_per_second": "output_tokens_per_s",
    "tokens_per_second": "total_tokens_per_s",
    "requests_per_second": "requests_per_s",
}
_COUNTS = {"prompt_token_count": "input_tokens", "output_token_count": "output_tokens"}
_PERCENTILES = ("p25", "p50", "p75", "p90", "p95", "p99")
# Key of a distribution -> our statistic.
_STATISTICS = {
    "mean": "mean",
    "std_dev": "std",
    "min": "min",
    "max": "max",
    **{f"percentiles.{share}": share for share in _PERCENTILES},
}
# Our file of prompts (cold.py), with the number of requests in its name.
_RUN = pattern(r"prompts-(\d{1,12})-at-\d+\.(?:txt|jsonl)")
_DONE = pattern(r"successful=(\d{1,12}) errored=(\d{1,12})")


@dataclass(frozen=True, slots=True)
class GuidePoint:
    """Point of one concurrency. ``metrics`` has names of ``jobs.metrics.METRICS``, without speed
    when no request completed. ``began``: seconds since the epoch, by the host's clock.
    ``requests``: the completed ones. ``left_out``: figures that cannot be true.
    """

    concurrency: int
    completed: int
    failed: int
    metrics: Mapping[str, float]
    began: float
    requests: Sequence[RequestTimes] = ()
    left_out: tuple[Message, ...] = ()


def parse(path: str, content: bytes) -> GuidePoint:
    """Return the run in a file with one concurrency.

    Raises:
        ParseError: no GuideLLM result.
    """
    runs = json_object(path, content).get("benchmarks")
    if not isinstance(runs, list) or len(runs) != 1:
        raise ParseError(f"{path} is not {WHAT} at one concurrency")
    return point(path, runs[0])


def point(path: str, data: Any) -> GuidePoint:
    """Return one run of a file with several.

    Raises:
        ParseError: no run of GuideLLM, or of a strategy without a concurrency.
    """
    run = _part(path, data, "")
    strategy = _part(path, run, "config", "strategy")
    state = _part(path, run, "scheduler_metrics")
    made = _part(path, state, "requests_made")
    completed, failed = count(path, made, "successful"), count(path, made, "errored")
    figures = {
        "requests": Figure("requests_made.successful", completed),
        "failed_requests": Figure("requests_made.errored", failed),
    }
    if completed:
        figures |= _measured(path, run)
    metrics, left_out = take(path, figures)
    return GuidePoint(
        concurrency=count(path, strategy, "streams"),
        completed=completed,
        failed=failed,
        metrics=metrics,
        began=number(path, state, "request_start_time"),
        requests=[_times(row) for row in _successes(run)[: MOST_REQUESTS + 1]],
        left_out=left_out,
    )


def _successes(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = (run.get("requests") or {}).get("successful") or ()
    return [row for row in rows if isinstance(row, dict)]


def _times(row: Mapping[str, Any]) -> RequestTimes:
    return RequestTimes(
        number_or_none(row, "time_to_first_token_ms"),
        number_or_none(row, "inter_token_latency_ms"),
        number_or_none(row, "request_latency"),
    )


def _measured(path: str, run: Mapping[str, Any]) -> dict[str, Figure]:
    figures = {"duration_s": Figure("duration", run.get("duration"))}
    distributions = _part(path, run, "metrics")
    for name, ours in _RATES.items():
        figures[ours] = _figure(distributions, name, "mean")
    for name, ours in _COUNTS.items():
        figures[ours] = _figure(distributions, name, "total_sum")
        figures[f"{ours}_mean"] = _figure(distributions, name, "mean")
    for name, (family, unit) in _LATENCIES.items():
        for key, statistic in _STATISTICS.items():
            figures[f"{family}_{statistic}_{unit}"] = _figure(distributions, name, key)
    return figures | _tpot(run)


def _figure(distributions: Mapping[str, Any], name: str, key: str) -> Figure:
    values: Any = _of_successes(distributions, name)
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return Figure(f"{name}.successful.{key}", values)


def _of_successes(distributions: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the distribution over completed requests; empty without samples (reported as 0)."""
    values = (distributions.get(name) or {}).get("successful") or {}
    return values if values.get("count") else {}


def _tpot(run: Mapping[str, Any]) -> dict[str, Figure]:
    """Return TPOT over requests with equal weight; the tool's figures weight requests by tokens.

    Percentiles follow the tool's definition: the smallest value that this share does not exceed.
    """
    key = "inter_token_latency_ms"
    latencies = [row.get(key) for row in _successes(run)]
    numbers = [number_or_none(row, key) for row in _successes(run)]
    for latency, value in zip(latencies, numbers, strict=True):
        if latency is not None and (value is None or value < 0):
            return {"tpot_mean_ms": Figure(f"requests.{key}", latency)}
    each = sorted(value for value in numbers if value is not None)
    if not each or len(each) < len(latencies):
        return {}
    values = {"mean": fmean(each)}
    for share in _PERCENTILES:
        values[share] = each[ceil(int(share[1:]) * len(each) / 100) - 1]
    return {f"tpot_{name}_ms": Figure(f"requests.{key}", values[name]) for name in values}


def _part(path: str, data: Any, *keys: str) -> dict[str, Any]:
    for key in filter(None, keys):
        data = data.get(key) if isinstance(data, dict) else None
    if not isinstance(data, dict):
        raise ParseError(f"{path} is not {WHAT}: {'.'.join(keys) or 'a run'} is missing")
    return data


def progress(log: str) -> Progress | None:
    """Return the ended requests of the latest run."""
    runs = list(_RUN.finditer(log))
    if not runs:
        return None
    done = _DONE.findall(log, runs[-1].end())
    ended = sum(map(int, done[-1])) if done else 0
    return {"done": ended, "total": int(runs[-1][1]), "unit": "requests"}
