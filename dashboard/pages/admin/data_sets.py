"""Pages of data sets: list, one set, its files on hosts, its questions; forms of a team's sets."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from dashboard.actions import question_sets as actions
from dashboard.pages.launch.parts import findings_of
from dashboard.pages.shared.addresses import or_404
from dashboard.pages.shared.export import attachment
from dashboard.pages.shared.words import published_row
from dashboard.security.permissions import allowed, requires
from dashboard.security.request import person
from jobs.base.errors import LaunchError
from jobs.catalog import QUESTION_SETS, QuestionSet
from jobs.catalog.data_sets import DATA_SETS, DataSet
from jobs.catalog.questions import TeamSet, jsonl
from jobs.catalog.questions_file import MOST_BYTES, ReadQuestions, read_questions
from jobs.kinds import KINDS
from jobs.models import Host, Preflight
from jobs.queries import catalogue as queries
from jobs.queries.hosts import is_away
from jobs.schedule.launch_rights import may_launch
from jobs.tools.lib.folders import files_plan

_SHOWN = 10  # questions of a set on its page
_PREVIEWED = 5  # questions of a form
_FIELDS = ("id", "name", "note")
_WRITE = ("GET", "HEAD", "POST")


@requires("questions.view", "GET")
def question_list(request: HttpRequest) -> HttpResponse:
    """Show all data sets, the catalogue's and the team's; ``?removed=1`` adds removed ones."""
    removed = [one for one in QUESTION_SETS.team() if one.removed_at]
    rows = queries.set_rows()
    context = {
        "rows": rows,
        "measured": sum(one.latest is not None for one in rows),
        "removed": removed if request.GET.get("removed") else [],
        "has_removed": bool(removed),
        "may_change": allowed(request.user, "questions.change"),
    }
    return render(request, "questions/list.html", context)


@requires("questions.view", "GET")
def question_detail(request: HttpRequest, set_id: str) -> HttpResponse:
    known, team_set = _find(set_id)
    if known is None and team_set is None:
        raise Http404(set_id)
    questions = _questions(known, team_set, request.GET.get("version", ""))
    context: dict[str, Any] = {
        "set": known or team_set,
        "data_set": known,
        "team_set": team_set,
        "questions": questions,
        "shown": questions.questions[:_SHOWN] if questions else (),
        "version": questions.sha256 if questions else "",
        "is_older": bool(team_set and questions and questions.sha256 != team_set.current.sha256),
        "results": queries.results_of(set_id),
        "places": [(place, is_away(place.host)) for place in queries.places_of(known)]
        if known
        else [],
        "lacking": queries.lacking_hosts(known) if known else [],
        "published": [
            (model, published_row(comparison)) for model, comparison in queries.published_for(known)
        ]
        if known
        else [],
        "launches": _launches(known, team_set),
        "may_change": allowed(request.user, "questions.change"),
    }
    return render(request, "questions/detail.html", context)


def _find(set_id: str) -> tuple[DataSet | None, TeamSet | None]:
    known = DATA_SETS.get(set_id)
    return known, None if known else QUESTION_SETS.of_team(set_id)


def _questions(known: DataSet | None, team_set: TeamSet | None, version: str) -> QuestionSet | None:
    """Return the questions that this dashboard has: of the newest version, or the named one."""
    if known is not None:
        return QUESTION_SETS.included[known.included] if known.included else None
    if team_set is None:
        return None
    named = team_set.version(version) if version else team_set.current
    if named is None:
        raise Http404(version)
    try:
        return QUESTION_SETS.questions(team_set.id, named)
    except KeyError as error:
        raise Http404(version) from error


def _launches(known: DataSet | None, team_set: TeamSet | None) -> list[tuple[str, str]]:
    """Return (kind, address of its form) of each kind that asks the set."""
    asked: list[tuple[str, str, Any]] = []
    own = [name for name, kind in KINDS.items() if "questions" in kind.Params.model_fields]
    if known is not None:
        asked = [
            *((kind, "questions", known.included) for kind in own),
            ("evaluate-opencompass", "datasets", getattr(known.opencompass, "name", None)),
            ("evaluate-evalscope", "datasets", getattr(known.evalscope, "name", None)),
        ]
    elif team_set is not None and not team_set.removed_at:
        asked = [(kind, "questions", team_set.key) for kind in own]
    return [
        (kind, f"{reverse('launch-form', args=[kind])}?{urlencode({field: value})}")
        for kind, field, value in asked
        if value
    ]


@requires("questions.view", "GET", "HEAD")
def question_file(request: HttpRequest, set_id: str) -> HttpResponseBase:
    questions = _questions(*_find(set_id), request.GET.get("version", ""))
    if questions is None:
        raise Http404(set_id)
    name = f"{set_id}-{questions.sha256[:12]}.jsonl"
    return attachment(jsonl(questions.questions), name, "application/x-ndjson")


@requires("questions.check", "POST")
def question_check(request: HttpRequest, set_id: str, host_name: str) -> HttpResponse:
    known, host = DATA_SETS.get(set_id), get_object_or_404(Host, name=host_name)
    site = queries.site_for(known, host) if known else None
    if known is None or site is None or known.included:
        raise Http404(set_id)
    if not may_launch(host, person(request)):
        raise PermissionDenied
    looked_for = files_plan(known, site, has_dies=bool(host.facts.get("dies")))
    return _findings(request, actions.check(request.user, host, set_id, looked_for))


@requires("questions.check", "GET")
def question_findings(request: HttpRequest, preflight_id: int) -> HttpResponse:
    return _findings(request, get_object_or_404(Preflight, pk=preflight_id, job=None))


def _findings(request: HttpRequest, asked: Preflight) -> HttpResponse:
    return render(request, "questions/_findings.html", findings_of(asked))


@requires("questions.change", *_WRITE)
def question_remove(request: HttpRequest, set_id: str) -> HttpResponse:
    team_set = or_404(QUESTION_SETS.of_team, set_id)
    if request.method != "POST":
        return render(request, "questions/remove.html", {"set": team_set})
    actions.mark(request.user, set_id, is_removed=True)
    return redirect("question-detail", set_id)


@requires("questions.change", "POST")
def question_restore(request: HttpRequest, set_id: str) -> HttpResponse:
    or_404(QUESTION_SETS.of_team, set_id)
    if actions.mark(request.user, set_id, is_removed=False):
        messages.success(request, _("%(id)s restored.") % {"id": set_id})
    return redirect("question-detail", set_id)


@requires("questions.change", *_WRITE)
def question_edit(request: HttpRequest, set_id: str | None = None) -> HttpResponse:
    """Edit a set; without an id, add one."""
    team_set = None if set_id is None else or_404(QUESTION_SETS.of_team, set_id)
    if request.method != "POST":
        return _form(request, team_set, _stored(request, team_set))
    typed = {name: request.POST.get(name, "")[:2000] for name in _FIELDS}
    typed["onto"] = request.POST.get("onto", "")[:64]
    if team_set is not None:
        typed["id"] = team_set.id
    upload, text = request.FILES.get("file"), request.POST.get("text", "")
    read = read_questions(upload.read(MOST_BYTES + 1) if upload else text.encode())
    typed["text"] = read.text or ("" if upload else text)
    if read.faults or "save" not in request.POST:
        return _form(request, team_set, typed, read=read)
    try:
        onto = typed["onto"] if team_set else None
        saved = actions.save(request.user, typed, read.questions, onto=onto)
    except LaunchError as error:
        return _form(request, team_set, typed, read=read, errors={error.field: str(error)})
    messages.success(request, _("%(name)s saved.") % {"name": saved.name})
    return redirect("question-detail", saved.id)


def _stored(request: HttpRequest, team_set: TeamSet | None) -> dict[str, str]:
    if team_set is None:
        return dict.fromkeys((*_FIELDS, "onto", "text"), "")
    try:
        text = jsonl(QUESTION_SETS.questions(team_set.id, team_set.current).questions)
    except KeyError:
        text = ""
        missing = _("The questions are missing or changed on the disk. Enter them again.")
        messages.error(request, missing)
    own = {name: getattr(team_set, name) for name in _FIELDS}
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
    questions = read.questions if read else ()
    context: dict[str, Any] = {
        "team_set": team_set,
        "is_new": team_set is None,
        "typed": typed,
        "read": read,
        "counts": [
            (sort, sum(one.sort == sort for one in questions)) for sort in ("short", "choice")
        ],
        "shown": questions[:_PREVIEWED],
        "errors": problems,
        "general_error": problems.get("", ""),
        "most_mib": MOST_BYTES // 1024 // 1024,
    }
    is_wrong = bool(problems or (read and read.faults))
    return render(request, "questions/form.html", context, status=422 if is_wrong else 200)


urlpatterns: list[URLPattern] = [
    path("", question_list, name="question-list"),
    path("add/", question_edit, name="question-add"),
    path("checks/<int:preflight_id>/", question_findings, name="question-findings"),
    path("<str:set_id>/", question_detail, name="question-detail"),
    path("<str:set_id>/edit/", question_edit, name="question-edit"),
    path("<str:set_id>/remove/", question_remove, name="question-remove"),
    path("<str:set_id>/restore/", question_restore, name="question-restore"),
    path("<str:set_id>/questions.jsonl", question_file, name="question-file"),
    path("<str:set_id>/check/<str:host_name>/", question_check, name="question-check"),
]
