"""Live charts of a job on one time axis: rates, requests, KV cache, client, dies; accuracy."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, TypeAlias, TypeVar

from django.utils.translation import gettext as _

from dashboard.charts.figure_parts import BAND, COLOURS, Figure, axis, scatter
from jobs.plans import CLIENT, DIES
from jobs.queries.jobs.progress import Sample
from jobs.services.intake.streams import counts_of
from jobs.statistics import wilson
from jobs.tools.lib import engine_counters as counters
from jobs.tools.lib.engine_counters import Values, running, waiting

_T = TypeVar("_T")

# Window in seconds for rates of counters: long enough to smooth single requests, short enough to
# show a stall within two scrapes.
WINDOW_S = 2.0
MAX_POINTS = 1_000  # per trace; the page reloads all points at twice this number
NAMES = ("output", "prompt", "running", "waiting", "kv")
# Watches of this chart, by their names in plans.
ENGINE = "engine"
WATCHES = (ENGINE, CLIENT, DIES)

# Ticks have only the clock because the page has the day; seconds only for short ranges.
CLOCK_TICKS = [
    {"dtickrange": [None, 59_999], "value": "%H:%M:%S"},
    {"dtickrange": [60_000, None], "value": "%H:%M"},
]
_TIME = {"type": "date", "nticks": 5, "tickformatstops": CLOCK_TICKS}
_OVER_TIME = {"showlegend": False, "hovermode": "x unified", "xaxis": _TIME}
# {"t": milliseconds since the epoch, "y": values}, both of one length
Series: TypeAlias = dict[str, list[Any]]
# (seconds since the epoch, a value for each of NAMES)
_Value: TypeAlias = float | None
LiveRow: TypeAlias = tuple[float, _Value, _Value, _Value, _Value, _Value]


def derive(samples: Sequence[Sample], *, context: Sequence[Sample] = ()) -> list[LiveRow]:
    """Return ``(seconds, output tok/s, prompt tok/s, running, waiting, KV cache %)`` per sample,
    oldest first; None: unknown. ``context``: samples before the first, for its rates."""
    everything = [*context, *samples]
    both = (counters.output_tokens, counters.prompt_tokens)
    output, prompt = (_rates(everything, count) for count in both)
    rows: list[LiveRow] = []
    for index, (at, values) in enumerate(samples, len(context)):
        cache = counters.kv_cache(values)
        share = None if cache is None else 100 * cache
        figures = (output[index], prompt[index], running(values), waiting(values), share)
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
    return {
        name: _series([(row[0], row[place]) for row in rows])
        for place, name in enumerate(NAMES, start=1)
    }


def client_series(
    samples: Sequence[Sample], *, context: Sequence[Sample] = ()
) -> dict[str, Series]:
    """Return the series of a benchmark's client: requests, output rate in tok/s, concurrency
    ("level"). The rate is None, a gap, while all requests are pending and none is streamed."""
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
    result = {name: _known(pairs) for name, pairs in shown.items()}
    if any(_waits(values) for _at, values in reported):
        result["client_output"] = _series(_thinned(shown["client_output"]))
    return result


def die_series(samples: Sequence[Sample]) -> dict[str, Series]:
    return {
        "power": _known([(at, values.get("power_w")) for at, values in samples]),
        "temperature": _known([(at, values.get("temp_c")) for at, values in samples]),
    }


def _in_flight(values: Mapping[str, float]) -> float | None:
    if "sent" not in values:
        return None
    ended = values.get("done", 0.0) + values.get("failed", 0.0)
    return max(0.0, values["sent"] - ended) + values.get("warm", 0.0)


def _waits(values: Mapping[str, float]) -> bool:
    return bool(_in_flight(values)) and "tokens" not in values and "rate" not in values


def accuracy_series(
    samples: Sequence[Sample], interval_from: float | None = 0.0
) -> dict[str, Series]:
    """Return the points for :func:`accuracy_figure` in per cent, by series name.

    ``samples``: counts of the run by time (seconds since the epoch), oldest first; one without
    scored questions has no point. The interval starts at ``interval_from``; None: no interval yet.
    """
    counted = [(at, counts_of(values)) for at, values in samples]
    kept = _thinned([one for one in counted if one[1]["scored"] >= 1])
    shares = [(at, wilson(one["right"], int(one["scored"]))) for at, one in kept]
    since = [one for one in shares if interval_from is not None and one[0] >= interval_from]
    return {
        "low": _series([(at, 100 * share.low) for at, share in since], 3),
        "high": _series([(at, 100 * share.high) for at, share in since], 3),
        "accuracy": _series([(at, 100 * share.value) for at, share in shares], 3),
    }


def accuracy_figure() -> Figure:
    """Return the empty figure of a running evaluation, per cent over time, with its 95 % interval.
    The page appends points; each trace's ``meta`` is its series name."""
    low, high = _("interval, low"), _("interval, high")
    data = [
        _trace("low", low, COLOURS[0], "%{y:.1f} %", step=True, width=0),
        _trace("high", high, COLOURS[0], "%{y:.1f} %", step=True, width=0)
        | {"fill": "tonexty", "fillcolor": BAND, "hoverinfo": "skip"},
        _trace("accuracy", _("accuracy"), COLOURS[0], "%{y:.1f} %", step=True, width=2)
        | {"mode": "lines+markers", "marker": {"size": 4, "color": COLOURS[0]}},
    ]
    bounds = {"minallowed": 0, "maxallowed": 100}
    layout = {
        "margin": {"l": 44, "r": 12, "t": 8, "b": 26},
        "yaxis": axis(_("accuracy, %"), nticks=5, autorangeoptions=bounds),
    }
    return Figure(data, {**_OVER_TIME, **layout})


def _known(pairs: Sequence[tuple[float, float | None]]) -> Series:
    return _series(_thinned([(at, value) for at, value in pairs if value is not None]))


def _thinned(points: Sequence[_T]) -> list[_T]:
    """Return at most ``MAX_POINTS`` points, always with the last."""
    step = -(-len(points) // MAX_POINTS) or 1
    return [point for place, point in enumerate(reversed(points)) if place % step == 0][::-1]


def _series(pairs: Sequence[tuple[float, float | None]], digits: int = 2) -> Series:
    values = [value for _at, value in pairs]
    return {
        "t": [round(at * 1000) for at, _value in pairs],
        "y": [None if value is None else round(value, digits) for value in values],
    }


def figure() -> Figure:
    """Return the empty figure: strips over one time axis, top to bottom. The page appends points
    and shows the strips that have data and are not switched off.

    Each trace has its series name in ``meta``. The layout's ``meta["strips"]`` lists name, title
    and axis ("y", "y2", …) of each strip.
    """
    # Plotly's names of y axes: "y", "y2", "y3" …
    strips = [(f"y{number if number > 1 else ''}", *one) for number, one in enumerate(_strips(), 1)]
    named = [{"name": name, "title": title, "axis": y} for y, name, title, *_rest in strips]
    layout: dict[str, Any] = {
        **_OVER_TIME,
        "meta": {"strips": named},
        "margin": {"l": 40, "r": 12, "t": 6, "b": 26},
    }
    for y, _name, _title, _traces, own in strips:
        layout[f"yaxis{y[1:]}"] = {"anchor": "x", "nticks": 3, "rangemode": "tozero", **own}
    data = [{**trace, "yaxis": y} for y, _name, _title, traces, _own in strips for trace in traces]
    return Figure(data, layout)


def strip_names(shown: Figure) -> list[tuple[str, str]]:
    """Return ``(name, title)`` of each strip of :func:`figure`, top to bottom, for its switch."""
    return [(strip["name"], strip["title"]) for strip in shown.layout["meta"]["strips"]]


def _strips() -> list[tuple[str, str, tuple[dict[str, Any], ...], dict[str, Any]]]:
    """Return (name, title, traces, properties of the y axis) of each strip."""
    # Include 0 to 10 so that a rate of 0 is at the bottom. Requests have ticks at whole numbers.
    rate = {"autorangeoptions": {"include": [0, 10]}}
    whole = {"tickformat": "d", "autorangeoptions": {"include": [0, 2]}}
    tokens, share = "%{y:.1f} tok/s", {"range": [0, 100], "autorange": False}
    output = _trace("output", _("output"), "var(--d1)", tokens)
    client = _trace("client_output", _("client"), "var(--d6)", tokens)
    client["line"]["dash"] = "dot"
    prompt = _trace("prompt", _("prompt"), "var(--d3)", tokens)
    running = _trace("running", _("running"), "var(--d7)", "%{y}", step=True)
    running |= {"fill": "tozeroy", "fillcolor": BAND}
    waiting = _trace("waiting", _("waiting"), "var(--d2)", "%{y}", step=True)
    cache = _trace("kv", _("KV cache"), "var(--d4)", "%{y:.1f} %")
    done = _trace("done", _("done"), "var(--ok-mark)", "%{y}", step=True)
    sent = _trace("in_flight", _("sent, not answered"), "var(--d8)", "%{y}", step=True)
    failed = _trace("failed", _("failed"), "var(--bad-mark)", "%{y}", step=True)
    power = _trace("power", _("all dies"), "var(--d5)", "%{y:.0f} W")
    hottest = _trace("temperature", _("hottest die"), "var(--warn-mark)", "%{y:.0f} °C")
    return [
        ("output", _("Output, tok/s"), (output, client), rate),
        ("prompt", _("Prompt, tok/s"), (prompt,), rate),
        ("requests", _("Requests"), (running, waiting), whole),
        ("kv", _("KV cache, %"), (cache,), share),
        ("client", _("Client, requests"), (done, sent, failed), whole),
        ("power", _("Die power, W"), (power,), {}),
        ("temperature", _("Hottest die, °C"), (hottest,), {"rangemode": "normal"}),
    ]


def _trace(
    series: str, name: str, colour: str, hover: str, *, step: bool = False, width: float = 1.5
) -> dict[str, Any]:
    line = {"color": colour, "width": width, **({"shape": "hv"} if step else {})}
    return scatter(name, "lines", [], [], meta=series, line=line, hovertemplate=hover)


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

    return (rows[-1][0], of(1, fmean), of(2, fmean), of(3, max), of(4, max), of(5, max))
