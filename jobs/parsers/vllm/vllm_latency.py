"""vLLM's offline latency: ``benchmark_latency.py`` of 0.7.2 and ``vllm bench latency`` since.

An iteration is one whole batch, from prompts to last token: for batch size 1, the latency of a
request without a server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from jobs.errors import ParseError
from jobs.metrics import METRICS
from jobs.parsers.files import json_object, number
from jobs.parsers.lines import lines_of

# A job's log mixes both streams: a figure may follow a progress bar without a line end,
# "…90%|█████| 9/10 [00:07<00:00, 1.28it/s]Avg latency: 0.783 seconds".
_MEAN = re.compile(r"Avg latency: (?P<seconds>[\d.e+-]+) seconds")
_PERCENTILE = re.compile(r"(?P<which>\d+)% percentile latency: (?P<seconds>[\d.e+-]+) seconds")
# Values that both versions print and write, in order.
_PERCENTILES = ("10", "25", "50", "75", "90", "99")


@dataclass(frozen=True, slots=True)
class Latency:
    """Run. ``metrics`` has names of ``jobs.metrics.METRICS``; ``latencies_s`` has each iteration,
    only from the file.
    """

    metrics: Mapping[str, float]
    latencies_s: tuple[float, ...] = ()


def parse(path: str, content: bytes) -> Latency:
    """Return the run in a result file.

    Raises:
        ParseError: cut off, empty, in another format, or without iterations.
    """
    data = json_object(path, content)
    mean, percentiles = number(path, data, "avg_latency"), data.get("percentiles")
    latencies = data.get("latencies")
    if not isinstance(percentiles, dict) or not isinstance(latencies, list):
        raise ParseError(f"{path} has no 'latencies' and 'percentiles' of vLLM's latency benchmark")
    seconds = [float(each) for each in latencies if isinstance(each, int | float)]
    if not seconds or len(seconds) != len(latencies):
        raise ParseError(f"{path}: its {len(latencies)} latencies are no result")
    by_percentile = {which: number(path, percentiles, which) for which in _PERCENTILES}
    metrics = _metrics(mean, by_percentile) | {"iterations": float(len(seconds))}
    return Latency(metrics, tuple(seconds))


def parse_log(path: str, content: bytes) -> Latency:
    """Return the last run in a log.

    Raises:
        ParseError: "Avg latency: …" or a percentile is missing.
    """
    mean: float | None = None
    by_percentile: dict[str, float] = {}
    for line in lines_of(content):
        if match := _MEAN.search(line.text):
            mean, by_percentile = _number(path, match["seconds"]), {}
        elif match := _PERCENTILE.search(line.text):
            by_percentile[match["which"]] = _number(path, match["seconds"])
    if mean is None:
        raise ParseError(f"{path} shows no line 'Avg latency: … seconds'")
    missing = [which for which in _PERCENTILES if which not in by_percentile]
    if missing:
        raise ParseError(f"{path} is cut off: no {', '.join(missing)} % percentile latency")
    return Latency(_metrics(mean, by_percentile))


def _metrics(mean: float, percentiles: Mapping[str, float]) -> dict[str, float]:
    named = {f"batch_latency_p{which}_s": seconds for which, seconds in percentiles.items()}
    return {
        "batch_latency_mean_s": mean,
        **{name: seconds for name, seconds in named.items() if name in METRICS},
    }


def _number(path: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ParseError(f"{path}: {text!r} is no number of seconds") from error
