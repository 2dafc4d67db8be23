"""Pages about endpoints: engines that this dashboard did not start."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from dashboard.actions import endpoints as actions
from dashboard.actions.endpoints import EndpointForm
from dashboard.security.permissions import allowed, check, requires
from dashboard.text.formatting import number
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.kinds import KINDS
from jobs.kinds.lib.base import endpoint_key
from jobs.models import Endpoint
from jobs.queries.engines import endpoint_page, endpoints, jobs_against

# Kinds offered on an endpoint's page, the usual ones first: those that measure a deployment.
_USUAL = ("benchmark", "evaluate")
_KINDS_OFFERED = sorted(
    (
        name
        for name, kind in KINDS.items()
        if kind.family in ("benchmark", "evaluate") and "deployment" in kind.Params.model_fields
    ),
    key=lambda name: (name not in _USUAL, name),
)


@requires("endpoint.view", "GET")
def endpoint_list(request: HttpRequest) -> HttpResponse:
    """List endpoints; ``?all=1`` includes archived ones."""
    show_all = request.GET.get("all") == "1"
    context = {
        "rows": [(row, *state_of(row)) for row in endpoints(with_archived=show_all)],
        "show_all": show_all,
        "may_add": allowed(request.user, "endpoint.create"),
    }
    return render(request, "endpoints/list.html", context)


@requires("endpoint.create", "GET", "HEAD", "POST")
def endpoint_add(request: HttpRequest) -> HttpResponse:
    return _form(request, None)


@requires("endpoint.change", "GET", "HEAD", "POST")
def endpoint_edit(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    row = get_object_or_404(Endpoint, pk=endpoint_id)
    check(request.user, "endpoint.change", row)
    return _form(request, row)


def _form(request: HttpRequest, row: Endpoint | None) -> HttpResponse:
    context: dict[str, Any] = {"title": row.name if row else "", "number": row.pk if row else None}
    sent = request.POST if request.method == "POST" else None
    form = EndpointForm(sent, instance=row, initial=request.GET.dict(), user=request.user)
    status = 200
    if request.method == "POST":
        try:
            return redirect("endpoint-detail", actions.save(request.user, form).pk)
        except LaunchError:
            status = 422
    return render(request, "endpoints/edit.html", context | {"form": form}, status=status)


@requires("endpoint.view", "GET")
def endpoint_detail(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    try:
        page = endpoint_page(endpoint_id)
    except Endpoint.DoesNotExist as error:
        raise Http404(f"there is no endpoint {endpoint_id}") from error
    row = page.endpoint
    state, word = state_of(row)
    # What must be known before results count as repeats.
    needed = {_("engine"): row.engine_name, _("version"): row.version, _("device"): row.device}
    context = {
        "page": page,
        "endpoint": row,
        "state": state,
        "state_word": word,
        "check_text": message(row.check_id, row.check_args),
        "found": _found(row),
        "missing": _(", ").join(name for name, value in needed.items() if not value),
        "launches": _launches(row) if row.archived_at is None else [],
        "chat_key": endpoint_key(row.pk),
        "may_check": allowed(request.user, "endpoint.check", row),
        "may_change": allowed(request.user, "endpoint.change", row),
    }
    return render(request, "endpoints/detail.html", context)


def state_of(row: Endpoint) -> tuple[str, str]:
    if row.archived_at is not None:
        return "stopped", _("archived")
    if row.is_answering:
        return "ready", pgettext("of an endpoint", "answers")
    return "unhealthy", _("check failed")


def _found(row: Endpoint) -> list[tuple[str, str, str]]:
    """Return (name, value, source) of what is known of the engine; value "": unknown."""
    found, reported, stated = row.found, _("reported by the engine"), _("stated")
    context, models = row.context, ", ".join(map(str, found.get("models") or ()))
    length = _("%(n)s tokens") % {"n": number(context)} if context else ""
    counters = _("read during benchmarks") if found.get("has_counters") else ""
    facts = [
        (_("Engine"), row.engine_name, reported if found.get("engine") else stated),
        (_("Engine version"), row.version, reported if found.get("version") else stated),
        (_("Max model length"), length, stated if row.max_context else reported),
        (_("Listed models"), models, ""),
        (_("Counters"), counters, ""),
    ]
    return [(name, value, source if value else "") for name, value, source in facts]


def _launches(row: Endpoint) -> list[tuple[str, str]]:
    """Return (title, address of its form with this endpoint): the usual kind, a matrix, others."""
    query = urlencode({"deployment": endpoint_key(row.pk)})
    first, *others = (
        (_(KINDS[name].title), f"{reverse('launch-form', args=[name])}?{query}")
        for name in _KINDS_OFFERED
    )
    return [first, (_("Matrix"), f"{reverse('launch-matrix')}?{query}"), *others]


@requires("endpoint.check", "POST")
def endpoint_check(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    try:
        actions.check_now(request.user, get_object_or_404(Endpoint, pk=endpoint_id))
    except LaunchError as error:
        context = {"why": str(error)}
        return render(request, "errors/busy.html", context, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return redirect("endpoint-detail", endpoint_id)


@requires("endpoint.change", "GET", "HEAD", "POST")
def endpoint_archive(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """Ask (GET), then archive the endpoint, or bring it back with ``archived=0`` (POST)."""
    row = get_object_or_404(Endpoint, pk=endpoint_id)
    check(request.user, "endpoint.change", row)
    if request.method != "POST":
        context = {"endpoint": row, "jobs": jobs_against(row)}
        return render(request, "endpoints/archive.html", context)
    is_archived = request.POST.get("archived", "1") != "0"
    if actions.archive(request.user, row, is_archived=is_archived):
        text = _("%(name)s archived.") if is_archived else _("%(name)s restored.")
        messages.success(request, text % {"name": row.name})
    return redirect("endpoint-detail", endpoint_id)


urlpatterns: list[URLPattern] = [
    path("", endpoint_list, name="endpoint-list"),
    path("add/", endpoint_add, name="endpoint-add"),
    path("<int:endpoint_id>/", endpoint_detail, name="endpoint-detail"),
    path("<int:endpoint_id>/edit/", endpoint_edit, name="endpoint-edit"),
    path("<int:endpoint_id>/check/", endpoint_check, name="endpoint-check"),
    path("<int:endpoint_id>/archive/", endpoint_archive, name="endpoint-archive"),
]
