"""Tables of evaluations in the form of the deployment guide, with names that can be typed."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from dashboard.pages.shared import sets_table
from dashboard.pages.shared.compared import read_groups
from dashboard.pages.shared.old_addresses import with_old_queries
from dashboard.security.permissions import requires
from dashboard.text.messages import message
from jobs.models import Result
from jobs.queries.comparison.comparison import MOST
from jobs.queries.results.named import NotNumbered, pks_of
from jobs.queries.results.set_scores import set_groups

LONGEST_NAME = 120


@require_GET
@requires("result.view")
@with_old_queries("id")
def result_tables(request: HttpRequest) -> HttpResponse:
    """Show ``?id=res-11&id=res-27`` as tables; ``name`` is the heading of each in turn.

    ``format=md`` is a file.
    """
    try:
        wanted, problem = pks_of(request.GET.getlist("id"))[:MOST], ""
    except NotNumbered as error:
        wanted, problem = [], message(error.reason.id, error.reason.args)
    groups, missing = read_groups([[pk] for pk in wanted])
    results = [runs[0] for runs in groups if runs[0].type == Result.Type.EVALUATION]
    typed = request.GET.getlist("name")
    named = [
        (result, _name(result, typed[index] if index < len(typed) else ""))
        for index, result in enumerate(results)
    ]
    text = sets_table.tables([(set_groups(result), name) for result, name in named])
    if request.GET.get("format") == "md" and text:
        response = HttpResponse(text, content_type="text/markdown; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="tables.md"'
        response["X-Content-Type-Options"] = "nosniff"
        return response
    context: dict[str, Any] = {"named": named, "text": text, "query": request.GET.urlencode()}
    if missing or not text:
        advice = _("Select evaluations in the list, then Compare, then Tables.")
        context["problem"] = problem or advice
    status = 404 if missing or not named else 200
    return render(request, "results/tables.html", context, status=status)


def _name(result: Result, typed: str) -> str:
    """Return the typed name; else the name in the imported file, else of what was measured."""
    imported = result.imported
    own = imported.model if imported and imported.model else result.measured
    return typed.strip()[:LONGEST_NAME] or own


urlpatterns: list[URLPattern] = [path("tables/", result_tables, name="result-tables")]
