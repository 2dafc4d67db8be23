"""vLLM's offline latency: ``benchmark_latency.py`` of 0.7.2 and ``vllm bench latency`` since.

An iteration is one whole batch, from prompts to last token: for batch size 1, the latency of a
request without a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.base.patterns import pattern
from jobs.tools.outputs.figures import Figure, take
from jobs.tools.outputs.files import json_object, number
from jobs.tools.outputs.lines import lines_of

# A job's log mixes both streams: a figure may follow a progress bar without a line end,
# "…90%|█████| 9/10 [00:07<00:00, 1.28it/s]Avg latency: 0.783 seconds".
_MEAN = pattern(r"Avg latency: (?P<seconds>[\d.e+-]+) seconds")
_PERCENTILE = pattern(r"(?P<which>\d+)% percentile latency: (?P<seconds>[\d.e+-]+) seconds")
# Values that both versions print and write, in order.
_PERCENTILES = ("10", "25", "50", "75", "90", "99")


@dataclass(frozen=True, slots=True)
class Latency:
    """Run. ``metrics`` has names of ``jobs.metrics.METRICS``; ``latencies_s`` has each iteration,
    only from the file. ``left_out``: figures that cannot be true.
    """

    metrics: Mapping[str, float]
    latencies_s: tuple[float, ...] = ()
    left_out: tuple[Message, ...] = ()


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
    seconds = [number(path, {"latencies": each}, "latencies") for each in latencies]
    if not seconds or min(seconds) < 0:
        raise ParseError(f"{path}: its {len(latencies)} 'latencies' are no result")
    for which in _PERCENTILES:
        if percentiles.get(which) is None:  # a file without it is cut off
            number(path, percentiles, which)
    figures = {
        **_figures(
            Figure("avg_latency", mean),
            {which: f"percentiles.{which}" for which in _PERCENTILES},
            percentiles,
        ),
        "batch_latency_min_s": Figure("latencies", min(seconds)),
        "batch_latency_max_s": Figure("latencies", max(seconds)),
    }
    metrics, left_out = take(path, figures)
    return Latency(metrics | {"iterations": float(len(seconds))}, tuple(seconds), left_out)


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
        raise ParseError(f"{path} is cut off: no {', '.join(missing)}% percentile latency")
    names = {which: f"{which}% percentile latency" for which in _PERCENTILES}
    figures = _figures(Figure("Avg latency", mean), names, by_percentile)
    metrics, left_out = take(path, figures)
    return Latency(metrics, (), left_out)


def _figures(
    mean: Figure, names: Mapping[str, str], percentiles: Mapping[str, Any]
) -> dict[str, Figure]:
    return {
        "batch_latency_mean_s": mean,
        **{
            f"batch_latency_p{which}_s": Figure(name, percentiles.get(which))
            for which, name in names.items()
        },
    }


def _number(path: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ParseError(f"{path}: {text!r} is no number of seconds") from error
