"""Quality of the answers on which a score rests, as a table."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.pages.shared.marks import thinking_words
from dashboard.text.answers import MEANINGS, TITLES
from dashboard.text.formatting import number, percent, points
from jobs.models import Result
from jobs.queries.answers.hygiene import Faulty, Hygiene, hygiene


def hygiene_card(result: Result) -> dict[str, Any] | None:
    """Return the table with its conclusion; None without stored answers. ``unscored`` and
    ``thinking``, which tells of a switch without effect, are sentences, "" for none."""
    known = hygiene(result)
    if known is None:
        return None
    text = ngettext(
        "Unscored is not incorrect: %(n)s answer without a score is not in the score.",
        "Unscored is not incorrect: %(n)s answers without a score are not in the score.",
        known.unscored,
    )
    return {
        "conclusion": _conclusion(known),
        "is_clean": not known.any.count,
        "total": known.total,
        "rows": [_row(known, one) for one in known.flags],
        "unscored": text % {"n": number(known.unscored)} if known.unscored else "",
        "thinking": thinking_words(result),
    }


def _row(known: Hygiene, one: Faulty) -> dict[str, Any]:
    """Return a flag: count and share, and the score if all its answers were incorrect, or correct,
    with the change of the score in points: "−1.20 / +0.40"."""
    score = known.score
    return {
        "name": one.flag,
        "title": str(TITLES[one.flag]),
        "meaning": str(MEANINGS[one.flag]),
        "count": one.count,
        "is_known": one.flag not in known.unknown,
        "share": percent(one.share),
        "bounds": f"{percent(one.low)} – {percent(one.high)}",
        "move": "" if score is None else f"{points(one.low - score)} / {points(one.high - score)}",
    }


def _conclusion(known: Hygiene) -> str:
    if not known.any.count:
        text = _("No answer is faulty, as far as the tool's files tell.")
        return text if known.unknown else _("No answer is faulty.")
    text = ngettext(
        "%(n)s of %(total)s answers is faulty: the score could be %(low)s to %(high)s %%.",
        "%(n)s of %(total)s answers are faulty: the score could be %(low)s to %(high)s %%.",
        known.any.count,
    )
    return text % {
        "n": number(known.any.count),
        "total": number(known.total),
        "low": percent(known.any.low),
        "high": percent(known.any.high),
    }
