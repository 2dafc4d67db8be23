"""Numbers of results as text: failed requests, lengths, intervals, differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.utils.translation import gettext, ngettext

from dashboard.pages.shared.comparison import interval_of, size_of
from dashboard.text.formatting import number, p_text, percent, points
from dashboard.text.labels import metric_text
from jobs.kinds.lib.load import INPUT, OUTPUT, measured_lengths
from jobs.models import Result
from jobs.queries.comparison.comparison import Change
from jobs.queries.comparison.group_accuracy import is_accuracy
from jobs.queries.comparison.pairing import Paired
from jobs.statistics import Interval


def failed_text(metrics: Mapping[str, Any]) -> str:
    """Return failed requests of all sent requests: "2 of 36"; "" where not measured."""
    failures, completed = (
        metrics.get(f"{name}_all", metrics.get(name)) for name in ("failed_requests", "requests")
    )
    if failures is None:
        return ""
    if completed is None:
        return number(failures, 0)
    args = {"n": number(int(failures)), "total": number(int(failures + completed))}
    return gettext("%(n)s of %(total)s") % args


def lengths_texts(result: Result) -> tuple[str, str]:
    """Return requested and measured token lengths: "requested 1 024 → 1 024"; "" when unknown."""
    sizes = measured_lengths(result.metrics)
    asked, was = gettext("requested %(lengths)s"), gettext("measured %(lengths)s")
    return (
        asked % {"lengths": _arrow(result.asked)} if result.asked else "",
        was % {"lengths": _arrow(sizes)} if sizes else "",
    )


def _arrow(tokens: Mapping[str, float]) -> str:
    unknown = gettext("unknown")
    return " → ".join(
        number(round(tokens[name])) if name in tokens else unknown for name in (INPUT, OUTPUT)
    )


def interval_text(interval: Interval, name: str) -> str:
    """Return the interval of a mean of the metric ``name``: "[41.02, 51.44]"."""
    low, high = interval.low, interval.high
    if is_accuracy(name):
        return f"[{percent(low)}, {percent(high)}]"
    return f"[{metric_text(name, low)[0]}, {metric_text(name, high)[0]}]"


def runs_text(runs: int) -> str:
    """Return the sample size of a mean: "of 3 runs"."""
    return ngettext("of %(n)s run", "of %(n)s runs", runs) % {"n": runs}


def change_texts(change: Change, name: str) -> tuple[str, str]:
    """Return a difference of the metric ``name``: signed size, then interval and verdict.

    Without comparability a dash: the heading of the column says "not comparable".
    """
    if change.value is None:
        return gettext("not measured"), ""
    if change.verdict == "same":
        return gettext("equal"), ""
    if change.absolute is None:
        return "–", ""
    points = gettext("%(n)s pt")
    interval = interval_of(change, name, points)
    return size_of(change, name, points), f"{interval} {_verdict_label(change)}".strip()


def _verdict_label(change: Change) -> str:
    labels = {
        "better": gettext("better"),
        "worse": gettext("worse"),
        "noise": gettext("not significant"),
        "unknown": gettext("too few runs"),
    }
    return labels.get(change.verdict, "")


class PairedWords(NamedTuple):
    """Words on two evaluations by question; ``verdict`` is "" where they are not comparable."""

    common: str
    changed: str
    verdict: str


def paired_words(paired: Paired, *, is_barred: bool) -> PairedWords:
    """Return how many answers changed between two evaluations, and what that shows."""
    args = {"n": paired.answers, "both": paired.both, "neither": paired.neither}
    if paired.p is None:
        text = gettext("%(n)s common answers: %(both)s correct in both, %(neither)s in neither")
    else:
        text = gettext("%(n)s common questions: %(both)s correct in both, %(neither)s in neither")
    common = text % args
    if not paired.is_whole:
        note = gettext("(different question sets: common questions only)")
        common = f"{common} {note}"
    changed = gettext("%(gained)s fixed, %(lost)s regressed.")
    changed %= {"gained": paired.only_other, "lost": paired.only_base}
    if is_barred:
        return PairedWords(common, changed, "")
    if paired.p is None and paired.gap.includes_zero:
        verdict = (
            gettext("Mean scores do not differ significantly (95 %% interval includes 0):") % {}
        )
    elif paired.p is None:
        verdict = gettext("Mean scores differ significantly (95 %% interval excludes 0):") % {}
    elif paired.gap.includes_zero:
        verdict = gettext("No significant difference (95 %% interval includes 0):") % {}
    else:
        verdict = gettext("Significant difference (95 %% interval excludes 0):") % {}
    shown = f"[{points(paired.gap.low)}, {points(paired.gap.high)}]"
    if paired.p is not None:
        shown += f"{gettext(', ')}{p_text(paired.p)} {gettext('(McNemar, exact)')}"
    return PairedWords(common, changed, f"{verdict} {shown}{gettext('.')}")
