"""Benchmarks with vLLM's own clients: their figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.kinds.benchmark.benchmark_online import load_of
from jobs.kinds.lib.vacc import stack_of
from jobs.metrics.measured import LOG, Measurement, Outcome, WarmUp
from jobs.tools.outputs import over_http_reading
from jobs.tools.outputs.ended import Ended
from jobs.tools.vllm import (
    latency_parser,
    serve_parser,
    throughput_parser,
)

Parsed = TypeVar("Parsed")

_TEST = b"Starting initial single prompt test run"


def online(ended: Ended) -> Outcome:
    """A point per concurrency; the headline is the one with the highest output rate. Requests
    are counted over all points.
    """
    files = {path: ended.outputs[path] for path in ended.outputs if path.startswith("result")}
    runs = [serve_parser.parse_with_requests(path, content) for path, content in files.items()]
    if not runs:
        runs = list(serve_parser.parse_log("log", ended.outputs.get(LOG, b"")))
    runs.sort(key=lambda run: run.concurrency or 0)
    done = [run for run in runs if run.completed]
    if done and not any(over_http_reading.RATE in run.metrics for run in done):
        raise ParseError("the result has no output rate")
    outcome = over_http_reading.outcome(
        runs,
        what=load_of(ended.params),
        tool=f"vLLM {stack_of(ended.params).vllm.version} bench serve",
        remarks=[
            *over_http_reading.failed_remarks(runs),
            *[why for run in runs for why in over_http_reading.cause_remarks(run.causes)],
            *over_http_reading.few_remark(ended.params.requests),
            *over_http_reading.last_token_remark(run.ends_at_last_token for run in runs),
        ],
        warm_ups=_warm_ups(runs, ended.outputs.get(LOG, b"")),
        requests={run.concurrency or 0: serve_parser.times(run) for run in runs},
        keeps_failed=False,
        may_have_no_tokens=True,
    )
    cause = next((cause for run in runs for cause, _failed in run.causes), "")
    if outcome.failure is None or not cause:
        return outcome
    args = {**outcome.failure.args, "cause": cause}
    return replace(outcome, failure=Message("benchmark:no_request_cause", args))


def _warm_ups(runs: Sequence[serve_parser.Served], log: bytes) -> dict[int, WarmUp]:
    """Return the test request before each run: its first prompt, sent once more."""
    if _TEST not in log:
        return {}
    warm_ups = {}
    for run in runs:
        tokens = run.metrics.get("output_tokens", 0.0) / max(1, run.completed)
        if run.requests and not run.requests[0].error:
            tokens = run.requests[0].output_tokens
        warm_ups[run.concurrency or 0] = WarmUp(1, tokens)
    return warm_ups


def throughput(ended: Ended) -> Outcome:
    """One point: all requests at once."""

    def parse(path: str, content: bytes) -> throughput_parser.Throughput:
        return throughput_parser.parse(path, content, output_tokens_each=ended.params.output_tokens)

    result = _file_or_log(ended.outputs, parse, throughput_parser.parse_log)
    if result is None:
        return Outcome(failure=Message("benchmark:no_figures"))
    message = _message(result.metrics)
    return _offline(ended, result.metrics, message, at_once=ended.params.requests)


def _message(metrics: Mapping[str, float]) -> Message:
    """Return the output rate; some logs have only the rate of all tokens."""
    if "output_tokens_per_s" in metrics:
        rate = metrics["output_tokens_per_s"]
        return Message("benchmark:offline", {"output_tokens_per_s": rate})
    rate = metrics["total_tokens_per_s"]
    return Message("benchmark:offline_total", {"total_tokens_per_s": rate})


def latency(ended: Ended) -> Outcome:
    """One point: the batch."""
    result = _file_or_log(ended.outputs, latency_parser.parse, latency_parser.parse_log)
    if result is None:
        return Outcome(failure=Message("benchmark:no_figures"))
    seconds = result.metrics["batch_latency_mean_s"]
    message = Message("benchmark:batch", {"seconds": seconds})
    return _offline(ended, result.metrics, message, at_once=ended.params.batch_size)


def _offline(
    ended: Ended, metrics: Mapping[str, float], message: Message, *, at_once: int
) -> Outcome:
    """Return the outcome with one point. ``at_once``: requests that run together."""
    return Outcome(
        message=message,
        measured=Measurement(
            type="benchmark",
            what=ended.kind.load_of(ended.params),
            tool=f"vLLM {stack_of(ended.params).vllm.version} {ended.kind.command}",
            metrics=metrics,
            points=[(at_once, metrics)],
            remarks=[Message("benchmark:no_server")],
        ),
    )


def _file_or_log(
    outputs: Mapping[str, bytes],
    parse: Callable[[str, bytes], Parsed],
    parse_log: Callable[[str, bytes], Parsed],
) -> Parsed | None:
    """Return the run in result.json, or from the log if the command wrote no file.

    None: no run in the log, so the tool exited with 0 without work.

    Raises:
        ParseError: the file is not what the tool writes.
    """
    if "result.json" in outputs:
        return parse("result.json", outputs["result.json"])
    try:
        return parse_log("log", outputs.get(LOG, b""))
    except ParseError:
        return None
