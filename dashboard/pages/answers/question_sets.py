"""Questions of the reader's list as a question set of the team, or as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.actions import question_sets as actions
from dashboard.pages.answers import reader
from dashboard.pages.answers.question_export import Export, export
from dashboard.pages.shared.old_addresses import with_old_queries
from dashboard.security.permissions import requires
from dashboard.text.labels import result_name
from jobs.base.errors import LaunchError
from jobs.catalog.questions import TeamSet, jsonl
from jobs.models import Result

FIELDS = ("id", "name", "note")
_SHOWN = 5


@require_http_methods(["GET", "HEAD", "POST"])
@requires("questions.change")
@with_old_queries("base")
def result_questions(request: HttpRequest, result_id: int) -> HttpResponse:
    """Preview of the listed answers' questions and form (GET); a POST saves them as a new set."""
    result = _result(result_id)
    query = reader.without(request.GET)
    here = reverse("result-answers", args=[result.pk])
    file = reverse("result-questions-file", args=[result.pk])
    context = {
        "title": _("Save as question set"),
        "lead": _("The questions of the listed answers, each once, as a set of the team."),
        "submit": _("Save set"),
        "origin": _("Answers of %(name)s") % {"name": result_name(result)},
        "back": f"{here}?{query}" if query else here,
        "file": f"{file}?{query}" if query else file,
    }

    def saved(team_set: TeamSet) -> HttpResponse:
        messages.success(request, _("%(name)s saved.") % {"name": team_set.name})
        return redirect("question-detail", team_set.id)

    found = export(request.GET, result)
    return form_page(request, found, context, saved)


@require_safe
@requires("result.view")
@with_old_queries("base")
def result_questions_file(request: HttpRequest, result_id: int) -> HttpResponse:
    """Download the listed answers' questions in the form that an upload accepts."""
    result = _result(result_id)
    found = export(request.GET, result)
    if found.own is None:
        raise Http404(found.problem)
    name = f"{found.proposed['id'] or result_name(result)}.jsonl"
    return HttpResponse(
        jsonl(found.own.questions),
        content_type="application/x-ndjson; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def form_page(
    request: HttpRequest,
    found: Export,
    context: Mapping[str, Any],
    saved: Callable[[TeamSet], HttpResponse],
) -> HttpResponse:
    """Show the form of a new set with these questions; a POST saves it and returns ``saved``."""
    typed, errors = found.proposed, {}
    if request.method == "POST":
        typed = {name: request.POST.get(name, "")[:2000] for name in FIELDS}
        if found.own is not None:
            try:
                return saved(actions.save(request.user, typed, found.own.questions, onto=None))
            except LaunchError as error:
                errors = {error.field: str(error)}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if request.method == "POST" else HTTPStatus.OK
    more = {
        "own": found.own,
        "shown": found.own.questions[:_SHOWN] if found.own else (),
        "problem": found.problem,
        "typed": typed,
        "errors": errors,
        "general_error": errors.get("", ""),
    }
    return render(request, "results/question_set.html", {**context, **more}, status=status)


def _result(result_id: int) -> Result:
    results = Result.objects.filter(type=Result.Type.EVALUATION)
    related = ("job", "deployment", "endpoint", "host", "imported")
    return get_object_or_404(results.select_related(*related), pk=result_id)


urlpatterns: list[URLPattern] = [
    path("<result:result_id>/answers/questions/", result_questions, name="result-questions"),
    path(
        "<result:result_id>/answers/questions.jsonl",
        result_questions_file,
        name="result-questions-file",
    ),
]
