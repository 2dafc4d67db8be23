"""Forms of a team's question set: upload or paste, preview, save, remove with undo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.actions import question_sets as actions
from dashboard.security.permissions import requires
from jobs.base.errors import LaunchError
from jobs.catalog import QUESTION_SETS
from jobs.catalog.question_sets import TeamSet
from jobs.catalog.questions_file import MOST_BYTES, ReadQuestions, read_questions
from jobs.catalog.questions_schema import jsonl

_FIELDS = ("id", "name", "note")
_SHOWN = 5
_MEASURES = ("short", "choice")


@require_http_methods(["GET", "HEAD", "POST"])
@requires("questions.change")
def question_add(request: HttpRequest) -> HttpResponse:
    """Form of a new set; a POST checks the questions, then saves them."""
    return _edit(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("questions.change")
def question_edit(request: HttpRequest, set_id: str) -> HttpResponse:
    """Form of a new version of a set, filled from the newest one."""
    return _edit(request, _team_set(set_id))


@require_http_methods(["GET", "HEAD", "POST"])
@requires("questions.change")
def question_remove(request: HttpRequest, set_id: str) -> HttpResponse:
    """Ask (GET), then remove a set from the list (POST)."""
    team_set = _team_set(set_id)
    if request.method != "POST":
        return render(request, "questions/remove.html", {"set": team_set})
    actions.remove(request.user, set_id)
    return redirect("question-detail", set_id)


@require_POST
@requires("questions.change")
def question_restore(request: HttpRequest, set_id: str) -> HttpResponse:
    """Take a removed set back into use."""
    if QUESTION_SETS.of_team(set_id) is None:
        raise Http404(set_id)
    if actions.restore(request.user, set_id):
        messages.success(request, _("%(id)s restored.") % {"id": set_id})
    return redirect("question-detail", set_id)


def _team_set(set_id: str) -> TeamSet:
    team_set = QUESTION_SETS.of_team(set_id)
    if team_set is None:
        raise Http404(set_id)
    return team_set


def _edit(request: HttpRequest, team_set: TeamSet | None) -> HttpResponse:
    if request.method != "POST":
        return _form(request, team_set, _stored(team_set))
    typed = {name: request.POST.get(name, "")[:2000] for name in _FIELDS}
    typed["onto"] = request.POST.get("onto", "")[:64]
    if team_set is not None:
        typed["id"] = team_set.id
    upload = request.FILES.get("file")
    content = (
        upload.read(MOST_BYTES + 1) if upload else request.POST.get("text", "").encode("utf-8")
    )
    read = read_questions(content)
    typed["text"] = read.text or ("" if upload else request.POST.get("text", ""))
    if read.faults or "save" not in request.POST:
        return _form(request, team_set, typed, read=read)
    try:
        onto = typed["onto"] if team_set else None
        saved = actions.save(request.user, typed, read.questions, onto=onto)
    except LaunchError as error:
        return _form(request, team_set, typed, read=read, errors={error.field: str(error)})
    messages.success(request, _("%(name)s saved.") % {"name": saved.name})
    return redirect("question-detail", saved.id)


def _stored(team_set: TeamSet | None) -> dict[str, str]:
    if team_set is None:
        return dict.fromkeys((*_FIELDS, "onto", "text"), "")
    try:
        text = jsonl(QUESTION_SETS.questions(team_set.id, team_set.current).questions)
    except KeyError:
        text = ""
    own = {"id": team_set.id, "name": team_set.name, "note": team_set.note}
    return {**own, "onto": team_set.current.sha256, "text": text}


def _form(
    request: HttpRequest,
    team_set: TeamSet | None,
    typed: Mapping[str, str],
    *,
    read: ReadQuestions | None = None,
    errors: Mapping[str, str] | None = None,
) -> HttpResponse:
    problems = errors or {}
    counts = [
        (sort, sum(question.sort == sort for question in read.questions))
        for sort in _MEASURES
        if read is not None
    ]
    context: dict[str, Any] = {
        "team_set": team_set,
        "is_new": team_set is None,
        "typed": typed,
        "read": read,
        "counts": counts,
        "shown": read.questions[:_SHOWN] if read else (),
        "errors": problems,
        "general_error": problems.get("", ""),
        "most_mib": MOST_BYTES // 1024 // 1024,
    }
    is_wrong = bool(problems or (read and read.faults))
    return render(request, "questions/form.html", context, status=422 if is_wrong else 200)


urlpatterns: list[URLPattern] = [
    path("add/", question_add, name="question-add"),
    path("<str:set_id>/edit/", question_edit, name="question-edit"),
    path("<str:set_id>/remove/", question_remove, name="question-remove"),
    path("<str:set_id>/restore/", question_restore, name="question-restore"),
]
