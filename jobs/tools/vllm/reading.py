"""Benchmarks with vLLM's own clients: their files and logs, figures of jobs.

Serving, by the script of 0.7.2 and by ``vllm bench`` since: result file (JSON), and the printed
block in case the file is missing: without the result folder, 0.7.2 fails after printing the block.
Names in both are nearly equal; 0.7.2 writes the key ``request_goodput:`` with the colon, no
``failed``, and "Total Token throughput" capitalised differently. The exit code is 0 even if every
request failed.

Offline latency: an iteration is one whole batch, from prompts to last token: for batch size 1, the
latency of a request without a server. Offline throughput: the file (``--output-json``) has only
total tokens; the printed line also has output tokens. Rates are over the whole run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.base.numbers import MS_PER_S
from jobs.base.patterns import pattern
from jobs.kinds.lib.vacc import stack_of
from jobs.metrics import METRICS
from jobs.metrics.measured import LOG, MOST_REQUESTS, Measurement, Outcome, RequestTimes, WarmUp
from jobs.tools.outputs import over_http_reading
from jobs.tools.outputs.figures import RATES_APART, FileFigure, MeasuredPoint, take
from jobs.tools.outputs.files import Ended, count, json_object, lines_of, number

# vLLM's name -> our name and factor. Missing values are left out.
_RATES = {
    "total_input_tokens": ("input_tokens", 1.0),
    "total_output_tokens": ("output_tokens", 1.0),
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
_Keys = dict[str, tuple[tuple[str, ...], float]]  # metric -> keys of the file, and factor
_ALWAYS: _Keys = {"duration_s": (("duration",), 1.0), "concurrency": (("max_concurrency",), 1.0)}
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
    **{family: family for family in ("ttft", "tpot", "itl", "e2el")},
    "client queue time": "client_queue_time",
    "e2el incl. client queue": "e2el_including_client_queue",
}
_TITLE = pattern(r"=+ serving benchmark result =+", ignore_case=True)
_END = pattern(r"={50,}")
_ROW = pattern(r"(?P<name>[^\s:][^:]*): +(?P<value>\S+)")
_STATISTIC = pattern(r"(?P<which>mean|median|p[\d.]+) (?P<family>.+) \(ms\)")
_PROMPTS = pattern(r"\bnum_prompts=(\d+)\b")
_LIMIT = pattern(r"Maximum request concurrency: (\d+|None)")
_LONGEST_REASON = 200
_CAUSES = 3
_ROUNDED = 0.005  # printed with two decimals

# A job's log mixes both streams: a figure may follow a progress bar without a line end,
# "…90%|█████| 9/10 [00:07<00:00, 1.28it/s]Avg latency: 0.783 seconds".
_MEAN = pattern(r"Avg latency: (?P<seconds>[\d.e+-]+) seconds")
_PERCENTILE = pattern(r"(?P<which>\d+)% percentile latency: (?P<seconds>[\d.e+-]+) seconds")
_PERCENTILES = ("10", "25", "50", "75", "90", "99")  # of both versions, in order
_THROUGHPUT = pattern(
    r"Throughput: (?P<requests_per_s>\d+\.\d+) requests/s, "
    r"(?P<total_tokens_per_s>\d+\.\d+) total tokens/s"
    r"(?:, (?P<output_tokens_per_s>\d+\.\d+) output tokens/s)?"
)
_TOTAL = pattern(r"Total num (?P<which>prompt|output) tokens: +(?P<tokens>\d+)")
TEST_RUN = b"Starting initial single prompt test run"
NO_TEST_RUN = b"Skipping endpoint ready check"  # follows the line of the run that is left out
# Metrics, and messages on figures that cannot be true.
Measured = tuple[dict[str, float], tuple[Message, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served(MeasuredPoint):
    """Run of the serving benchmark. ``request_rate`` (per second) is None when all requests were
    sent at once.

    ``causes`` of failed requests with their number, the most frequent first: the last line of each
    error. ``ends_at_last_token``: the file has no end of its requests, so their latency and TPOT
    end there, as in 0.7.2. ``first_tokens``: output tokens of the first request. The last three
    only where the tool wrote single requests.
    """

    request_rate: float | None
    causes: tuple[tuple[str, int], ...] = ()
    ends_at_last_token: bool = False
    first_tokens: int | None = None


def parse_served(path: str, content: bytes) -> Served:
    """A run without its single requests where their lists are damaged."""
    data = json_object(path, content)
    if "completed" not in data or "num_prompts" not in data:
        what = "a result of vLLM's serving benchmark: it has no 'completed' and 'num_prompts'"
        raise ParseError(f"{path} is not {what}")
    sent = None if "failed" in data else count(path, data, "num_prompts")
    run = _served(path, data, sent)
    try:
        rows = _requests(path, data, run.failed)
    except ParseError as error:
        damaged = Message("figures:no_requests", {"reason": str(error)[:_LONGEST_REASON]})
        return replace(run, left_out=(*run.left_out, damaged))
    return replace(
        run,
        requests=[row.times for row in rows if not row.error],
        ends_at_last_token=not all(row.has_end for row in rows),
        first_tokens=rows[0].tokens if rows and not rows[0].error else None,
    )


class _Request(NamedTuple):
    """``tokens``: of the output. ``has_end``: the file has the end of the request."""

    times: RequestTimes
    tokens: int
    has_end: bool
    error: str


def _requests(path: str, data: Mapping[str, Any], failed: int) -> list[_Request]:
    """Return each request; of more than are stored a part."""
    if not any(name in data for name in _LISTS):
        return []  # since 0.17 only written with --save-detailed
    columns: list[Any] = [data.get(name) for name in _LISTS]
    sizes = {len(column) if isinstance(column, list) else -1 for column in columns}
    if len(sizes) != 1 or -1 in sizes:
        raise ParseError(f"{path}: {', '.join(_LISTS)} are not lists of the same length")
    size = sizes.pop()
    latencies = data.get("latencies") or [None] * size
    texts = data.get("generated_texts") or [""] * size
    try:
        rows = zip(*columns, latencies, texts, strict=True)
        return [_request(*row) for row in islice(rows, MOST_REQUESTS + 1 + failed)]
    except (TypeError, ValueError, OverflowError) as error:
        raise ParseError(f"{path}: the lists of requests are incomplete: {error!r}") from error


def _request(
    input_len: Any, output_len: Any, ttft: Any, itl: Any, error: Any, latency: Any, _text: Any
) -> _Request:
    """TPOT as the tool defines it: time after the first token divided by the tokens after it."""
    _positive(input_len)
    first_s, tokens = _positive(ttft), int(_positive(output_len))
    # TTFT plus the gaps is less (4 % in our capture), because the stream ends after the last token.
    to_last_s = first_s + sum(map(_positive, itl))
    whole_s = to_last_s if latency is None else _positive(latency)
    has_more = tokens > 1 and whole_s >= first_s
    tpot = MS_PER_S * (whole_s - first_s) / (tokens - 1) if has_more else None
    times = RequestTimes(MS_PER_S * first_s, tpot, whole_s)
    return _Request(times, tokens, has_end=latency is not None, error=str(error))


def _positive(value: Any) -> float:
    number = float(value)
    if not 0 <= number < math.inf:
        raise ValueError(value)
    return number


def parse_served_log(path: str, content: bytes) -> tuple[Served, ...]:
    """Return the runs in a log, oldest first: one per printed block. 0.7.2 prints succeeded but not
    failed requests: the total comes from the arguments printed first."""
    runs: list[Served] = []
    rows: dict[str, Any] | None = None
    names: dict[str, str] = {}
    sent, limit = None, None
    for line in lines_of(content):
        text = line.text.strip()
        if _TITLE.fullmatch(text):
            rows, names = {"max_concurrency": limit}, {}
        elif rows is not None and _END.fullmatch(text):
            runs.append(_served(f"{path}, line {line.number}", rows, sent, names))
            rows = None
        elif rows is not None:
            found = _row(text)
            rows |= found
            names |= dict.fromkeys(found, text.partition(":")[0].strip())
        elif line.text.startswith("Namespace("):
            match = _PROMPTS.search(line.text)
            sent = int(match[1]) if match else None
        elif match := _LIMIT.match(line.text):
            limit = None if match[1] == "None" else int(match[1])
    if rows is not None:
        raise ParseError(f"{path}: the block 'Serving Benchmark Result' is cut off")
    if not runs:
        raise ParseError(f"{path} shows no block 'Serving Benchmark Result'")
    return tuple(runs)


def _row(text: str) -> dict[str, Any]:
    """Return key and value of a row of the block; nothing for headings and other rows."""
    matched = _ROW.fullmatch(text)
    if matched is None or matched["value"] == "None":
        return {}
    name, value = matched["name"].lower(), matched["value"]
    statistic = _STATISTIC.fullmatch(name)
    family = _ROW_FAMILIES.get(statistic["family"]) if statistic else None
    key = f"{statistic['which']}_{family}_ms" if statistic and family else _ROWS.get(name, "")
    try:
        return {key: float(value)} if key else {}
    except ValueError:
        return {key: value}


def _served(
    where: str, data: Mapping[str, Any], sent: int | None, printed: Mapping[str, str] | None = None
) -> Served:
    """``sent``: requests, for data without the failed ones. ``printed``: names of printed rows, by
    the file's keys; None: a result file."""
    completed = count(where, data, "completed")
    if "failed" in data:
        failed = count(where, data, "failed")
    elif sent is None:
        raise ParseError(f"{where}: the number of sent requests is missing")
    else:
        failed = sent - completed
    if failed < 0:
        raise ParseError(f"{where}: {completed} succeeded requests exceed the sent requests")
    limit = None if data.get("max_concurrency") is None else count(where, data, "max_concurrency")
    if limit == 0:
        raise ParseError(f"{where}: 'max_concurrency' is 0")
    needed, keys = ["duration"], dict(_ALWAYS)
    if completed:
        needed += ["total_input_tokens", "total_output_tokens", "output_throughput"]
        rates = {ours: ((key,), factor) for key, (ours, factor) in _RATES.items() if key in data}
        keys |= rates | _latencies(data)
    for key in needed:
        if data.get(key) is None:  # a file without it is cut off
            number(where, data, key)
    names = printed or {}
    figures = {
        "requests": FileFigure("completed", completed),
        "failed_requests": FileFigure("failed", failed),
    }
    for metric, (one, factor) in keys.items():
        named = ", ".join(names.get(key, key) for key in one)
        figures[metric] = FileFigure(named, _agreed(data, one), factor)
    metrics, left_out = take(where, figures, rounded=0.0 if printed is None else _ROUNDED)
    if completed:
        for name in ("input_tokens", "output_tokens"):
            if name in metrics:
                metrics[f"{name}_mean"] = metrics[name] / completed
    rate, errors = data.get("request_rate"), data.get("errors")
    listed = errors if isinstance(errors, list) else ()
    lines = (one.strip().rpartition("\n")[2] for one in listed if one and isinstance(one, str))
    causes = Counter(line.strip()[:_LONGEST_REASON] for line in lines)
    is_limited = rate not in (None, "inf", math.inf)
    return Served(
        completed=completed,
        failed=failed,
        concurrency=limit,
        request_rate=number(where, data, "request_rate") if is_limited else None,
        metrics=metrics,
        causes=tuple(causes.most_common(_CAUSES)),
        left_out=left_out,
    )


def _agreed(data: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """Return the value under ``keys``; of two that differ a text with both, which is no number."""
    values = [data[key] for key in keys if data.get(key) is not None]
    is_one = all(value == values[0] for value in values)
    return (values or [None])[0] if is_one else " / ".join(str(value)[:20] for value in values)


def _latencies(data: Mapping[str, Any]) -> _Keys:
    """Return the statistics with a metric; the median has two keys. A family of zeros has no
    samples (TPOT of one-token answers) and is left out."""
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


def parse_latency(path: str, content: bytes) -> Measured:
    data = json_object(path, content)
    mean, percentiles = number(path, data, "avg_latency"), data.get("percentiles")
    latencies = data.get("latencies")
    if not isinstance(percentiles, dict) or not isinstance(latencies, list):
        raise ParseError(f"{path} has no 'latencies' and 'percentiles' of vLLM's latency benchmark")
    seconds = [number(path, {"latencies": each}, "latencies") for each in latencies]
    if not seconds or min(seconds) < 0:
        raise ParseError(f"{path}: its {len(latencies)} 'latencies' are no result")
    for which in _PERCENTILES:
        if percentiles.get(which) is None:  # a file without it is cut off
            number(path, percentiles, which)
    figures = {
        **_batches("avg_latency", mean, "percentiles.{}", percentiles),
        "batch_latency_min_s": FileFigure("latencies", min(seconds)),
        "batch_latency_max_s": FileFigure("latencies", max(seconds)),
    }
    metrics, left_out = take(path, figures)
    return metrics | {"iterations": float(len(seconds))}, left_out


def parse_latency_log(path: str, content: bytes) -> Measured:
    mean = ""
    by_percentile: dict[str, str] = {}
    for line in lines_of(content):
        if match := _MEAN.search(line.text):
            mean, by_percentile = match["seconds"], {}
        elif match := _PERCENTILE.search(line.text):
            by_percentile[match["which"]] = match["seconds"]
    if not mean:
        raise ParseError(f"{path} shows no line 'Avg latency: … seconds'")
    missing = [which for which in _PERCENTILES if which not in by_percentile]
    if missing:
        raise ParseError(f"{path} is cut off: no {', '.join(missing)}% percentile latency")
    try:
        numbers = {which: float(text) for which, text in by_percentile.items()}
        figures = _batches("Avg latency", float(mean), "{}% percentile latency", numbers)
    except ValueError as error:
        raise ParseError(f"{path}: {error}") from error
    return take(path, figures)


def _batches(
    key: str, mean: float, name: str, percentiles: Mapping[str, Any]
) -> dict[str, FileFigure]:
    figures = {"batch_latency_mean_s": FileFigure(key, mean)}
    for which in _PERCENTILES:
        figures[f"batch_latency_p{which}_s"] = FileFigure(
            name.format(which), percentiles.get(which)
        )
    return figures


def parse_throughput(
    path: str, content: bytes, *, output_tokens_each: int | None = None
) -> Measured:
    """``output_tokens_each``: generated tokens of every request (the benchmark ignores end tokens);
    gives the output rate."""
    data = json_object(path, content)
    requests, seconds = count(path, data, "num_requests"), number(path, data, "elapsed_time")
    tokens = count(path, data, "total_num_tokens")
    if not requests or not seconds > 0:
        numbers = f"'num_requests' {requests} in 'elapsed_time' {seconds} s"
        raise ParseError(f"{path}: {numbers} are no result")
    number(path, data, "tokens_per_second")  # mandatory
    figures = {
        "requests": FileFigure("num_requests", requests),
        "duration_s": FileFigure("elapsed_time", seconds),
        "requests_per_s": FileFigure("requests_per_second", data.get("requests_per_second")),
        "total_tokens_per_s": FileFigure("tokens_per_second", data["tokens_per_second"]),
        "total_tokens": FileFigure("total_num_tokens", tokens),
    }
    metrics, left_out = take(path, figures)
    if output_tokens_each is not None:
        output = float(requests * output_tokens_each)
        if output > tokens:
            raise ParseError(
                f"{path}: {requests} requests with {output_tokens_each} output tokens each are "
                f"more than the {tokens} tokens in it"
            )
        metrics |= {
            "output_tokens": output,
            "input_tokens": tokens - output,
            "output_tokens_per_s": output / seconds,
        }
    return metrics, left_out


def parse_throughput_log(path: str, content: bytes) -> Measured:
    """Return the last run in a log. 0.7.2 prints no totals."""
    metrics: dict[str, float] = {}
    for line in lines_of(content):
        if match := _THROUGHPUT.search(line.text):
            found = match.groupdict()
            metrics = {name: float(value) for name, value in found.items() if value}
        elif metrics and (match := _TOTAL.search(line.text)):
            which = {"prompt": "input_tokens", "output": "output_tokens"}[match["which"]]
            metrics[which] = float(match["tokens"])
    if not metrics:
        raise ParseError(f"{path} shows no line 'Throughput: … requests/s, … total tokens/s'")
    total = metrics["total_tokens_per_s"]
    if not total:
        raise ParseError(f"{path}: a throughput of 0 tokens/s is no result")
    named = ("input_tokens", "output_tokens", "output_tokens_per_s")
    prompts, output, rate = (metrics.get(name) or 0.0 for name in named)
    if rate and output and abs(total - rate * (prompts + output) / output) > RATES_APART * total:
        raise ParseError(
            f"{path}: {total} total tokens/s and {rate} output tokens/s do not fit the tokens"
        )
    return metrics, ()


def online(ended: Ended) -> Outcome:
    files = {path: ended.outputs[path] for path in ended.outputs if path.startswith("result")}
    runs = [parse_served(path, content) for path, content in files.items()]
    log = ended.outputs.get(LOG, b"")
    if not runs:
        runs = list(parse_served_log("log", log))
    runs.sort(key=lambda run: run.concurrency or 0)
    done = [run for run in runs if run.completed]
    if done and not any(over_http_reading.RATE in run.metrics for run in done):
        raise ParseError("the result has no output rate")
    is_tested = TEST_RUN in log and NO_TEST_RUN not in log
    outcome = over_http_reading.outcome(
        runs,
        what=ended.kind.load_of(ended.params),
        tool=f"vLLM {stack_of(ended.params).vllm.version} bench serve",
        remarks=[
            *over_http_reading.failed_remarks(runs),
            *[why for run in runs for why in over_http_reading.cause_remarks(run.causes)],
            *over_http_reading.few_remark(ended.params.requests),
            *over_http_reading.last_token_remark(run.ends_at_last_token for run in runs),
        ],
        warm_ups={run.concurrency or 0: _warm_up(run) for run in runs} if is_tested else {},
        keeps_failed=False,
        may_have_no_tokens=True,
    )
    cause = next((cause for run in runs for cause, _failed in run.causes), "")
    if outcome.failure is None or not cause:
        return outcome
    args = {**outcome.failure.args, "cause": cause}
    return replace(outcome, failure=Message("benchmark:no_request_cause", args))


def _warm_up(run: Served) -> WarmUp:
    """Return the test request before a run: its first prompt, sent once more."""
    mean = run.metrics.get("output_tokens", 0.0) / max(1, run.completed)
    return WarmUp(1, mean if run.first_tokens is None else run.first_tokens)


def throughput(ended: Ended) -> Outcome:
    parse = partial(parse_throughput, output_tokens_each=ended.params.output_tokens)
    metrics = _file_or_log(ended.outputs, parse, parse_throughput_log)
    # Some logs have only the rate of all tokens.
    is_counted = "output_tokens_per_s" in metrics
    name = "output_tokens_per_s" if is_counted else "total_tokens_per_s"
    message = "benchmark:offline" if is_counted else "benchmark:offline_total"
    return _offline(ended, metrics, message, {name: name}, ended.params.requests)


def latency(ended: Ended) -> Outcome:
    metrics = _file_or_log(ended.outputs, parse_latency, parse_latency_log)
    names = {"seconds": "batch_latency_mean_s"}
    return _offline(ended, metrics, "benchmark:batch", names, ended.params.batch_size)


def _offline(
    ended: Ended, metrics: Mapping[str, float], message: str, names: Mapping[str, str], at_once: int
) -> Outcome:
    """``names``: argument of the message -> metric."""
    if not metrics:
        return Outcome(failure=Message("benchmark:no_figures"))
    tool = f"vLLM {stack_of(ended.params).vllm.version} {ended.kind.command}"
    measured = batch(ended.kind.load_of(ended.params), tool, metrics, at_once)
    args = {arg: metrics[name] for arg, name in names.items()}
    return Outcome(message=Message(message, args), measured=measured)


def batch(
    what: str,
    tool: str,
    metrics: Mapping[str, float],
    at_once: int,
    remarks: Sequence[Message] = (),
) -> Measurement:
    """``at_once``: requests that run together; 0: unknown, then there is no point."""
    return Measurement(
        type="benchmark",
        what=what,
        tool=tool,
        metrics=metrics,
        points=[(at_once, metrics)] if at_once else [],
        remarks=[*remarks, Message("benchmark:no_server")],
    )


def _file_or_log(
    outputs: Mapping[str, bytes],
    parse: Callable[[str, bytes], Measured],
    parse_log: Callable[[str, bytes], Measured],
) -> Mapping[str, float]:
    """Return the run of result.json, else of the log; {}: the tool exited with 0 without work."""
    if "result.json" in outputs:
        return parse("result.json", outputs["result.json"])[0]
    try:
        return parse_log("log", outputs.get(LOG, b""))[0]
    except ParseError:
        return {}
