"""AIPerf 0.13: the JSON of its runs. Its inter-token latency is our TPOT."""

from jobs.base.numbers import MS_PER_S
from jobs.metrics.measured import Outcome
from jobs.tools.imports import count_at, inside
from jobs.tools.outputs import over_http_reading
from jobs.tools.outputs.figures import FileFigure, MeasuredPoint, take
from jobs.tools.outputs.files import Ended, count, json_object

_RATES = {
    "benchmark_duration": "duration_s",
    "output_token_throughput": "output_tokens_per_s",
    "request_throughput": "requests_per_s",
    "total_osl": "output_tokens",
}
_LATENCIES = {
    "time_to_first_token": ("ttft_{}_ms", 1.0),
    "inter_token_latency": ("tpot_{}_ms", 1.0),
    "request_latency": ("latency_{}_s", 1 / MS_PER_S),
}
_STATISTICS = {"avg": "mean", "p50": "p50", "p90": "p90", "p99": "p99"}


def outcome(ended: Ended) -> Outcome:
    """A point per concurrency."""
    paths = sorted(path for path in ended.outputs if path.startswith("result-"))
    return over_http_reading.measured(ended, [_point(path, ended.outputs[path]) for path in paths])


def _point(path: str, content: bytes) -> MeasuredPoint:
    data = json_object(path, content)
    completed = count(path, inside(data, "request_count"), "avg")
    failed = count_at(inside(data, "error_request_count"), "avg") or 0
    figures = {
        "requests": FileFigure("request_count.avg", completed),
        "failed_requests": FileFigure("error_request_count.avg", failed),
    }
    for name, ours in _RATES.items():
        figures[ours] = FileFigure(f"{name}.avg", inside(data, name).get("avg"))
    for name, (ours, factor) in _LATENCIES.items():
        for key, statistic in _STATISTICS.items():
            value = inside(data, name).get(key)
            figures[ours.format(statistic)] = FileFigure(f"{name}.{key}", value, factor)
    metrics, left_out = take(path, figures)
    level = int(path.split("/")[0].removeprefix("result-"))
    return MeasuredPoint(
        concurrency=level, completed=completed, failed=failed, metrics=metrics, left_out=left_out
    )
