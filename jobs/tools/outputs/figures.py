"""Figures of a tool's output: types, order and rates checked. What fails is left out and named."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jobs.base.messages import Message
from jobs.base.numbers import finite
from jobs.metrics import FAMILIES, METRICS
from jobs.metrics.measured import RequestTimes

# No accelerator of today is near: a larger figure is damage.
HIGHEST = 1e15
# A rate may differ by this share from its count ÷ duration: tools round, and some leave out ramps.
RATES_APART = 0.05
_GOODPUT = "goodput_requests_per_s"
# Rate -> count that it divides by the duration; goodput divides a part of it.
_RATES = {
    "output_tokens_per_s": "output_tokens",
    "total_tokens_per_s": "total_tokens",
    "requests_per_s": "requests",
    _GOODPUT: "requests",
}
# Rising statistics; the smallest and largest value are no metrics of ours, they check the others.
_RISING = ("min", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "max")
_FAMILIES = (*((name, unit) for name, unit, _label in FAMILIES), ("batch_latency", "s"))
_LONGEST_VALUE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPoint:
    """Measurement of a benchmark over HTTP at one concurrency; None: without a limit.

    ``completed``, ``failed``: requests. ``metrics`` has names of ``jobs.metrics.METRICS``, without
    speed when no request completed; ``left_out``: figures that cannot be true. ``began``: start of
    the first request, if the tool tells it (seconds since the epoch, host clock). ``requests``: the
    completed ones, if the tool wrote them.
    """

    concurrency: int | None
    completed: int
    failed: int
    metrics: Mapping[str, float]
    left_out: Sequence[Message] = ()
    began: float | None = None
    requests: Sequence[RequestTimes] = ()


class FileFigure(NamedTuple):
    """Value of a file under ``key`` (as a person finds it there). ``factor`` makes it ours."""

    key: str
    value: Any
    factor: float = 1.0


def take(
    file: str, figures: Mapping[str, FileFigure], *, rounded: float = 0.0
) -> tuple[dict[str, float], tuple[Message, ...]]:
    """Return the metrics in ``figures`` (our name -> figure) that can be true, and a message for
    each kind of failed check, with the keys.

    A missing value (None) fails no check of its own. ``duration_s`` and counts check the rates:
    without them a rate is not returned. ``…_min_…`` and ``…_max_…`` check their family. Names
    without a metric are not returned.
    ``rounded``: largest error of printed durations (s) and rates.
    """
    numbers = {
        name: number * figure.factor
        for name, figure in figures.items()
        if (number := finite(figure.value)) is not None and 0 <= number <= HIGHEST
    }
    given = [name for name, figure in figures.items() if figure.value is not None]
    failed = {"figures:no_number": [name for name in given if name not in numbers]}
    checks: dict[str, Callable[[Mapping[str, float]], list[str]]] = {
        "figures:no_share": _no_shares,
        "figures:no_duration": lambda known: ["duration_s"] if known.get("duration_s") == 0 else [],
        "figures:order": _disordered,
        "figures:unchecked": _unchecked,
        "figures:rate": lambda known: _wrong_rates(known, rounded),
        "figures:goodput": lambda known: _wrong_goodput(known, rounded),
    }
    for why, wrong in checks.items():
        failed[why] = wrong(numbers)
        numbers = {name: numbers[name] for name in numbers if name not in failed[why]}
    messages = tuple(
        Message(why, {"file": file, "figures": ", ".join(_named(figures[name]) for name in names)})
        for why, names in failed.items()
        if names
    )
    return {name: value for name, value in numbers.items() if name in METRICS}, messages


def _named(figure: FileFigure) -> str:
    value = figure.value
    if isinstance(value, list | dict):
        value = "[…]" if isinstance(value, list) else "{…}"
    return f"{figure.key} = {' '.join(str(value)[:_LONGEST_VALUE].split())}"


def _no_shares(numbers: Mapping[str, float]) -> list[str]:
    shares = [name for name in numbers if name in METRICS and METRICS[name].unit == "%"]
    return [name for name in shares if numbers[name] > 1]


def _disordered(numbers: Mapping[str, float]) -> list[str]:
    """Return the statistics that cannot be true beside the others of their family.

    Percentiles rise. Where they do not, the longest rising part is true; one that is not in every
    such part is in doubt. A mean is between the smallest and the largest value, and no less than
    half the median.
    """
    wrong = []
    for family, unit in _FAMILIES:
        names = [f"{family}_{statistic}_{unit}" for statistic in _RISING]
        known = [name for name in names if name in numbers]
        values = [numbers[name] for name in known]
        most = _longest_rise(values)
        doubtful = [
            name
            for index, name in enumerate(known)
            if most < len(values) and _longest_rise(values[:index] + values[index + 1 :]) == most
        ]
        wrong += doubtful
        mean = f"{family}_mean_{unit}"
        bounds = {name: numbers[name] for name in known if name not in doubtful}
        median = bounds.get(f"{family}_p50_{unit}", 0.0)
        least, largest = bounds.get(names[0], median / 2), bounds.get(names[-1], math.inf)
        slack = 1 + RATES_APART  # a mean may be rounded to fewer digits
        if mean in numbers and not least / slack <= numbers[mean] <= largest * slack:
            wrong.append(mean)
    return wrong


def _longest_rise(values: Sequence[float]) -> int:
    """Return the size of the longest part that does not fall, in order."""
    ends: list[int] = []
    for index, value in enumerate(values):
        before = [ends[one] for one in range(index) if values[one] <= value]
        ends.append(1 + max(before, default=0))
    return max(ends, default=0)


def _unchecked(numbers: Mapping[str, float]) -> list[str]:
    return [rate for rate in _RATES if rate in numbers and _range(rate, numbers, 0.0) is None]


def _wrong_rates(numbers: Mapping[str, float], rounded: float) -> list[str]:
    ranges = {rate: _range(rate, numbers, rounded) for rate in _RATES if rate != _GOODPUT}
    return [
        rate
        for rate, possible in ranges.items()
        if possible and rate in numbers and not possible[0] <= numbers[rate] <= possible[1]
    ]


def _wrong_goodput(numbers: Mapping[str, float], rounded: float) -> list[str]:
    possible = _range(_GOODPUT, numbers, rounded)
    is_above = possible is not None and numbers.get(_GOODPUT, 0.0) > possible[1]
    return [_GOODPUT] if is_above else []


def _range(rate: str, numbers: Mapping[str, float], rounded: float) -> tuple[float, float] | None:
    """Return the range of count ÷ duration; None: one of them is missing, or was not taken."""
    duration, counted = numbers.get("duration_s"), _count(_RATES[rate], numbers)
    if duration is None or counted is None:
        return None
    least = (1 - RATES_APART) * counted / (duration + rounded) - rounded
    most = (1 + RATES_APART) * counted / max(duration - rounded, duration / 2) + rounded
    return least, most


def _count(name: str, numbers: Mapping[str, float]) -> float | None:
    """Return a count; without one the mean of each request times the requests, or its parts."""
    if name == "total_tokens" and name not in numbers:
        parts = [_count(part, numbers) for part in ("input_tokens", "output_tokens")]
        return None if None in parts else sum(part for part in parts if part)
    mean, requests = numbers.get(f"{name}_mean"), numbers.get("requests")
    if name in numbers or mean is None or requests is None:
        return numbers.get(name)
    return mean * requests
