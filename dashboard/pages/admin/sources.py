"""Permitted sources of code and data: a list for everyone, which administrators change."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.actions import sources as actions
from dashboard.security.permissions import allowed, requires
from jobs.access import sources
from jobs.access.source_addresses import special_range
from jobs.base.errors import LaunchError
from jobs.models import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class _Typed:
    """Values of the form."""

    type: str
    address: str
    note: str


@dataclass(frozen=True, slots=True)
class _Group:
    """Included sources of one type."""

    label: str | Promise
    sources: list[sources.Included]


@require_GET
@requires("source.view")
def source_list(request: HttpRequest) -> HttpResponse:
    """Show the list and the included sources; for administrators a form, filled from the URL."""
    return _list(request, _typed(request.GET), {})


@require_POST
@requires("source.manage")
def source_add(request: HttpRequest) -> HttpResponse:
    """Add ``address`` of ``type`` to the list."""
    typed = _typed(request.POST)
    try:
        row = actions.add(request.user, typed.type, typed.address, typed.note)
    except LaunchError as error:
        return _list(request, typed, {error.field: str(error)})
    added = gettext("%(address)s added.") % {"address": row.address}
    if found := special_range(row.address):
        warning = gettext("It is %(what)s.") % {"what": found}
        messages.warning(request, f"{added} {warning}")
    else:
        messages.success(request, added)
    return redirect("source-list")


@require_http_methods(["GET", "POST"])
@requires("source.manage")
def source_remove(request: HttpRequest, source_id: int) -> HttpResponse:
    """Ask (GET), then remove a source from the list (POST)."""
    row = Source.objects.filter(pk=source_id).first()
    if row is None:
        raise Http404(source_id)
    if request.method == "POST":
        actions.remove(request.user, source_id)
        messages.success(request, gettext("%(address)s removed.") % {"address": row.address})
        return redirect("source-list")
    context = {
        "source": row,
        "label": sources.TYPES[row.type],
        "jobs": sources.stopped_by_removal(row),
    }
    return render(request, "sources/remove.html", context)


def _list(request: HttpRequest, typed: _Typed, errors: dict[str, str]) -> HttpResponse:
    rows = Source.objects.select_related("created_by")
    context = {
        "listed": [
            (row, sources.TYPES.get(row.type, row.type), special_range(row.address)) for row in rows
        ],
        "included": _groups(),
        "typed": typed,
        "errors": errors,
        "types": [
            (name, sources.TYPES[name], sources.EXAMPLES[name]) for name in sources.addable_types()
        ],
        "may_change": allowed(request.user, "source.manage"),
    }
    return render(request, "sources/list.html", context, status=422 if errors else 200)


def _groups() -> list[_Group]:
    groups = []
    for name, label in sources.TYPES.items():
        mine = [one for one in sources.included() if one.type == name]
        groups.append(_Group(label, mine))
    return groups


def _typed(data: QueryDict) -> _Typed:
    fields = ("type", "address", "note")
    return _Typed(**{name: data.get(name, "").strip() for name in fields})


urlpatterns: list[URLPattern] = [
    path("", source_list, name="source-list"),
    path("add/", source_add, name="source-add"),
    path("<int:source_id>/remove/", source_remove, name="source-remove"),
]
