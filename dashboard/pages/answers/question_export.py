"""Questions behind the reader's list, to save as a question set or to download."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import QueryDict
from django.utils.translation import gettext as _

from dashboard.pages.answers import reader
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from jobs.base.messages import Message
from jobs.catalog import QUESTION_SETS
from jobs.catalog.questions import LONGEST_NAME, LONGEST_NOTE
from jobs.models import Result
from jobs.queries.answers.answer_list import SHOWN, matches
from jobs.queries.answers.own_questions import NoQuestions, OwnQuestions, questions_at, set_of

_MOST_TRIED = 100


@dataclass(frozen=True, slots=True)
class Export:
    """``own`` is None where there is nothing to save; ``problem`` says why. ``proposed``: id, name
    and note of a set."""

    own: OwnQuestions | None
    problem: str
    proposed: dict[str, str]


def reason_of(result: Result) -> str:
    """Return why the questions of a result cannot be saved; "" if they can."""
    try:
        set_of(result)
    except NoQuestions as error:
        return text_of(error)
    return ""


def export(query: QueryDict, result: Result) -> Export:
    """Return the questions that an address of the reader lists."""
    try:
        own, proposed = _listed(query, result)
    except NoQuestions as error:
        return Export(None, text_of(error), {})
    return Export(own, "", proposed)


def text_of(error: NoQuestions) -> str:
    """Return the reason in words."""
    return message(error.reason.id, error.reason.args)


def _listed(query: QueryDict, result: Result) -> tuple[OwnQuestions, dict[str, str]]:
    set_of(result)
    shown = query.getlist("show")
    if unknown := [name for name in shown if name not in SHOWN]:
        raise NoQuestions(Message("questions:filter", {"name": unknown[0][:40]}))
    wanted = reader.asked(query, result).wanted
    if wanted.base is None and ("changed" in shown or query.get("base")):
        raise NoQuestions(Message("questions:no_base"))
    own = questions_at(result, matches(result, wanted).indexes)
    require(own)
    name = _("Answers of %(name)s") % {"name": result_name(result)}
    set_id = f"answers-{result_name(result)}"
    if wanted.base is not None and "changed" in shown:
        args = {"base": result_name(wanted.base), "result": result_name(result)}
        name = _("Changed answers, %(base)s → %(result)s") % args
        set_id = f"changed-{result_name(wanted.base)}-{result_name(result)}"
    return own, proposed(set_id, name, own)


def require(own: OwnQuestions) -> None:
    """Check that there are questions.

    Raises:
        NoQuestions: none.
    """
    if own.questions:
        return
    if own.lacking:
        raise NoQuestions(Message("questions:changed_since", {"key": own.key}))
    raise NoQuestions(Message("questions:no_match"))


def proposed(set_id: str, name: str, own: OwnQuestions) -> dict[str, str]:
    """Return id, name and note that a form begins with; the id is free."""
    note = _("From %(key)s.") % {"key": own.key}
    return {"id": _free(set_id), "name": name[:LONGEST_NAME], "note": note[:LONGEST_NOTE]}


def _free(set_id: str) -> str:
    tried = (set_id, *(f"{set_id}-{number}" for number in range(2, _MOST_TRIED)))
    return next((one for one in tried if QUESTION_SETS.of_team(one) is None), "")
