"""Permitted sources of code and data: a list for everyone, which administrators change."""

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from dashboard.actions import sources as actions
from dashboard.security.permissions import allowed, requires
from jobs.access import sources
from jobs.access.sources import special_range
from jobs.base.errors import LaunchError
from jobs.models import Source


@requires("source.view", "GET")
def source_list(request: HttpRequest) -> HttpResponse:
    """Show the list and the included sources; for administrators a form, filled from the URL."""
    return _list(request, _typed(request.GET), {})


@requires("source.manage", "POST")
def source_add(request: HttpRequest) -> HttpResponse:
    typed = _typed(request.POST)
    try:
        row = actions.add(request.user, typed["type"], typed["address"], typed["note"])
    except LaunchError as error:
        return _list(request, typed, {error.field: str(error)})
    added = _("%(address)s added.") % {"address": row.address}
    if found := special_range(row.address):
        warning = _("It is %(what)s.") % {"what": found}
        messages.warning(request, f"{added} {warning}")
    else:
        messages.success(request, added)
    return redirect("source-list")


@requires("source.manage", "GET", "POST")
def source_remove(request: HttpRequest, source_id: int) -> HttpResponse:
    row = get_object_or_404(Source, pk=source_id)
    if request.method == "POST":
        actions.remove(request.user, source_id)
        messages.success(request, _("%(address)s removed.") % {"address": row.address})
        return redirect("source-list")
    label, jobs = sources.TYPES[row.type], sources.stopped_by_removal(row)
    return render(request, "sources/remove.html", {"source": row, "label": label, "jobs": jobs})


def _list(
    request: HttpRequest, typed: Mapping[str, str], errors: Mapping[str, str]
) -> HttpResponse:
    rows, included = Source.objects.select_related("created_by"), sources.included()
    context = {
        "listed": [
            (row, sources.TYPES.get(row.type, row.type), special_range(row.address)) for row in rows
        ],
        "included": [
            (label, one)
            for name, label in sources.TYPES.items()
            for one in included
            if one.type == name
        ],
        "typed": typed,
        "errors": errors,
        "types": [
            (name, sources.TYPES[name], sources.EXAMPLES[name]) for name in sources.addable_types()
        ],
        "may_change": allowed(request.user, "source.manage"),
    }
    return render(request, "sources/list.html", context, status=422 if errors else 200)


def _typed(data: Mapping[str, str]) -> dict[str, str]:
    return {name: data.get(name, "").strip() for name in ("type", "address", "note")}


urlpatterns: list[URLPattern] = [
    path("", source_list, name="source-list"),
    path("add/", source_add, name="source-add"),
    path("<int:source_id>/remove/", source_remove, name="source-remove"),
]
