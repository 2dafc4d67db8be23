"""Live charts of a job on one time axis: rates, requests, KV cache, client, dies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.utils.translation import gettext as _

from dashboard.charts.figures import Figure
from dashboard.charts.series import BAND
from jobs.plans import CLIENT, DIES
from jobs.queries.jobs.points import Sample
from jobs.tools.lib.engine_values import (
    Values,
    kv_cache,
    output_tokens,
    prompt_tokens,
    running,
    waiting,
)

# Window in seconds for rates of counters: long enough to smooth single requests, short enough to
# show a stall within two scrapes.
WINDOW_S = 2.0
MAX_POINTS = 2_500  # per trace; the page reloads all points at twice this number
NAMES = ("output", "prompt", "running", "waiting", "kv")
# Watches of this chart, by their names in plans.
ENGINE = "engine"
WATCHES = (ENGINE, CLIENT, DIES)

# Ticks have only the clock because the page has the day; seconds only for short ranges.
CLOCK_TICKS = [
    {"dtickrange": [None, 59_999], "value": "%H:%M:%S"},
    {"dtickrange": [60_000, None], "value": "%H:%M"},
]
# {"t": milliseconds since the epoch, "y": values}, both of one length
Series: TypeAlias = dict[str, list[Any]]
# (seconds since the epoch, a value for each of NAMES)
LiveRow: TypeAlias = tuple[
    float, float | None, float | None, float | None, float | None, float | None
]


def derive(samples: Sequence[Sample], *, context: Sequence[Sample] = ()) -> list[LiveRow]:
    """Return ``(seconds, output tok/s, prompt tok/s, running, waiting, KV cache %)`` per sample,
    oldest first.

    ``context``: samples before the first, for its rates. None: unknown value.
    """
    everything = [*context, *samples]
    output = _rates(everything, output_tokens)
    prompt = _rates(everything, prompt_tokens)
    rows: list[LiveRow] = []
    for index in range(len(context), len(everything)):
        at, values = everything[index]
        cache = kv_cache(values)
        figures = (
            *(output[index], prompt[index], running(values), waiting(values)),
            None if cache is None else 100 * cache,
        )
        if any(value is not None for value in figures):
            rows.append((at, *figures))
    return rows


def decimate(rows: Sequence[LiveRow], limit: int = MAX_POINTS) -> list[LiveRow]:
    """Return at most ``limit`` rows: mean of rates and maximum of counts per bucket."""
    if len(rows) <= limit:
        return list(rows)
    width = -(-len(rows) // limit)
    return [_merged(rows[start : start + width]) for start in range(0, len(rows), width)]


def series(rows: Sequence[LiveRow]) -> dict[str, Series]:
    """Return rows in the page's format, by series name."""
    moments = [milliseconds(row[0]) for row in rows]
    return {
        name: {"t": moments, "y": [_rounded(row[place]) for row in rows]}
        for place, name in enumerate(NAMES, start=1)
    }


def client_series(
    samples: Sequence[Sample], *, context: Sequence[Sample] = ()
) -> dict[str, Series]:
    """Return the series of a benchmark's client: requests, output rate in tok/s, concurrency
    ("level"). The rate is None, a gap, while all requests are pending and answers are not streamed.
    """
    reported = [(at, values) for at, values in samples if values]
    rates = _rates([*context, *samples], lambda values: values.get("tokens"))[len(context) :]
    shown = {
        "done": [(at, values.get("done")) for at, values in reported],
        "failed": [(at, values.get("failed")) for at, values in reported],
        "level": [(at, values.get("level") or None) for at, values in reported],
        "in_flight": [(at, _in_flight(values)) for at, values in reported],
        "client_output": [
            (at, values.get("rate", rate))
            for (at, values), rate in zip(samples, rates, strict=True)
        ],
    }
    result = {name: _thinned(_known(pairs)) for name, pairs in shown.items()}
    if any(_waits(values) for _at, values in reported):
        result["client_output"] = _thinned(shown["client_output"])
    return result


def die_series(samples: Sequence[Sample]) -> dict[str, Series]:
    """Return the power of the job's dies and the temperature of the hottest die."""
    return {
        "power": _thinned(_known([(at, values.get("power_w")) for at, values in samples])),
        "temperature": _thinned(_known([(at, values.get("temp_c")) for at, values in samples])),
    }


def _in_flight(values: Mapping[str, float]) -> float | None:
    if "sent" not in values:
        return None
    ended = values.get("done", 0.0) + values.get("failed", 0.0)
    return max(0.0, values["sent"] - ended) + values.get("warm", 0.0)


def _waits(values: Mapping[str, float]) -> bool:
    """Return True while requests are pending and answers are not streamed."""
    return bool(_in_flight(values)) and "tokens" not in values and "rate" not in values


def _known(pairs: Sequence[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    return [(at, value) for at, value in pairs if value is not None]


def _thinned(pairs: Sequence[tuple[float, float | None]]) -> Series:
    """Return at most ``MAX_POINTS`` points, always with the last."""
    step = -(-len(pairs) // MAX_POINTS) or 1
    kept = [pair for place, pair in enumerate(reversed(pairs)) if place % step == 0][::-1]
    return {
        "t": [milliseconds(at) for at, _value in kept],
        "y": [_rounded(value) for _at, value in kept],
    }


def milliseconds(at: float) -> int:
    """Return seconds since the epoch in milliseconds."""
    return round(at * 1000)


def figure() -> Figure:
    """Return the empty figure: strips over one time axis, top to bottom.

    The page appends points and shows the strips that have data and are not switched off.

    Each trace has its series name in ``meta`` and its strip's axis in ``yaxis``. The layout's
    ``meta["strips"]`` lists name, title and axis ("y", "y2", …) of each strip.
    """
    strips = [(_axis(number), strip) for number, strip in enumerate(_strips(), start=1)]
    named = [{"name": strip.name, "title": strip.title, "axis": axis} for axis, strip in strips]
    layout: dict[str, Any] = {
        "meta": {"strips": named},
        "showlegend": False,
        "hovermode": "x unified",
        "margin": {"l": 40, "r": 12, "t": 6, "b": 26},
        "xaxis": {"type": "date", "nticks": 5, "tickformatstops": CLOCK_TICKS},
    }
    for axis, strip in strips:
        own = {"anchor": "x", "nticks": 3, "rangemode": "tozero", **strip.axis}
        layout[f"yaxis{axis[1:]}"] = own
    data = [{**trace, "yaxis": axis} for axis, strip in strips for trace in strip.traces]
    return Figure(data, layout)


def _axis(number: int) -> str:
    """Return Plotly's name of y axis ``number``: "y", "y2", "y3" …"""
    return f"y{number}" if number > 1 else "y"


@dataclass(frozen=True, slots=True)
class Strip:
    """Quantity over the common time axis; ``axis`` has the properties of its y axis."""

    name: str
    title: str
    traces: tuple[dict[str, Any], ...]
    axis: Mapping[str, Any]


def strip_names(shown: Figure) -> list[tuple[str, str]]:
    """Return ``(name, title)`` of each strip of :func:`figure`, top to bottom, for its switch."""
    return [(strip["name"], strip["title"]) for strip in shown.layout["meta"]["strips"]]


def _strips() -> tuple[Strip, ...]:
    # Include 0 to 10 so that a rate of 0 is at the bottom. Requests have ticks at whole numbers.
    rate = {"autorangeoptions": {"include": [0, 10]}}
    whole = {"tickformat": "d", "autorangeoptions": {"include": [0, 2]}}
    tokens, share = "%{y:.1f} tok/s", {"range": [0, 100], "autorange": False}
    client = _trace("client_output", _("client"), "var(--d6)", tokens)
    client["line"]["dash"] = "dot"
    running = _trace("running", _("running"), "var(--d7)", "%{y}", step=True)
    running |= {"fill": "tozeroy", "fillcolor": BAND}
    return (
        Strip(
            "output",
            _("Output, tok/s"),
            (_trace("output", _("output"), "var(--d1)", tokens), client),
            rate,
        ),
        Strip(
            "prompt",
            _("Prompt, tok/s"),
            (_trace("prompt", _("prompt"), "var(--d3)", tokens),),
            rate,
        ),
        Strip(
            "requests",
            _("Requests"),
            (running, _trace("waiting", _("waiting"), "var(--d2)", "%{y}", step=True)),
            whole,
        ),
        Strip(
            "kv",
            _("KV cache, %"),
            (_trace("kv", _("KV cache"), "var(--d4)", "%{y:.1f} %"),),
            share,
        ),
        Strip(
            "client",
            _("Client, requests"),
            (
                _trace("done", _("done"), "var(--ok-mark)", "%{y}", step=True),
                _trace("in_flight", _("sent, not answered"), "var(--d8)", "%{y}", step=True),
                _trace("failed", _("failed"), "var(--bad-mark)", "%{y}", step=True),
            ),
            whole,
        ),
        Strip(
            "power",
            _("Die power, W"),
            (_trace("power", _("all dies"), "var(--d5)", "%{y:.0f} W"),),
            {},
        ),
        Strip(
            "temperature",
            _("Hottest die, °C"),
            (_trace("temperature", _("hottest die"), "var(--warn-mark)", "%{y:.0f} °C"),),
            {"rangemode": "normal"},
        ),
    )


def _trace(
    series: str, name: str, colour: str, hover: str, *, step: bool = False
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
        "hovertemplate": hover,
    }


def _rates(
    samples: Sequence[Sample], count: Callable[[Values], float | None]
) -> list[float | None]:
    """Return growth per second over ``WINDOW_S``; None for the first sample and after a restart."""
    rates: list[float | None] = []
    totals: list[tuple[float, float]] = []
    start = 0
    for at, values in samples:
        total = count(values)
        if total is None:
            rates.append(None)
            continue
        if totals and total < totals[-1][1] * 0.999:  # a restarted server counts from zero
            totals, start = [], 0
        totals.append((at, total))
        while start + 2 < len(totals) and totals[start + 1][0] <= at - WINDOW_S:
            start += 1
        since, before = totals[start]
        rates.append(max(0.0, (total - before) / (at - since)) if at > since else None)
    return rates


def _merged(rows: Sequence[LiveRow]) -> LiveRow:
    def of(place: int, how: Callable[[list[float]], float]) -> float | None:
        known = [value for row in rows if (value := row[place]) is not None]
        return how(known) if known else None

    return (rows[-1][0], of(1, _mean), of(2, _mean), of(3, max), of(4, max), of(5, max))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
