"""GuideLLM 0.8: JSON of a run, of a job or imported, and progress from the log.

GuideLLM's inter-token latency is, per request, the time after the first token divided by the tokens
after it: our TPOT. Its time per output token includes the first token and is left out.
"""

from collections.abc import Mapping
from math import ceil
from statistics import fmean
from typing import Any

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.base.patterns import pattern
from jobs.metrics.measured import MOST_REQUESTS, Outcome, Progress, RequestTimes
from jobs.tools import imports
from jobs.tools.imports import Bundle, ImportRefused, Reader, Reading, inside
from jobs.tools.outputs import over_http_reading
from jobs.tools.outputs.figures import FileFigure, MeasuredPoint, take
from jobs.tools.outputs.files import Ended, count, json_object, number, number_or_none

WHAT = "the result of a GuideLLM benchmark"
# GuideLLM's name -> our family and unit.
_LATENCIES = {"time_to_first_token_ms": ("ttft", "ms"), "request_latency": ("latency", "s")}
_RATES = {
    "output_tokens_per_second": "output_tokens_per_s",
    "tokens_per_second": "total_tokens_per_s",
    "requests_per_second": "requests_per_s",
}
_COUNTS = {"prompt_token_count": "input_tokens", "output_token_count": "output_tokens"}
_PERCENTILES = ("p25", "p50", "p75", "p90", "p95", "p99")
# Key of a distribution -> our statistic.
_STATISTICS = {
    **{"mean": "mean", "std_dev": "std", "min": "min", "max": "max"},
    **{f"percentiles.{share}": share for share in _PERCENTILES},
}
_ITL = "inter_token_latency_ms"
# Our file of prompts (cold.py), with the number of requests in its name.
_RUN = pattern(r"prompts-(\d{1,12})-at-\d+\.(?:txt|jsonl)")
_DONE = pattern(r"successful=(\d{1,12}) errored=(\d{1,12})")


def outcome(ended: Ended) -> Outcome:
    files = {path: ended.outputs[path] for path in ended.outputs if path.startswith("result-")}
    points = [parse(path, content) for path, content in files.items()]
    points.sort(key=lambda point: point.concurrency or 0)
    return over_http_reading.measured(ended, points)


def progress(log: str) -> Progress | None:
    runs = list(_RUN.finditer(log))
    if not runs:
        return None
    done = _DONE.findall(log, runs[-1].end())
    ended = sum(map(int, done[-1])) if done else 0
    return {"done": ended, "total": int(runs[-1][1]), "unit": "requests"}


class Guidellm(Reader):
    """``--output-path out.json``."""

    tool = "guidellm"
    keys = ("guidellm_version", "scheduler_metrics", "scheduler_state")

    def claims(self, bundle: Bundle, path: str) -> bool:
        return bundle.has_keys(path, ("benchmarks",)) and super().claims(bundle, path)

    def read_file(self, bundle: Bundle, path: str) -> Reading:
        data = json_object(path, bundle.files[path])
        benchmarks = data.get("benchmarks")
        if not isinstance(benchmarks, list) or not benchmarks:
            raise ParseError(f"{path}: 'benchmarks' has no run")
        runs, left_out = [], []
        for one in benchmarks:
            strategy = inside(one, "config", "strategy")
            if isinstance(strategy.get("streams"), int):
                runs.append(_point(path, one))
            else:
                left_out.append(imports.text_at(strategy, "type_") or "?")
        if not runs:
            names = ", ".join(dict.fromkeys(left_out))
            raise ImportRefused(Message("import:no_concurrency", {"file": path, "runs": names}))
        if len({run.concurrency for run in runs}) < len(runs):
            raise ImportRefused(Message("import:same_concurrency", {"file": path}))
        spec = inside(data, "config", "spec") or inside(data, "args")
        prompts = inside(spec, "data", 0)
        lengths = (imports.count_at(prompts, f"{name}_tokens") for name in ("prompt", "output"))
        asked = imports.lengths_asked(*lengths)
        return imports.over_http(
            self.tool,
            imports.text_at(inside(data, "metadata"), "guidellm_version"),
            runs,
            what=imports.synthetic(asked),
            model=imports.text_at(inside(benchmarks[0], "config", "backend"), "model"),
            sources=(path,),
            remarks=[Message("import:left_out", {"runs": ", ".join(left_out)})] if left_out else [],
            asked=asked,
            at=imports.earliest(imports.time_of_epoch(one.get("start_time")) for one in benchmarks),
        )


def parse(path: str, content: bytes) -> MeasuredPoint:
    runs = json_object(path, content).get("benchmarks")
    if not isinstance(runs, list) or len(runs) != 1:
        raise ParseError(f"{path} is not {WHAT} at one load")
    return _point(path, runs[0])


def _point(path: str, run: Any) -> MeasuredPoint:
    strategy = _part(path, run, "config", "strategy")
    state = _part(path, run, "scheduler_metrics")
    made = _part(path, state, "requests_made")
    completed, failed = count(path, made, "successful"), count(path, made, "errored")
    rows = (run.get("requests") or {}).get("successful") or ()
    requests = [row for row in rows if isinstance(row, dict)]
    figures = {
        "requests": FileFigure("requests_made.successful", completed),
        "failed_requests": FileFigure("requests_made.errored", failed),
    }
    if completed:
        figures |= _measured(run, _part(path, run, "metrics")) | _tpot(requests)
    metrics, left_out = take(path, figures)
    names = ("time_to_first_token_ms", _ITL, "request_latency")
    return MeasuredPoint(
        concurrency=count(path, strategy, "streams") if "rate" not in strategy else None,
        completed=completed,
        failed=failed,
        metrics=metrics,
        began=number(path, state, "request_start_time"),
        requests=[
            RequestTimes(*(number_or_none(row, name) for name in names))
            for row in requests[: MOST_REQUESTS + 1]
        ],
        left_out=left_out,
    )


def _measured(run: Mapping[str, Any], distributions: Mapping[str, Any]) -> dict[str, FileFigure]:
    figures = {"duration_s": FileFigure("duration", run.get("duration"))}
    for name, ours in _RATES.items():
        figures[ours] = _figure(distributions, name, "mean")
    for name, ours in _COUNTS.items():
        figures[ours] = _figure(distributions, name, "total_sum")
        figures[f"{ours}_mean"] = _figure(distributions, name, "mean")
    for name, (family, unit) in _LATENCIES.items():
        for key, statistic in _STATISTICS.items():
            figures[f"{family}_{statistic}_{unit}"] = _figure(distributions, name, key)
    return figures


def _figure(distributions: Mapping[str, Any], name: str, key: str) -> FileFigure:
    values: Any = (distributions.get(name) or {}).get("successful") or {}
    values = values if values.get("count") else {}
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return FileFigure(f"{name}.successful.{key}", values)


def _tpot(requests: list[dict[str, Any]]) -> dict[str, FileFigure]:
    """Return TPOT over requests with equal weight; the tool's figures weight requests by tokens.
    Percentiles follow the tool's definition: the smallest value that this share does not exceed."""
    named = f"requests.{_ITL}"
    numbers = [number_or_none(row, _ITL) for row in requests]
    for row, value in zip(requests, numbers, strict=True):
        if row.get(_ITL) is not None and (value is None or value < 0):
            return {"tpot_mean_ms": FileFigure(named, row[_ITL])}
    each = sorted(value for value in numbers if value is not None)
    if not each or len(each) < len(numbers):
        return {}
    figures = {"tpot_mean_ms": FileFigure(named, fmean(each))}
    for share in _PERCENTILES:
        value = each[ceil(int(share[1:]) * len(each) / 100) - 1]
        figures[f"tpot_{share}_ms"] = FileFigure(named, value)
    return figures


def _part(path: str, data: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    if not isinstance(data, dict):
        raise ParseError(f"{path} is not {WHAT}: {'.'.join(keys)} is missing")
    return data
