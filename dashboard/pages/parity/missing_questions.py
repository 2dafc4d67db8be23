"""Ask the questions that one side of a parity statement lacks."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from dashboard.pages.answers.question_sets import form_page
from dashboard.pages.parity.asked import Stated, is_asked, stated
from dashboard.pages.parity.lacking import SIDES, export_of, launch_address, saved_set, sentence
from dashboard.pages.parity.parity import query_of
from dashboard.pages.shared.old_addresses import with_old_queries
from dashboard.security.permissions import requires
from jobs.catalog.questions import TeamSet
from jobs.queries.parity.errors import ParityError


@require_http_methods(["GET", "HEAD", "POST"])
@requires("questions.change")
@with_old_queries("base", "id")
def parity_missing(request: HttpRequest) -> HttpResponse:
    """Save the missing questions of ``side`` as a set, then open the form that asks them.

    The address has the statement: ``?base=res-11&id=res-27&side=result``.
    """
    found = _stated(request)
    which = next((side for side in SIDES if side == request.GET.get("side", "result")), None)
    if which is None:
        raise Http404("no such side")
    export = export_of(found, which)
    if known := saved_set(found, which, export):
        return redirect(launch_address(found, which, known.key))
    total = len(export.own.questions) if export.own else 0
    lead = _("%(sentence)s The launch form asks them with the same parameters.")
    context = {
        "title": _("Ask the missing questions"),
        "lead": lead % {"sentence": sentence(found, which, total)},
        "submit": _("Save and open the launch form"),
        "origin": _("Parity"),
        "back": f"{reverse('parity')}?{query_of(found)}",
        "file": "",
    }

    def saved(team_set: TeamSet) -> HttpResponse:
        return redirect(launch_address(found, which, team_set.key))

    return form_page(request, export, context, saved)


def _stated(request: HttpRequest) -> Stated:
    data = {name: request.GET.get(name, "") for name in ("base", "id", "margin", "goal", "planned")}
    if not is_asked(data):
        raise Http404("no two sides")
    try:
        return stated(data)
    except ParityError as error:
        raise Http404(error.reason.id) from error


urlpatterns: list[URLPattern] = [path("missing/", parity_missing, name="parity-missing")]
