"""vLLM's offline throughput: ``benchmark_throughput.py`` of 0.7.2, ``vllm bench throughput`` since.

The file (``--output-json``) has only total tokens; the printed line also has output tokens. Rates
are over the whole run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.base.patterns import pattern
from jobs.tools.outputs.figures import RATES_APART, Figure, take
from jobs.tools.outputs.files import count, json_object, number
from jobs.tools.outputs.lines import lines_of

# A job's log mixes both streams: the line may follow a progress bar without a line end.
_LINE = pattern(
    r"Throughput: (?P<requests>\d+\.\d+) requests/s, (?P<total>\d+\.\d+) total tokens/s"
    r"(?:, (?P<output>\d+\.\d+) output tokens/s)?"
)
_TOTAL = pattern(r"Total num (?P<which>prompt|output) tokens: +(?P<tokens>\d+)")


@dataclass(frozen=True, slots=True)
class Throughput:
    """Run. ``metrics`` has names of ``jobs.metrics.METRICS``; ``left_out``: figures that cannot be
    true.
    """

    metrics: Mapping[str, float]
    left_out: tuple[Message, ...] = ()


def parse(path: str, content: bytes, *, output_tokens_each: int | None = None) -> Throughput:
    """Return the run in a result file. ``output_tokens_each``: generated tokens of every request
    (the benchmark ignores end tokens); gives the output rate.

    Raises:
        ParseError: cut off, empty, in another format, or without requests.
    """
    data = json_object(path, content)
    requests, seconds = count(path, data, "num_requests"), number(path, data, "elapsed_time")
    tokens = count(path, data, "total_num_tokens")
    if not requests or not seconds > 0:
        raise ParseError(
            f"{path}: 'num_requests' {requests} in 'elapsed_time' {seconds} s are no result"
        )
    number(path, data, "tokens_per_second")  # mandatory
    figures = {
        "requests": Figure("num_requests", requests),
        "duration_s": Figure("elapsed_time", seconds),
        "requests_per_s": Figure("requests_per_second", data.get("requests_per_second")),
        "total_tokens_per_s": Figure("tokens_per_second", data["tokens_per_second"]),
        "total_tokens": Figure("total_num_tokens", tokens),
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
    return Throughput(metrics, left_out)


def parse_log(path: str, content: bytes) -> Throughput:
    """Return the last run in a log. 0.7.2 prints no totals.

    Raises:
        ParseError: "Throughput: …" is missing.
    """
    metrics: dict[str, float] = {}
    for line in lines_of(content):
        if match := _LINE.search(line.text):
            metrics = {
                "requests_per_s": float(match["requests"]),
                "total_tokens_per_s": float(match["total"]),
            }
            if match["output"]:
                metrics["output_tokens_per_s"] = float(match["output"])
        elif metrics and (match := _TOTAL.search(line.text)):
            which = {"prompt": "input_tokens", "output": "output_tokens"}[match["which"]]
            metrics[which] = float(match["tokens"])
    if not metrics:
        raise ParseError(f"{path} shows no line 'Throughput: … requests/s, … total tokens/s'")
    if not metrics["total_tokens_per_s"]:
        raise ParseError(f"{path}: a throughput of 0 tokens/s is no result")
    named = ("input_tokens", "output_tokens", "output_tokens_per_s")
    prompts, output, rate = (metrics.get(name) or 0.0 for name in named)
    total = metrics["total_tokens_per_s"]
    if rate and output and abs(total - rate * (prompts + output) / output) > RATES_APART * total:
        raise ParseError(
            f"{path}: {total} total tokens/s and {rate} output tokens/s do not fit the tokens"
        )
    return Throughput(metrics)
