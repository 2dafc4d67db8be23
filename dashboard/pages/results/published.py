"""Texts that compare published figures with ours."""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.text.labels import phrase, result_place, stack_name
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


def row_of(comparison: PublishedComparison) -> dict[str, Any]:
    """Return a row of the table: the figure, and what stands for us in per cent as text."""
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
    share = ours.share
    return row | {
        "why": why,
        "verdict": verdict,
        "how": _how(ours),
        **{name: f"{100 * getattr(share, name):.1f}" for name in ("value", "low", "high")},
        "best_value": f"{100 * best.share.value:.1f}" if best else "",
    }


def _how(ours: Ours) -> str:
    """ "976 questions, OpenCompass 0.4.1, Deployment guide, fp8, va16-01."."""
    result = ours.result
    stack = result.deployment.details.get("stack") if result.deployment else None
    count = ngettext("%(n)s question", "%(n)s questions", ours.questions) % {"n": ours.questions}
    parts = [count, result.tool, stack_name(stack) if stack else "", phrase(result.label)]
    return _(", ").join([*filter(None, parts), result_place(result)]) + _(".")
