"""Results as text: shares, intervals, differences, lengths, settings, published figures."""

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.text.formatting import number, percent, points
from dashboard.text.labels import host_word, metric_text, phrase, result_place, stack_name
from jobs.kinds.lib.load import INPUT, OUTPUT, measured_lengths
from jobs.models import Result
from jobs.queries.comparison.accuracy import is_accuracy
from jobs.queries.comparison.settings import NO, YES, text_of
from jobs.queries.results.published import PublishedComparison, Why
from jobs.statistics import Interval

# Why a published figure cannot be compared with ours.
_WHY: dict[Why, str | Promise] = {
    "metric": gettext_lazy("the metric is not accuracy"),
    "split": gettext_lazy("different questions under the same name"),
    "prompt": gettext_lazy("different prompt"),
    "limited": gettext_lazy("first questions only"),
    "part": gettext_lazy("part of the set only"),
    "cut": gettext_lazy("some answers cut off"),
    "samples": gettext_lazy("paper: mean of several answers per question; here: one answer"),
}


def bounds_text(share: Interval) -> str:
    """Return the interval of a share in per cent: "[41.02, 51.44]"."""
    return f"[{percent(share.low)}, {percent(share.high)}]"


def gap_bounds(gap: Interval) -> str:
    """Return the interval of a difference of shares in points: "[−1.97, +1.44]"."""
    return f"[{points(gap.low)}, {points(gap.high)}]"


def gap_text(gap: Interval) -> str:
    """Return a difference of shares in points with its interval: "−2.10 [−5.30, +1.10]"."""
    return f"{points(gap.value)} {gap_bounds(gap)}"


def interval_text(interval: Interval, name: str) -> str:
    """Return the interval of a mean of the metric ``name``: "[41.02, 51.44]"."""
    if is_accuracy(name):
        return bounds_text(interval)
    return f"[{metric_text(name, interval.low)[0]}, {metric_text(name, interval.high)[0]}]"


def runs_text(runs: int) -> str:
    """Return the sample size of a mean: "of 3 runs"."""
    return ngettext("of %(n)s run", "of %(n)s runs", runs) % {"n": runs}


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
    return _("%(n)s of %(total)s") % args


def lengths_texts(result: Result) -> tuple[str, str]:
    """Return requested and measured token lengths: "requested 1 024 → 1 024"; "" when unknown."""
    sizes = measured_lengths(result.metrics)
    asked, was = _("requested %(lengths)s"), _("measured %(lengths)s")
    return (
        asked % {"lengths": _arrow(result.asked)} if result.asked else "",
        was % {"lengths": _arrow(sizes)} if sizes else "",
    )


def _arrow(tokens: Mapping[str, float]) -> str:
    return " → ".join(
        number(round(tokens[name])) if name in tokens else _("unknown") for name in (INPUT, OUTPUT)
    )


def setting_text(text: str, name: str) -> str:
    if name == "host":
        return host_word(text)
    if name == "stack":
        return stack_name(text)
    if name == "seed" and not text:
        return _("new for each concurrency and run")
    if name == "limit" and text == "0":  # of questions; 0 asks all
        return _("none")
    if name in ("precision", "what"):
        return phrase(text)
    return {YES: _("yes"), NO: _("no")}.get(text, text)


def field_text(raw: Any, name: str) -> str:
    """Return a value of the form field ``name`` as text: "1, 2, 4"."""
    return setting_text(text_of(raw), name)


def published_row(comparison: PublishedComparison) -> dict[str, Any]:
    """Return a published figure, and what stands for us in per cent as text. ``how``: "976
    questions, OpenCompass 0.4.1, Deployment guide, fp8, va16-01."."""
    ours, best = comparison.latest, comparison.best
    row = {"item": comparison.published, "ours": ours, "best": best}
    if ours is None:
        return row
    why, verdict = _("; ").join(str(_WHY[name]) for name in comparison.why), ""
    if why:
        verdict = _("Not comparable: %(why)s.") % {"why": why}
    elif comparison.within is not None:
        inside = _("Published figure inside our 95 % interval.")
        outside = _("Published figure outside our 95 % interval.")
        verdict = inside if comparison.within else outside
    result, share = ours.result, ours.share
    stack = result.deployment.details.get("stack") if result.deployment else None
    count = ngettext("%(n)s question", "%(n)s questions", ours.questions) % {"n": ours.questions}
    parts = [count, result.tool, stack_name(stack) if stack else "", phrase(result.label)]
    return row | {
        "why": why,
        "verdict": verdict,
        "how": _(", ").join([*filter(None, parts), result_place(result)]) + _("."),
        **{name: f"{100 * getattr(share, name):.1f}" for name in ("value", "low", "high")},
        "best_value": f"{100 * best.share.value:.1f}" if best else "",
    }
