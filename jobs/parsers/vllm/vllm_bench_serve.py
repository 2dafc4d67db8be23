"""vLLM's serving benchmark: ``benchmark_serving.py`` of 0.7.2 and ``vllm bench serve`` since.

Result file (JSON), and the printed block in case the file is missing: without the result folder,
0.7.2 fails after printing the block. Names in both are nearly equal; 0.7.2 writes the key
``request_goodput:`` with the colon, no ``failed``, and "Total Token throughput" capitalised
differently.

The exit code is 0 even if every request failed: use :attr:`Served.outcome`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jobs.errors import ParseError
from jobs.metrics import METRICS
from jobs.parsers.files import count, json_object, number, number_or_none
from jobs.parsers.lines import lines_of
from jobs.parsers.request_times import RequestTimes
from jobs.units import MS_PER_S

Outcome = Literal["whole", "partial", "none"]
WHAT = "a result of vLLM's serving benchmark"

# vLLM's name -> our name and factor. Missing values are left out.
_RATES = {
    "output_throughput": ("output_tokens_per_s", 1.0),
    "total_token_throughput": ("total_tokens_per_s", 1.0),
    "request_throughput": ("requests_per_s", 1.0),
    "request_goodput": ("goodput_requests_per_s", 1.0),
    "request_goodput:": ("goodput_requests_per_s", 1.0),
    "max_output_tokens_per_s": ("peak_output_tokens_per_s", 1.0),
    "max_concurrent_requests": ("peak_requests", 1.0),
    "spec_decode_acceptance_rate": ("acceptance_rate", 0.01),
    "spec_decode_acceptance_length": ("acceptance_length_tokens", 1.0),
    "spec_decode_num_drafts": ("drafts", 1.0),
    "spec_decode_draft_tokens": ("draft_tokens", 1.0),
    "spec_decode_accepted_tokens": ("accepted_tokens", 1.0),
}
# vLLM's family, all in ms -> our family with unit and factor.
_LATENCIES = {
    "ttft": ("ttft_{}_ms", 1.0),
    "tpot": ("tpot_{}_ms", 1.0),
    "itl": ("itl_{}_ms", 1.0),
    "e2el": ("latency_{}_s", 0.001),
    "client_queue_time": ("queue_{}_ms", 1.0),
    "e2el_including_client_queue": ("latency_with_queue_{}_s", 0.001),
}
_LISTS = ("input_lens", "output_lens", "ttfts", "itls", "errors")

# Rows of the printed block -> keys of the file; compared case-insensitively.
_ROWS = {
    "successful requests": "completed",
    "failed requests": "failed",
    "maximum request concurrency": "max_concurrency",
    "request rate configured (rps)": "request_rate",
    "benchmark duration (s)": "duration",
    "total input tokens": "total_input_tokens",
    "total generated tokens": "total_output_tokens",
    "request throughput (req/s)": "request_throughput",
    "request goodput (req/s)": "request_goodput",
    "output token throughput (tok/s)": "output_throughput",
    "peak output token throughput (tok/s)": "max_output_tokens_per_s",
    "peak concurrent requests": "max_concurrent_requests",
    "total token throughput (tok/s)": "total_token_throughput",
    "acceptance rate (%)": "spec_decode_acceptance_rate",
    "acceptance length": "spec_decode_acceptance_length",
    "drafts": "spec_decode_num_drafts",
    "draft tokens": "spec_decode_draft_tokens",
    "accepted tokens": "spec_decode_accepted_tokens",
}
_ROW_FAMILIES = {
    "ttft": "ttft",
    "tpot": "tpot",
    "itl": "itl",
    "e2el": "e2el",
    "client queue time": "client_queue_time",
    "e2el incl. client queue": "e2el_including_client_queue",
}
_TITLE = re.compile(r"=+ serving benchmark result =+", re.I)
_END = re.compile(r"={50,}")
_ROW = re.compile(r"(?P<name>\S.*?): +(?P<value>-?\d[\d.]*|inf|nan|None)")
_STATISTIC = re.compile(r"(?P<which>mean|median|p[\d.]+) (?P<family>.+) \(ms\)")
_PROMPTS = re.compile(r"\bnum_prompts=(\d+)\b")
_LIMIT = re.compile(r"Maximum request concurrency: (\d+|None)")


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """Request. ``error`` is "" for a success. ``latency_s`` is end to end; None if not in the file,
    as in 0.7.2. TTFT plus the gaps is less (4 % in our capture), because the stream ends after the
    last token.
    """

    input_tokens: int
    output_tokens: int
    ttft_s: float
    itls_s: tuple[float, ...]
    latency_s: float | None
    error: str
    text: str


@dataclass(frozen=True, slots=True)
class Served:
    """Run. ``metrics`` has names of ``jobs.metrics.METRICS``, without speed when no request
    succeeded.

    ``concurrency`` is None for unlimited concurrency, ``request_rate`` (per second) is None when
    all requests were sent at once. ``requests`` is filled only on request and if the tool wrote
    them.
    """

    completed: int
    failed: int
    concurrency: int | None
    request_rate: float | None
    metrics: Mapping[str, float]
    acceptance_by_position: tuple[float, ...] = ()
    requests: tuple[ServedRequest, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Return ``partial`` when some requests failed, ``none`` when all failed: no result."""
        if not self.completed:
            return "none"
        return "partial" if self.failed else "whole"


def parse(path: str, content: bytes, *, requests: bool = False) -> Served:
    """Return the run in a result file; with ``requests``, also its single requests.

    Raises:
        ParseError: cut off, empty, or in another format.
    """
    data = json_object(path, content)
    if "completed" not in data or "num_prompts" not in data:
        raise ParseError(f"{path} is not {WHAT}: it has no 'completed' and 'num_prompts'")
    completed = count(path, data, "completed")
    failed = (
        count(path, data, "failed")
        if "failed" in data
        else count(path, data, "num_prompts") - completed
    )
    return _served(path, data, completed, failed, _requests(path, data) if requests else ())


def times(run: Served) -> list[RequestTimes]:
    """Return the times of the completed requests, empty where the tool did not write them.

    TPOT as the tool defines it: time after the first token divided by the tokens after it.
    """
    return [
        RequestTimes(MS_PER_S * one.ttft_s, _tpot_ms(one), one.latency_s)
        for one in run.requests
        if not one.error
    ]


def _tpot_ms(request: ServedRequest) -> float | None:
    if request.latency_s is None or request.output_tokens < 2:
        return None
    return MS_PER_S * (request.latency_s - request.ttft_s) / (request.output_tokens - 1)


def parse_log(path: str, content: bytes, *, sent: int | None = None) -> tuple[Served, ...]:
    """Return the runs in a log, oldest first: one per printed block.

    0.7.2 prints succeeded but not failed requests: the total is ``sent``, or comes from the
    arguments printed first.

    Raises:
        ParseError: no block, or a block is cut off or lacks a mandatory row.
    """
    runs: list[Served] = []
    rows: dict[str, Any] | None = None
    prompts, limit = sent, None
    for line in lines_of(content):
        if _TITLE.fullmatch(line.text.strip()):
            rows = {"max_concurrency": limit}
        elif rows is not None and _END.fullmatch(line.text.strip()):
            runs.append(_printed(f"{path}, line {line.number}", rows, prompts))
            rows = None
        elif rows is not None:
            rows |= _row(line.text)
        elif line.text.startswith("Namespace("):
            match = _PROMPTS.search(line.text)
            prompts = sent if sent is not None or not match else int(match[1])
        elif match := _LIMIT.match(line.text):
            limit = None if match[1] == "None" else int(match[1])
    if rows is not None:
        raise ParseError(f"{path}: the block 'Serving Benchmark Result' is cut off")
    if not runs:
        raise ParseError(f"{path} shows no block 'Serving Benchmark Result'")
    return tuple(runs)


def _row(text: str) -> dict[str, Any]:
    """Return key and value of a row of the block; nothing for headings and other rows."""
    matched = _ROW.fullmatch(text.strip())
    if matched is None or matched["value"] == "None":
        return {}
    name, value = matched["name"].lower(), float(matched["value"])
    if name in _ROWS:
        return {_ROWS[name]: value}
    if name.startswith("position "):
        return {f"position {name.split()[1]}": value / 100}
    statistic = _STATISTIC.fullmatch(name)
    family = _ROW_FAMILIES.get(statistic["family"]) if statistic else None
    return {f"{statistic['which']}_{family}_ms": value} if statistic and family else {}


def _printed(where: str, rows: dict[str, Any], sent: int | None) -> Served:
    completed = count(where, rows, "completed")
    if "failed" in rows:
        failed = count(where, rows, "failed")
    elif sent is not None:
        failed = sent - completed
    else:
        raise ParseError(f"{where}: the number of sent requests is missing")
    positions = [value for key, value in rows.items() if key.startswith("position ")]
    rows["spec_decode_per_position_acceptance_rates"] = positions
    return _served(where, rows, completed, failed, ())


def _served(
    where: str,
    data: Mapping[str, Any],
    completed: int,
    failed: int,
    requests: tuple[ServedRequest, ...],
) -> Served:
    if failed < 0:
        raise ParseError(f"{where}: {completed} succeeded requests exceed the sent requests")
    limit = number_or_none(data, "max_concurrency")
    metrics = {
        "requests": float(completed),
        "failed_requests": float(failed),
        "duration_s": number(where, data, "duration"),
    }
    if limit is not None:
        metrics["concurrency"] = limit
    if completed:
        tokens = {
            "input_tokens": number(where, data, "total_input_tokens"),
            "output_tokens": number(where, data, "total_output_tokens"),
        }
        metrics |= tokens
        metrics |= {f"{name}_mean": value / completed for name, value in tokens.items()}
        number(where, data, "output_throughput")  # mandatory: a file without it is truncated
        metrics |= _rates(data) | _latencies(data)
    return Served(
        completed,
        failed,
        None if limit is None else int(limit),
        number_or_none(data, "request_rate"),
        metrics,
        tuple(data.get("spec_decode_per_position_acceptance_rates") or ()),
        requests,
    )


def _rates(data: Mapping[str, Any]) -> dict[str, float]:
    metrics = {}
    for theirs, (ours, factor) in _RATES.items():
        value = number_or_none(data, theirs)
        if value is not None:
            metrics[ours] = value * factor
    return metrics


def _latencies(data: Mapping[str, Any]) -> dict[str, float]:
    """Return the statistics with a metric. A family with mean 0 has no samples (TPOT of one-token
    answers) and is left out.
    """
    metrics = {}
    for family, (ours, factor) in _LATENCIES.items():
        if family != "client_queue_time" and not number_or_none(data, f"mean_{family}_ms"):
            continue
        for key in data:
            which, _, rest = key.partition("_")
            metric = ours.format("p50" if which == "median" else which)
            value = number_or_none(data, key)
            if rest == f"{family}_ms" and value is not None and metric in METRICS:
                metrics[metric] = value * factor
    return metrics


def _requests(path: str, data: Mapping[str, Any]) -> tuple[ServedRequest, ...]:
    if not any(name in data for name in _LISTS):
        return ()  # since 0.17 only written with --save-detailed
    columns: list[Any] = [data.get(name) for name in _LISTS]
    sizes = {len(column) if isinstance(column, list) else -1 for column in columns}
    if len(sizes) != 1 or -1 in sizes:
        raise ParseError(f"{path}: {', '.join(_LISTS)} are not lists of the same length")
    size = sizes.pop()
    latencies = data.get("latencies") or [None] * size
    texts = data.get("generated_texts") or [""] * size
    try:
        rows = zip(*columns, latencies, texts, strict=True)
        return tuple(_request(*row) for row in rows)
    except (TypeError, ValueError) as error:
        raise ParseError(f"{path}: the lists of requests are incomplete: {error!r}") from error


def _request(
    input_len: Any, output_len: Any, ttft: Any, itl: Any, error: Any, latency: Any, text: Any
) -> ServedRequest:
    return ServedRequest(
        input_tokens=int(input_len),
        output_tokens=int(output_len),
        ttft_s=float(ttft),
        itls_s=tuple(float(gap) for gap in itl),
        latency_s=None if latency is None else float(latency),
        error=str(error),
        text=str(text),
    )
