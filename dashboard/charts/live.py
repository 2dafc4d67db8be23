"""Curves while a job runs: output and prompt rate, requests running and waiting, one time axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from django.utils.translation import gettext as _

from jobs.queries.points import Sample

# Seconds over which a counter becomes a rate: long enough that steps of one request do not show as
# spikes, short enough that a stall shows within two scrapes.
WINDOW_S = 2.0
MAX_POINTS = 2_500  # a trace; the page asks for everything again when it holds twice as many
NAMES = ("output", "prompt", "running", "waiting")
# The watches that this chart shows, by their names in plans.
ENGINE = "engine"
WATCHES = (ENGINE,)

# The day is on the page already: ticks carry the clock only, seconds while they tell apart.
CLOCK_TICKS = [
    {"dtickrange": [None, 59_999], "value": "%H:%M:%S"},
    {"dtickrange": [60_000, None], "value": "%H:%M"},
]
# {"t": milliseconds since the epoch, "y": values}, both of one length
Series: TypeAlias = dict[str, list[Any]]
Row: TypeAlias = tuple[float, float | None, float | None, float | None, float | None]

_PROMPT = ("vllm:prompt_tokens_total", "llamacpp:prompt_tokens_total")
_RUNNING = ("vllm:num_requests_running", "llamacpp:requests_processing")
_WAITING = ("vllm:num_requests_waiting", "llamacpp:requests_deferred")
_KV_CACHE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")
_OUTPUT = ("vllm:generation_tokens_total", "llamacpp:tokens_predicted_total")
_DECODES = ("llamacpp:n_decode_total", "llamacpp:n_busy_slots_per_decode")


def derive(samples: Sequence[Sample], *, context: Sequence[Sample] = ()) -> list[Row]:
    """``(seconds, output tok/s, prompt tok/s, running, waiting)`` for each sample, oldest first.

    ``context`` are samples before the first, for its rates. None where a value is not known.
    """
    everything = [*context, *samples]
    output = _rates(everything, output_tokens)
    prompt = _rates(everything, lambda values: _first(values, _PROMPT))
    rows: list[Row] = []
    for index in range(len(context), len(everything)):
        at, values = everything[index]
        run, wait = running(values), waiting(values)
        if (output[index], prompt[index], run, wait) != (None, None, None, None):
            rows.append((at, output[index], prompt[index], run, wait))
    return rows


def decimate(rows: Sequence[Row], limit: int = MAX_POINTS) -> list[Row]:
    """At most ``limit`` rows: the mean of rates and the highest of counts in each stretch."""
    if len(rows) <= limit:
        return list(rows)
    width = -(-len(rows) // limit)
    return [_merged(rows[start : start + width]) for start in range(0, len(rows), width)]


def series(rows: Sequence[Row]) -> dict[str, Series]:
    """Rows as the page takes them, by the name of the series."""
    moments = [milliseconds(row[0]) for row in rows]
    return {
        name: {"t": moments, "y": [_rounded(row[place]) for row in rows]}
        for place, name in enumerate(NAMES, start=1)
    }


def milliseconds(at: float) -> int:
    """Seconds since the epoch as a page counts time."""
    return round(at * 1000)


def figure() -> dict[str, Any]:
    """The empty figure: three strips over one time axis. The page appends what it reads.

    Each trace's ``meta`` is the series that it shows.
    """
    data = [
        _trace("output", _("output"), "$d1", "y", "%{y:.1f} tok/s"),
        _trace("prompt", _("prompt"), "$d3", "y2", "%{y:.1f} tok/s"),
        _trace("running", _("running"), "$d1", "y3", "%{y}", step=True),
        _trace("waiting", _("waiting"), "$d2", "y3", "%{y}", step=True),
    ]
    data[2] |= {"fill": "tozeroy", "fillcolor": "$band"}
    strips = ((0.72, 0.94), (0.38, 0.58), (0.0, 0.24))
    layout: dict[str, Any] = {
        "showlegend": False,
        "hovermode": "x unified",
        "margin": {"l": 40, "r": 12, "t": 6, "b": 26},
        "xaxis": {"type": "date", "anchor": "y3", "nticks": 5, "tickformatstops": CLOCK_TICKS},
    }
    for name, domain in zip(("yaxis", "yaxis2", "yaxis3"), strips, strict=True):
        layout[name] = {"domain": domain, "anchor": "x", "nticks": 3, "rangemode": "tozero"}
    # Before the first token a rate is a line at zero, not one at the middle of nothing.
    for name in ("yaxis", "yaxis2"):
        layout[name]["autorangeoptions"] = {"include": [0, 10]}
    # Requests are whole: never ticks at halves.
    layout["yaxis3"] |= {"tickformat": "d", "autorangeoptions": {"include": [0, 2]}}
    words = (_("Output, tok/s"), _("Prompt, tok/s"), _("Requests"))
    layout["annotations"] = [
        _heading(word, domain[1]) for word, domain in zip(words, strips, strict=True)
    ]
    return {"data": data, "layout": layout}


def _heading(word: str, top: float) -> dict[str, Any]:
    return {
        "text": word,
        "x": 0,
        "y": top,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 5,
        "showarrow": False,
        "font": {"color": "$ink", "size": 12, "weight": 600},
    }


def _trace(
    series: str, name: str, colour: str, axis: str, hover: str, *, step: bool = False
) -> dict[str, Any]:
    line: dict[str, Any] = {"color": colour, "width": 1.5}
    if step:
        line["shape"] = "hv"
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [],
        "y": [],
        "name": name,
        "meta": series,
        "line": line,
        "yaxis": axis,
        "hovertemplate": hover,
    }


def running(values: dict[str, float]) -> float | None:
    """Requests that the engine works on; None where it does not tell."""
    return _first(values, _RUNNING)


def waiting(values: dict[str, float]) -> float | None:
    """Requests that wait for their turn; None where the engine does not tell."""
    return _first(values, _WAITING)


def kv_cache(values: dict[str, float]) -> float | None:
    """The share of the KV cache in use, from 0 to 1; None where the engine does not tell."""
    return _first(values, _KV_CACHE)


def _first(values: dict[str, float], names: Sequence[str]) -> float | None:
    return next((values[name] for name in names if name in values), None)


def output_tokens(values: dict[str, float]) -> float | None:
    """Tokens generated so far.

    llama.cpp counts tokens only when a request ends. Its decode calls times the slots busy in each
    is the same number (1736 x 1.88249 = 3268 in our capture) and grows while a request runs.
    """
    decodes, busy = (values.get(name) for name in _DECODES)
    if decodes is not None and busy is not None:
        return decodes * busy
    return _first(values, _OUTPUT)


def _rates(
    samples: Sequence[Sample], count: Callable[[dict[str, float]], float | None]
) -> list[float | None]:
    """Growth a second over the last ``WINDOW_S``; None for the first sample and after a restart."""
    rates: list[float | None] = []
    seen: list[tuple[float, float]] = []
    start = 0
    for at, values in samples:
        total = count(values)
        if total is None:
            rates.append(None)
            continue
        if seen and total < seen[-1][1] * 0.999:  # a new server counts from zero
            seen, start = [], 0
        seen.append((at, total))
        while start + 2 < len(seen) and seen[start + 1][0] <= at - WINDOW_S:
            start += 1
        since, before = seen[start]
        rates.append(max(0.0, (total - before) / (at - since)) if at > since else None)
    return rates


def _merged(rows: Sequence[Row]) -> Row:
    def of(place: int, how: Callable[[list[float]], float]) -> float | None:
        known = [value for row in rows if (value := row[place]) is not None]
        return how(known) if known else None

    return (rows[-1][0], of(1, _mean), of(2, _mean), of(3, max), of(4, max))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
