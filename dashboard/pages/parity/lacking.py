"""Questions that one side of a statement lacks: in words, as a set, and the form that asks them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from dashboard.pages.answers.answers import form_page
from dashboard.pages.answers.reader import Export, export_of
from dashboard.pages.parity.asked import SideView, Stated, is_asked, query_of, stated
from dashboard.pages.shared.addresses import with_old_queries
from dashboard.security.permissions import requires
from dashboard.text.formatting import number
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from jobs.catalog import QUESTION_SETS
from jobs.catalog.questions import TeamSet, jsonl
from jobs.kinds import KINDS
from jobs.kinds.evaluate.evaluate import Evaluate
from jobs.models import Job
from jobs.queries.answers.own_questions import NoQuestions
from jobs.queries.parity.entered import ParityError
from jobs.queries.parity.runs import lacking, lacking_questions

Which = Literal["base", "result"]
SIDES: Sequence[Which] = ("result", "base")


def lacking_sides(stated: Stated) -> list[dict[str, Any]]:
    """Return the sides that lack questions; none for counts and tables. ``reason``: prevents asking
    them. ``later``: runs that answered some, each with its side's results as in an address."""
    found = []
    for which in SIDES if stated.source == "results" else ():
        side, other = _views(stated, which)
        missing = lacking(side.results, other.results)
        if missing is None:
            continue
        later = []
        for one in missing.later:
            text = ngettext(
                "%(result)s answered %(n)s of them.",
                "%(result)s answered %(n)s of them.",
                one.answered,
            )
            args = {"result": result_name(one.result), "n": number(one.answered)}
            later.append((text % args, f"{side.ids},{result_name(one.result)}"))
        text = _sentence(stated, which, missing.total)
        found.append({"which": which, "text": text, "reason": _reason(side), "later": later})
    return found


@require_http_methods(["GET", "HEAD", "POST"])
@requires("questions.change")
@with_old_queries("base", "id")
def parity_missing(request: HttpRequest) -> HttpResponse:
    """Save the missing questions of ``side`` as a set, then open the form that asks them.

    The address has the statement: ``?base=res-11&id=res-27&side=result``.
    """
    data = {name: request.GET.get(name, "") for name in ("base", "id", "margin", "goal", "planned")}
    if not is_asked(data):
        raise Http404("no two sides")
    try:
        found = stated(data)
    except ParityError as error:
        raise Http404(error.reason.id) from error
    which = next((side for side in SIDES if side == request.GET.get("side", "result")), None)
    if which is None:
        raise Http404("no such side")
    side = _views(found, which)[0]
    export = _export(found, which)
    if known := _saved_set(side, export):
        return redirect(_launch_address(side, known.key))
    total = len(export.own.questions) if export.own else 0
    lead = _("%(sentence)s The launch form asks them with the same parameters.")
    context = {
        "title": _("Ask the missing questions"),
        "lead": lead % {"sentence": _sentence(found, which, total)},
        "submit": _("Save and open the launch form"),
        "origin": _("Parity"),
        "back": f"{reverse('parity')}?{query_of(found)}",
        "file": "",
    }

    def saved(team_set: TeamSet) -> HttpResponse:
        return redirect(_launch_address(side, team_set.key))

    return form_page(request, export, context, saved)


def _export(stated: Stated, which: Which) -> Export:
    """Return the missing questions of a side as a set to save."""
    side, other = _views(stated, which)
    found = lacking(side.results, other.results)
    if found is None:
        return Export(problem=_("No question is missing."))
    name = _("Missing in %(side)s") % {"side": result_name(side.results[0])}
    try:
        export = export_of(lacking_questions(other.results, found), _set_id(side), name)
    except NoQuestions as error:
        return Export(problem=message(error.reason.id, error.reason.args))
    reason = _reason(side)
    return Export(problem=reason) if reason else export


def _sentence(stated: Stated, which: Which, total: int) -> str:
    """Return "60 questions of res-11 have no scored answer in res-27."."""
    side, other = _views(stated, which)
    text = ngettext(
        "%(n)s question of %(other)s has no scored answer in %(side)s.",
        "%(n)s questions of %(other)s have no scored answer in %(side)s.",
        total,
    )
    return text % {"n": number(total), "other": other.name, "side": side.name}


def _saved_set(side: SideView, export: Export) -> TeamSet | None:
    """Return the set that a person saved of these questions before."""
    team_set = QUESTION_SETS.of_team(_set_id(side))
    if team_set is None or team_set.removed_at or export.own is None:
        return None
    same = QUESTION_SETS.get(team_set.key)
    is_same = same is not None and jsonl(same.questions) == jsonl(export.own.questions)
    return team_set if is_same else None


def _launch_address(side: SideView, key: str) -> str:
    """Return the launch form that asks a set as the side's first run was asked."""
    job = _job(side)
    if job is None:
        raise ValueError("an import has no job")
    values = {"from": job.pk, "host": job.host.name, "questions": key, "limit": 0}
    query = urlencode({**values, "language": "all", "question_seed": 0, "stop_early": 0})
    return f"{reverse('launch-form', args=[job.kind])}?{query}"


def _reason(side: SideView) -> str:
    if _job(side) is None:
        text = _("%(side)s cannot be asked here: its questions came from files or another tool.")
        return text % {"side": side.name}
    return ""


def _job(side: SideView) -> Job | None:
    job = side.results[0].job
    return job if job is not None and isinstance(KINDS.get(job.kind), Evaluate) else None


def _views(stated: Stated, which: Which) -> tuple[SideView, SideView]:
    """Return the side that lacks questions, and the other one."""
    base, result = stated.sides
    return (base, result) if which == "base" else (result, base)


def _set_id(side: SideView) -> str:
    return f"missing-{result_name(side.results[0])}"
