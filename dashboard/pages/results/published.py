"""Texts that compare published figures with ours."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.text.labels import phrase, result_place, stack_name
from jobs.catalog.schema import Published
from jobs.queries.results.published import Ours, PublishedComparison, Why

_WHY: dict[Why, str | Promise] = {
    "metric": gettext_lazy("the metric is not accuracy"),
    "split": gettext_lazy("different questions under the same name"),
    "prompt": gettext_lazy("different prompt"),
    "limited": gettext_lazy("first questions only"),
    "part": gettext_lazy("part of the set only"),
    "cut": gettext_lazy("some answers cut off"),
    "samples": gettext_lazy("paper: mean of several answers per question; here: one answer"),
}


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """Published figure; ``ours`` is our latest result, with figures in per cent as text."""

    item: Published
    ours: Ours | None
    best: Ours | None
    why: str
    verdict: str
    how: str = ""
    value: str = ""
    low: str = ""
    high: str = ""
    best_value: str = ""


def row_of(comparison: PublishedComparison) -> PublishedRow:
    """Return a row of the table."""
    ours = comparison.latest
    if ours is None:
        return PublishedRow(comparison.published, None, None, "", "")
    why = _("; ").join(str(_WHY[name]) for name in comparison.why)
    return PublishedRow(
        comparison.published,
        ours,
        comparison.best,
        why,
        _verdict(comparison, why),
        how=_how(ours),
        value=_per_cent(ours.share.value),
        low=_per_cent(ours.share.low),
        high=_per_cent(ours.share.high),
        best_value=_per_cent(comparison.best.share.value) if comparison.best else "",
    )


def _verdict(comparison: PublishedComparison, why: str) -> str:
    if why:
        return _("Not comparable: %(why)s.") % {"why": why}
    if comparison.within is None:
        return ""
    if comparison.within:
        return _("Published figure inside our 95 % interval.")
    return _("Published figure outside our 95 % interval.")


def _how(ours: Ours) -> str:
    """ "976 questions, OpenCompass 0.4.1, Deployment guide, fp8, va16-01."."""
    result = ours.result
    stack = result.deployment.details.get("stack") if result.deployment else None
    count = ngettext("%(n)s question", "%(n)s questions", ours.questions) % {"n": ours.questions}
    parts = [count, result.tool, stack_name(stack) if stack else "", phrase(result.label)]
    return _(", ").join([*filter(None, parts), result_place(result)]) + _(".")


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f}"
