"""vLLM's serving benchmark: ``benchmark_serving.py`` of 0.7.2 and ``vllm bench serve`` since.

Result file (JSON), and the printed block in case the file is missing: without the result folder,
0.7.2 fails after printing the block. Names in both are nearly equal; 0.7.2 writes the key
``request_goodput:`` with the colon, no ``failed``, and "Total Token throughput" capitalised
differently.

The exit code is 0 even if every request failed: use :attr:`Served.outcome`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.base.numbers import MS_PER_S
from jobs.base.patterns import pattern
from jobs.metrics import METRICS
from jobs.metrics.measured import MOST_REQUESTS, RequestTimes
from jobs.tools.outputs.figures import Figure, take
from jobs.tools.outputs.files import count, json_object, number
from jobs.tools.outputs.lines import lines_of

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
_TITLE = pattern(r"=+ serving benchmark result =+", ignore_case=True)
_END = pattern(r"={50,}")
_ROW = pattern(r"(?P<name>[^\s:][^:]*): +(?P<value>\S+)")
_STATISTIC = pattern(r"(?P<which>mean|median|p[\d.]+) (?P<family>.+) \(ms\)")
_AT_ONCE = (None, "inf", math.inf)  # request rates without a limit
_LONGEST_REASON = 200
_CAUSES = 3
_ROUNDED = 0.005  # printed with two decimals
_PROMPTS = pattern(r"\bnum_prompts=(\d+)\b")
_LIMIT = pattern(r"Maximum request concurrency: (\d+|None)")


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
    them; of more than are stored, it has a part. ``errors`` are those of all requests.
    ``left_out``: figures that cannot be true.
    """

    completed: int
    failed: int
    concurrency: int | None
    request_rate: float | None
    metrics: Mapping[str, float]
    requests: tuple[ServedRequest, ...] = ()
    errors: tuple[str, ...] = ()
    left_out: tuple[Message, ...] = ()

    @property
    def ends_at_last_token(self) -> bool:
        """True where the file has no end of its requests: their latency ends at the last token."""
        return any(one.latency_s is None for one in self.requests)

    @property
    def causes(self) -> tuple[tuple[str, int], ...]:
        """Return the causes of failed requests with their number, the most frequent first: the last
        line of each error, where the tool wrote single requests."""
        lines = (error.strip().rpartition("\n")[2] for error in self.errors)
        return tuple(Counter(line.strip()[:_LONGEST_REASON] for line in lines).most_common(_CAUSES))

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
    rows = _requests(path, data, failed) if requests else ()
    return _served(path, data, completed, failed, rows)


def parse_with_requests(path: str, content: bytes) -> Served:
    """Return the run with its single requests; without them where only their lists are damaged.

    Raises:
        ParseError: as :func:`parse`.
    """
    try:
        return parse(path, content, requests=True)
    except ParseError as error:
        damaged = Message("figures:no_requests", {"reason": str(error)[:_LONGEST_REASON]})
        run = parse(path, content)
        return replace(run, left_out=(*run.left_out, damaged))


def times(run: Served) -> list[RequestTimes]:
    """Return the times of the completed requests, empty where the tool did not write them.

    TPOT as the tool defines it: time after the first token divided by the tokens after it. Both
    TPOT and latency end at the last token where the file has no end of a request, as in 0.7.2:
    :attr:`Served.ends_at_last_token`.
    """
    return [
        RequestTimes(MS_PER_S * one.ttft_s, _tpot_ms(one), _latency_s(one))
        for one in run.requests
        if not one.error
    ]


def _latency_s(request: ServedRequest) -> float:
    return request.ttft_s + sum(request.itls_s) if request.latency_s is None else request.latency_s


def _tpot_ms(request: ServedRequest) -> float | None:
    after_first = _latency_s(request) - request.ttft_s
    if request.output_tokens < 2 or after_first < 0:
        return None
    return MS_PER_S * after_first / (request.output_tokens - 1)


def parse_log(path: str, content: bytes, *, sent: int | None = None) -> tuple[Served, ...]:
    """Return the runs in a log, oldest first: one per printed block.

    0.7.2 prints succeeded but not failed requests: the total is ``sent``, or comes from the
    arguments printed first.

    Raises:
        ParseError: no block, or a block is cut off or lacks a mandatory row.
    """
    runs: list[Served] = []
    rows: dict[str, Any] | None = None
    names: dict[str, str] = {}
    prompts, limit = sent, None
    for line in lines_of(content):
        if _TITLE.fullmatch(line.text.strip()):
            rows, names = {"max_concurrency": limit}, {}
        elif rows is not None and _END.fullmatch(line.text.strip()):
            runs.append(_printed(f"{path}, line {line.number}", rows, names, prompts))
            rows = None
        elif rows is not None:
            found = _row(line.text)
            rows |= found
            names |= dict.fromkeys(found, _row_name(line.text))
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
    name, value = matched["name"].lower(), _value(matched["value"])
    if name in _ROWS:
        return {_ROWS[name]: value}
    statistic = _STATISTIC.fullmatch(name)
    family = _ROW_FAMILIES.get(statistic["family"]) if statistic else None
    return {f"{statistic['which']}_{family}_ms": value} if statistic and family else {}


def _value(text: str) -> float | str:
    """Return a printed number; other text unchanged."""
    try:
        return float(text)
    except ValueError:
        return text


def _row_name(text: str) -> str:
    return text.partition(":")[0].strip()


def _printed(
    where: str, rows: dict[str, Any], names: Mapping[str, str], sent: int | None
) -> Served:
    completed = count(where, rows, "completed")
    if "failed" in rows:
        failed = count(where, rows, "failed")
    elif sent is not None:
        failed = sent - completed
    else:
        raise ParseError(f"{where}: the number of sent requests is missing")
    return _served(where, rows, completed, failed, (), names)


def _served(
    where: str,
    data: Mapping[str, Any],
    completed: int,
    failed: int,
    requests: tuple[ServedRequest, ...],
    printed: Mapping[str, str] | None = None,
) -> Served:
    """``printed``: names of printed rows, by the file's keys; None: a result file."""
    if failed < 0:
        raise ParseError(f"{where}: {completed} succeeded requests exceed the sent requests")
    limit = None if data.get("max_concurrency") is None else count(where, data, "max_concurrency")
    if limit == 0:
        raise ParseError(f"{where}: 'max_concurrency' is 0")
    needed, keys = ["duration"], dict(_ALWAYS)
    if completed:
        needed += ["total_input_tokens", "total_output_tokens", "output_throughput"]
        keys |= _TOKENS | _rates(data) | _latencies(data)
    for key in needed:
        if data.get(key) is None:  # a file without it is cut off
            number(where, data, key)
    names = printed or {}
    figures = {
        "requests": Figure("completed", completed),
        "failed_requests": Figure("failed", failed),
        **{
            metric: Figure(
                ", ".join(names.get(key, key) for key in one), _agreed(data, one), factor
            )
            for metric, (one, factor) in keys.items()
        },
    }
    metrics, left_out = take(where, figures, rounded=0.0 if printed is None else _ROUNDED)
    if completed:
        for name in ("input_tokens", "output_tokens"):
            if name in metrics:
                metrics[f"{name}_mean"] = metrics[name] / completed
    return Served(
        completed,
        failed,
        limit,
        _request_rate(where, data),
        metrics,
        requests,
        _errors(data),
        left_out,
    )


def _errors(data: Mapping[str, Any]) -> tuple[str, ...]:
    errors = data.get("errors")
    listed = errors if isinstance(errors, list) else ()
    return tuple(error for error in listed if error and isinstance(error, str))


def _request_rate(where: str, data: Mapping[str, Any]) -> float | None:
    return None if data.get("request_rate") in _AT_ONCE else number(where, data, "request_rate")


_Keys = dict[str, tuple[tuple[str, ...], float]]  # metric -> keys of the file, and factor
_ALWAYS: _Keys = {
    "duration_s": (("duration",), 1.0),
    "concurrency": (("max_concurrency",), 1.0),
}
_TOKENS: _Keys = {
    "input_tokens": (("total_input_tokens",), 1.0),
    "output_tokens": (("total_output_tokens",), 1.0),
}


def _agreed(data: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """Return the value under ``keys``; of two that differ a text with both, which is no number."""
    values = [data[key] for key in keys if data.get(key) is not None]
    is_one = all(value == values[0] for value in values)
    return (values or [None])[0] if is_one else " / ".join(str(value)[:20] for value in values)


def _rates(data: Mapping[str, Any]) -> _Keys:
    return {ours: ((key,), factor) for key, (ours, factor) in _RATES.items() if key in data}


def _latencies(data: Mapping[str, Any]) -> _Keys:
    """Return the statistics with a metric; the median has two keys. A family of zeros has no
    samples (TPOT of one-token answers) and is left out.
    """
    found: _Keys = {}
    for family, (ours, factor) in _LATENCIES.items():
        own = [key for key in data if key.partition("_")[2] == f"{family}_ms"]
        if family != "client_queue_time" and all(data[key] in (None, 0) for key in own):
            continue
        for key in own:
            which = key.partition("_")[0]
            metric = ours.format("p50" if which == "median" else which)
            if metric in METRICS:
                keys, _factor = found.get(metric, ((), factor))
                found[metric] = ((*keys, key), factor)
    return found


def _requests(path: str, data: Mapping[str, Any], failed: int) -> tuple[ServedRequest, ...]:
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
        return tuple(_request(*row) for row in islice(rows, MOST_REQUESTS + 1 + failed))
    except (TypeError, ValueError, OverflowError) as error:
        raise ParseError(f"{path}: the lists of requests are incomplete: {error!r}") from error


def _request(
    input_len: Any, output_len: Any, ttft: Any, itl: Any, error: Any, latency: Any, text: Any
) -> ServedRequest:
    return ServedRequest(
        input_tokens=int(_positive(input_len)),
        output_tokens=int(_positive(output_len)),
        ttft_s=_positive(ttft),
        itls_s=tuple(_positive(gap) for gap in itl),
        latency_s=None if latency is None else _positive(latency),
        error=str(error),
        text=str(text),
    )


def _positive(value: Any) -> float:
    """Return a finite number from 0.

    Raises:
        ValueError: anything else.
    """
    number = float(value)
    if not 0 <= number < math.inf:
        raise ValueError(value)
    return number
