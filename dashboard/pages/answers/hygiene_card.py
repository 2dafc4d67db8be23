"""Quality of the answers on which a score rests, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.pages.shared.flags import thinking_words
from dashboard.text.answers import MEANINGS, TITLES
from dashboard.text.formatting import number, percent
from jobs.models import Result
from jobs.queries.answers.hygiene import Faulty, Hygiene, hygiene


@dataclass(frozen=True, slots=True)
class Row:
    """A flag: count and share, and the score if all its answers were incorrect, or correct."""

    name: str
    title: str
    meaning: str
    count: int
    is_known: bool
    share: str
    bounds: str
    move: str


@dataclass(frozen=True, slots=True)
class Card:
    """The table with its conclusion. ``unscored`` and ``thinking``, which tells of a switch without
    effect, are sentences, "" for none."""

    conclusion: str
    is_clean: bool
    total: int
    rows: Sequence[Row]
    unscored: str
    thinking: str


def hygiene_card(result: Result) -> Card | None:
    """Return the card of an evaluation; None without stored answers."""
    known = hygiene(result)
    if known is None:
        return None
    rows = [_row(known, one, is_known=one.flag not in known.unknown) for one in known.flags]
    return Card(
        _conclusion(known),
        not known.any.count,
        known.total,
        rows,
        _unscored(known),
        thinking_words(result),
    )


def _row(known: Hygiene, one: Faulty, *, is_known: bool) -> Row:
    return Row(
        name=one.flag,
        title=str(TITLES[one.flag]),
        meaning=str(MEANINGS[one.flag]),
        count=one.count,
        is_known=is_known,
        share=percent(one.share),
        bounds=f"{percent(one.low)} – {percent(one.high)}",
        move=_move(known, one),
    )


def _move(known: Hygiene, one: Faulty) -> str:
    """Return the largest change of the score in points, down and up: "−1.20 / +0.40"."""
    if known.score is None:
        return ""
    down, up = 100 * (one.low - known.score), 100 * (one.high - known.score)
    return f"{number(down, 2, signed=True)} / {number(up, 2, signed=True)}"


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


def _unscored(known: Hygiene) -> str:
    if not known.unscored:
        return ""
    text = ngettext(
        "Unscored is not incorrect: %(n)s answer without a score is not in the score.",
        "Unscored is not incorrect: %(n)s answers without a score are not in the score.",
        known.unscored,
    )
    return text % {"n": number(known.unscored)}
