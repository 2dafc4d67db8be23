"""JSON export of NVIDIA AIPerf.

Its inter-token latency is, per request, the time after the first token divided by the tokens after
it: our TPOT. Its inter-chunk latency is each gap of a stream: our ITL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.base.numbers import MS_PER_S
from jobs.metrics.measured import MOST_REQUESTS, RequestTimes
from jobs.tools.importing import dates as imports_dates
from jobs.tools.importing.base import Reader, Reading, Refusal, Refused, attempt
from jobs.tools.importing.bundle import Bundle
from jobs.tools.importing.over_http import Run, reading
from jobs.tools.importing.values import inside, text, whole
from jobs.tools.outputs.figures import Figure, take
from jobs.tools.outputs.files import count, json_lines, json_object, number_or_none

# AIPerf's name -> ours.
_TOTALS = {
    "request_throughput": "requests_per_s",
    "output_token_throughput": "output_tokens_per_s",
    "total_token_throughput": "total_tokens_per_s",
    "goodput": "goodput_requests_per_s",
    "benchmark_duration": "duration_s",
    "total_isl": "input_tokens",
    "total_osl": "output_tokens",
    "input_sequence_length": "input_tokens_mean",
    "output_sequence_length": "output_tokens_mean",
}
# AIPerf's family, in ms -> ours, with the factor.
_LATENCIES = {
    "time_to_first_token": ("ttft_{}_ms", 1.0),
    "inter_token_latency": ("tpot_{}_ms", 1.0),
    "inter_chunk_latency": ("itl_{}_ms", 1.0),
    "request_latency": ("latency_{}_s", 1 / MS_PER_S),
}
_HEAD = 65536
_LONGEST_REASON = 200
_STATISTICS = {
    "avg": "mean",
    "std": "std",
    **{name: name for name in ("min", "max", "p25", "p50", "p75", "p90", "p95", "p99")},
}


class Aiperf(Reader):
    """``profile_export_aiperf.json``."""

    tool = "AIPerf"

    def claims(self, bundle: Bundle, path: str) -> bool:
        """Return True for an export with the rates of a run."""
        return bundle.has_keys(path, ("aiperf_version", "input_config"), 2) and bundle.has_keys(
            path, ("request_throughput", "request_latency", "request_count")
        )

    def read(self, bundle: Bundle, own: Sequence[str]) -> Iterable[Reading | Refusal]:
        """Return a result per export."""
        for path in own:
            yield attempt([path], _reading, bundle, path)


def _reading(bundle: Bundle, path: str) -> Reading:
    data = json_object(path, bundle.files[path])
    config = inside(data, "input_config")
    concurrency = _concurrency(config)
    if not concurrency:
        raise Refused(Message("import:no_concurrency", {"file": path, "runs": "AIPerf"}))
    completed = count(
        path, {"request_count.avg": _needed(path, data, "request_count")}, "request_count.avg"
    )
    failed = int(number_or_none(inside(data, "completed_request_count"), "avg") or 0) - completed
    failed = failed if failed > 0 else whole(inside(data, "error_request_count"), "avg")
    requests, beside, damage = _requests(bundle, path)
    figures = {
        "concurrency": Figure("concurrency", concurrency),
        "requests": Figure("request_count.avg", completed),
        "failed_requests": Figure("error_request_count.avg", failed),
        **(_measured(path, data) if completed else {}),
    }
    metrics, left_out = take(path, figures)
    asked = _asked(config)
    names = ("input_tokens", "output_tokens")
    sizes = " → ".join(str(asked[name]) for name in names if name in asked)
    return reading(
        Aiperf.tool,
        text(data, "aiperf_version"),
        [Run(concurrency, completed, failed, metrics, (*left_out, *damage), requests)],
        what=f"synthetic {sizes} tok" if len(asked) == len(names) else "",
        model=_model(config),
        sources=(path,),
        companions=beside,
        remarks=[Message("import:cancelled")] if data.get("was_cancelled") is True else [],
        asked=asked,
        at=imports_dates.of_text(data.get("start_time")),
    )


def _requests(
    bundle: Bundle, path: str
) -> tuple[Sequence[RequestTimes], tuple[str, ...], tuple[Message, ...]]:
    """Return the completed requests of the file beside the export, the file, and its damage."""
    names = [
        one
        for one in bundle.beside(path)
        if all(
            key in bundle.files[one][:_HEAD]
            for key in (b'"benchmark_phase"', b'"request_start_ns"')
        )
    ]
    if len(names) != 1:
        return (), (), ()
    try:
        rows = json_lines(names[0], bundle.files[names[0]])
    except ParseError as error:
        damage = Message("figures:no_requests", {"reason": str(error)[:_LONGEST_REASON]})
        return (), (), (damage,)
    measured = islice(filter(_is_measured, rows), MOST_REQUESTS + 1)
    return [_times(inside(row, "metrics")) for row in measured], tuple(names), ()


def _is_measured(row: Mapping[str, Any]) -> bool:
    about = inside(row, "metadata")
    return (
        about.get("benchmark_phase") == "profiling"
        and about.get("was_cancelled") is not True
        and not row.get("error")
    )


def _times(metrics: Mapping[str, Any]) -> RequestTimes:
    first, further, whole_ms = (
        number_or_none(inside(metrics, name), "value")
        for name in ("time_to_first_token", "inter_token_latency", "request_latency")
    )
    return RequestTimes(first, further, None if whole_ms is None else whole_ms / MS_PER_S)


def _measured(path: str, data: Mapping[str, Any]) -> dict[str, Figure]:
    if inside(data, "output_token_throughput").get("avg") is None:
        _needed(path, data, "output_token_throughput")
    figures = {ours: _figure(data, theirs, "avg") for theirs, ours in _TOTALS.items()}
    for theirs, (ours, factor) in _LATENCIES.items():
        for name, statistic in _STATISTICS.items():
            figures[ours.format(statistic)] = _figure(data, theirs, name, factor)
    return figures


def _figure(data: Mapping[str, Any], family: str, key: str, factor: float = 1.0) -> Figure:
    return Figure(f"{family}.{key}", inside(data, family).get(key), factor)


def _needed(path: str, data: Mapping[str, Any], key: str) -> float:
    value = number_or_none(inside(data, key), "avg")
    if value is None:
        raise ParseError(f"{path}: '{key}.avg' is missing or not a number")
    return value


def _concurrency(config: Mapping[str, Any]) -> int:
    """Return the concurrency of the measured phase; of the load generator before 0.12."""
    phases = config.get("phases")
    listed = [one for one in phases if isinstance(one, dict)] if isinstance(phases, list) else []
    measured = [one for one in listed if one.get("kind", "profiling") == "profiling"]
    found = whole(measured[-1], "concurrency") if measured else 0
    return found or whole(inside(config, "loadgen"), "concurrency")


def _model(config: Mapping[str, Any]) -> str:
    items = inside(config, "models").get("items")
    if isinstance(items, list) and items and isinstance(items[0], dict):
        return text(items[0], "name")
    names = inside(config, "endpoint").get("model_names")
    return str(names[0]) if isinstance(names, list) and names else ""


def _asked(config: Mapping[str, Any]) -> dict[str, int]:
    sets = config.get("datasets")
    prompts = inside(sets[0], "prompts") if isinstance(sets, list) and sets else {}
    asked = {
        "input_tokens": whole(inside(prompts, "isl"), "mean"),
        "output_tokens": whole(inside(prompts, "osl"), "mean"),
    }
    return {name: value for name, value in asked.items() if value}
