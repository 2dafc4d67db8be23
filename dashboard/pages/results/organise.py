"""Changes that people make to results: tags, notes, sign-offs, baseline, saved views."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.actions import results as actions
from dashboard.pages.results.results import kept, result_response
from dashboard.security.permissions import requires
from dashboard.security.request import back_of
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.models import Note, Result, SavedView, SignOff, Tag
from jobs.queries.results.results import NotNumbered, pks_of


@requires("result.tag", "POST")
def tag_results(request: HttpRequest) -> HttpResponse:
    """Add ``tags`` to each result ``id``; then redirect to ``next``."""
    wanted: list[int] = []
    typed = request.POST.get("tags", "")
    try:
        wanted = pks_of(request.POST.getlist("id"))
        changed = actions.tag(request.user, wanted, actions.parse_tags(typed))
        text = ngettext("%(n)s result tagged.", "%(n)s results tagged.", changed)
        messages.success(request, text % {"n": changed})
    except NotNumbered as error:
        why = message(error.reason.id, error.reason.args)
        messages.error(request, _("Not tagged. %(why)s") % {"why": why})
    except LaunchError as error:
        if len(wanted) == 1 and request.POST.get("from") == "result":
            return _refused(request, wanted[0], {"tags": typed}, error)
        messages.error(request, _("Not tagged. %(why)s") % {"why": error})
    return _back(request)


@requires("result.untag", "POST")
def untag_result(request: HttpRequest, result_id: int) -> HttpResponse:
    """Remove the tag ``name``; then redirect to ``next``."""
    result = get_object_or_404(Result, pk=result_id)
    tag = get_object_or_404(Tag, result=result, name=request.POST.get("name", ""))
    actions.untag(request.user, tag)
    return _back(request, result_id)


@requires("result.note", "POST")
def add_note(request: HttpRequest, result_id: int) -> HttpResponse:
    return _added(request, result_id, actions.note, "text", "notes")


@requires("result.change_note", "POST")
def change_note(request: HttpRequest, note_id: int) -> HttpResponse:
    """Replace the text of a note, or remove the note with ``remove=1``."""
    note = get_object_or_404(Note, pk=note_id)
    if request.POST.get("remove") == "1":
        actions.remove_note(request.user, note)
        messages.success(request, _("Note removed."))
        return _back(request, note.result_id, "notes")
    text, name = request.POST.get("text", ""), f"note-{note_id}"
    try:
        actions.change_note(request.user, note, text)
    except LaunchError as error:
        return _refused(request, note.result_id, {name: text}, error, name)
    return _back(request, note.result_id, "notes")


@requires("result.sign_off", "POST")
def sign_off(request: HttpRequest, result_id: int) -> HttpResponse:
    def add(user: actions.Person, result: Result, purpose: str) -> None:
        actions.sign_off(user, result, purpose, request.POST.getlist("accept"))

    return _added(request, result_id, add, "purpose", "sign-off")


@requires("result.withdraw", "POST")
def withdraw(request: HttpRequest, sign_off_id: int) -> HttpResponse:
    """Withdraw a sign-off; its row stays."""
    row = get_object_or_404(SignOff, pk=sign_off_id)
    if actions.withdraw(request.user, row):
        messages.success(request, _("Sign-off withdrawn. It stays in the history."))
    return _back(request, row.result_id, "sign-off")


@requires("result.baseline", "POST")
def baseline(request: HttpRequest, result_id: int) -> HttpResponse:
    """``set=1`` makes a result the baseline, ``0`` ends it; then redirect to ``next``."""
    result = get_object_or_404(Result, pk=result_id)
    name = {"name": result_name(result)}
    if request.POST.get("set") != "1":
        if actions.remove_baseline(request.user, result):
            messages.success(request, _("%(name)s is no longer the baseline.") % name)
        return _back(request, result_id, "baseline")
    try:
        if actions.set_baseline(request.user, result):
            messages.success(request, _("%(name)s is the baseline now.") % name)
    except LaunchError as error:
        messages.error(request, _("Baseline not set. %(why)s") % {"why": error})
    return _back(request, result_id, "baseline")


@requires("result.save_view", "POST")
def save_view(request: HttpRequest) -> HttpResponse:
    """Save the filters ``query`` under ``name``, for everyone with ``shared=1``."""
    query, address = kept(QueryDict(request.POST.get("query", ""))), reverse("result-list")
    name, is_shared = request.POST.get("name", ""), request.POST.get("shared") == "1"
    try:
        view = actions.save_view(request.user, name, query, is_shared=is_shared)
        query = view.query
        messages.success(request, _("View “%(name)s” saved.") % {"name": view.name})
    except LaunchError as error:
        messages.error(request, _("View not saved. %(why)s") % {"why": error})
    return HttpResponseRedirect(f"{address}?{query}" if query else address)


@requires("result.change_view", "POST")
def change_view(request: HttpRequest, view_id: int) -> HttpResponse:
    """Give a view the name ``name``, share it or not, or remove it with ``remove=1``."""
    view = get_object_or_404(SavedView, pk=view_id)
    if request.POST.get("remove") == "1":
        actions.remove_view(request.user, view)
        messages.success(request, _("View “%(name)s” removed.") % {"name": view.name})
        return _back(request)
    name, is_shared = request.POST.get("name", ""), request.POST.get("shared") == "1"
    try:
        actions.change_view(request.user, view, name=name, is_shared=is_shared)
    except LaunchError as error:
        messages.error(request, _("View not changed. %(why)s") % {"why": error})
    return _back(request)


def _added(
    request: HttpRequest, result_id: int, add: Callable[..., Any], field: str, anchor: str
) -> HttpResponse:
    result, text = get_object_or_404(Result, pk=result_id), request.POST.get(field, "")
    try:
        add(request.user, result, text)
    except LaunchError as error:
        return _refused(request, result_id, {field: text}, error)
    return _back(request, result_id, anchor)


def _refused(
    request: HttpRequest, result_id: int, typed: dict[str, str], error: LaunchError, field: str = ""
) -> HttpResponse:
    errors = {field or error.field: str(error)}
    return result_response(request, result_id, typed=typed, errors=errors)


def _back(request: HttpRequest, result_id: int | None = None, anchor: str = "") -> HttpResponse:
    if back := back_of(request):
        return back
    if result_id is None:
        return redirect("result-list")
    address = reverse("result-detail", args=[result_id])
    return HttpResponseRedirect(f"{address}#{anchor}" if anchor else address)


urlpatterns: list[URLPattern] = [
    path("tags/", tag_results, name="result-tag"),
    path("<result:result_id>/untag/", untag_result, name="result-untag"),
    path("<result:result_id>/notes/", add_note, name="result-note"),
    path("notes/<int:note_id>/", change_note, name="result-change-note"),
    path("<result:result_id>/sign-off/", sign_off, name="result-sign-off"),
    path("sign-offs/<int:sign_off_id>/withdraw/", withdraw, name="result-withdraw"),
    path("<result:result_id>/baseline/", baseline, name="result-baseline"),
    path("views/", save_view, name="result-save-view"),
    path("views/<int:view_id>/", change_view, name="result-change-view"),
]
