"""Words of pairs of an evaluation and a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from dashboard.charts import tradeoff as chart
from dashboard.charts.figures import Figure
from dashboard.text.formatting import counted, measured
from jobs.queries.results.tradeoff import Pair, Tradeoff

AXES = ("per_device", "rate", "tokens")


@dataclass(frozen=True, slots=True)
class PairRow:
    """Row of the table; texts are "" where not known."""

    pair: Pair
    per_device: str
    rate: str
    tokens: str
    pairing: str


def pair_row(pair: Pair) -> PairRow:
    """Return a pair in words."""
    speed = pair.speed
    each = speed.per_device if speed else None
    return PairRow(
        pair,
        "" if each is None else measured(each),
        measured(speed.rate) if speed else "",
        "" if pair.tokens is None else counted(pair.tokens),
        pairing_words(pair),
    )


def pairing_words(pair: Pair) -> str:
    """Return why both measurements belong together."""
    words = {
        "engine": _("same endpoint") if pair.origin == "external" else _("same deployment"),
        "identity": _("other deployment, equal settings"),
        "stated": _("same model and device, as stated"),
    }
    return words[pair.speed.pairing] if pair.speed else _("no benchmark of this engine")


def figures(found: Tradeoff) -> list[tuple[str, str, Figure]]:
    """Return (id, title, figure) of the charts that have points. The rate of the whole engine is
    shown only where numbers of devices are unknown."""
    titles = {
        "per_device": _("Accuracy vs throughput per device"),
        "rate": _("Accuracy vs throughput"),
        "tokens": _("Accuracy vs output tokens"),
    }
    drawn = {axis: _points(found.pairs, axis) for axis in AXES}
    if drawn["rate"] == drawn["per_device"]:
        drawn["rate"] = 0
    return [
        (f"tradeoff-{axis}", titles[axis], chart.tradeoff(found.pairs, axis))
        for axis in AXES
        if drawn[axis]
    ]


def _points(pairs: Sequence[Pair], axis: str) -> int:
    return sum(chart.value_of(pair, axis) is not None for pair in pairs)
