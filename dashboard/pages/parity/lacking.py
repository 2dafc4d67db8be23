"""Missing questions of a statement's sides: in words, and as a question set to ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.pages.answers.question_export import Export, proposed, require, text_of
from dashboard.pages.parity.asked import SideView, Stated
from dashboard.text.formatting import number
from dashboard.text.labels import result_name
from jobs.catalog import QUESTION_SETS
from jobs.catalog.questions import TeamSet, jsonl
from jobs.kinds import KINDS
from jobs.kinds.evaluate.evaluate import Evaluate
from jobs.models import Job, Result
from jobs.queries.answers.own_questions import NoQuestions
from jobs.queries.parity.lacking import lacking, lacking_questions

Which = Literal["base", "result"]
SIDES: Sequence[Which] = ("result", "base")


@dataclass(frozen=True, slots=True)
class LaterRun:
    """A run that answered missing questions. ``side``: the results with it, as in an address."""

    text: str
    side: str


@dataclass(frozen=True, slots=True)
class LackingSide:
    """Missing questions of a side. ``reason``: prevents asking them; "" without one."""

    which: Which
    text: str
    reason: str
    later: Sequence[LaterRun]


def lacking_sides(stated: Stated) -> list[LackingSide]:
    """Return the sides that lack questions; none for counts and tables."""
    if stated.source != "results":
        return []
    return [one for which in SIDES if (one := _lacking_side(stated, which))]


def export_of(stated: Stated, which: Which) -> Export:
    """Return the missing questions of a side as a set to save."""
    side, other = _views(stated, which)
    found = lacking(side.results, other.results)
    if found is None:
        return Export(None, _("No question is missing."), {})
    try:
        own = lacking_questions(other.results, found)
        require(own)
    except NoQuestions as error:
        return Export(None, text_of(error), {})
    if reason := _reason(side):
        return Export(None, reason, {})
    name = _("Missing in %(side)s") % {"side": result_name(side.results[0])}
    return Export(own, "", proposed(_set_id(side), name, own))


def sentence(stated: Stated, which: Which, total: int) -> str:
    """Return "60 questions of res-11 have no scored answer in res-27."."""
    side, other = _views(stated, which)
    text = ngettext(
        "%(n)s question of %(other)s has no scored answer in %(side)s.",
        "%(n)s questions of %(other)s have no scored answer in %(side)s.",
        total,
    )
    return text % {"n": number(total), "other": other.name, "side": side.name}


def saved_set(stated: Stated, which: Which, export: Export) -> TeamSet | None:
    """Return the set that a person saved of these questions before."""
    team_set = QUESTION_SETS.of_team(_set_id(_views(stated, which)[0]))
    if team_set is None or team_set.removed_at or export.own is None:
        return None
    same = QUESTION_SETS.get(team_set.key)
    is_same = same is not None and jsonl(same.questions) == jsonl(export.own.questions)
    return team_set if is_same else None


def launch_address(stated: Stated, which: Which, key: str) -> str:
    """Return the launch form that asks a set as the side's first run was asked."""
    job = _job(_views(stated, which)[0].results)
    if job is None:
        raise ValueError("an import has no job")
    values = {"from": job.pk, "host": job.host.name, "questions": key, "limit": 0}
    query = urlencode({**values, "language": "all", "question_seed": 0, "stop_early": 0})
    return f"{reverse('launch-form', args=[job.kind])}?{query}"


def _lacking_side(stated: Stated, which: Which) -> LackingSide | None:
    side, other = _views(stated, which)
    found = lacking(side.results, other.results)
    if found is None:
        return None
    later = [
        LaterRun(
            ngettext(
                "%(result)s answered %(n)s of them.",
                "%(result)s answered %(n)s of them.",
                one.answered,
            )
            % {"result": result_name(one.result), "n": number(one.answered)},
            f"{side.ids},{result_name(one.result)}",
        )
        for one in found.later
    ]
    return LackingSide(which, sentence(stated, which, found.total), _reason(side), later)


def _reason(side: SideView) -> str:
    if _job(side.results) is None:
        return _(
            "%(side)s cannot be asked here: its questions came from files or another tool."
        ) % {"side": side.name}
    return ""


def _job(results: Sequence[Result]) -> Job | None:
    job = results[0].job
    return job if job is not None and isinstance(KINDS.get(job.kind), Evaluate) else None


def _views(stated: Stated, which: Which) -> tuple[SideView, SideView]:
    """Return the side that lacks questions, and the other one."""
    if which == "base":
        return stated.base, stated.result
    return stated.result, stated.base


def _set_id(side: SideView) -> str:
    return f"missing-{result_name(side.results[0])}"
