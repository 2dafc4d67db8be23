"""Pages about endpoints: engines that this dashboard did not start."""

from __future__ import annotations

from dataclasses import fields
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.actions import endpoints as actions
from dashboard.pages.serving import endpoint_rows as presenter
from dashboard.security.permissions import allowed, check, requires
from dashboard.security.request import person
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.kinds.lib.base import endpoint_key
from jobs.models import Endpoint
from jobs.queries.endpoints import endpoint_page, endpoints, jobs_against
from jobs.services.endpoints import Entered, entered


@require_GET
@requires("endpoint.view")
def endpoint_list(request: HttpRequest) -> HttpResponse:
    """List endpoints; ``?all=1`` includes archived ones."""
    show_all = request.GET.get("all") == "1"
    rows = endpoints(with_archived=show_all)
    context = {
        "rows": [(row, *presenter.state_of(row)) for row in rows],
        "show_all": show_all,
        "may_add": allowed(request.user, "endpoint.create"),
    }
    return render(request, "endpoints/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("endpoint.create")
def endpoint_add(request: HttpRequest) -> HttpResponse:
    """Show the form (GET), then check and store the endpoint (POST)."""
    typed = _typed(request.POST if request.method == "POST" else request.GET)
    if request.method != "POST":
        return _form(request, typed, {}, None)
    try:
        row = actions.create(request.user, typed)
    except LaunchError as error:
        return _form(request, typed, {error.field: str(error)}, None)
    return redirect("endpoint-detail", row.pk)


@require_GET
@requires("endpoint.view")
def endpoint_detail(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """One endpoint: its check, what the engine told, results, active jobs."""
    try:
        page = endpoint_page(endpoint_id)
    except Endpoint.DoesNotExist as error:
        raise Http404(f"there is no endpoint {endpoint_id}") from error
    row = page.endpoint
    state, word = presenter.state_of(row)
    context = {
        "page": page,
        "endpoint": row,
        "state": state,
        "state_word": word,
        "check_text": message(row.check_id, row.check_args),
        "found": presenter.found_rows(row),
        "missing": presenter.missing_words(row),
        "launches": presenter.launches(row) if row.archived_at is None else [],
        "chat_key": endpoint_key(row.pk),
        "may_check": allowed(request.user, "endpoint.check", row),
        "may_change": allowed(request.user, "endpoint.change", row),
    }
    return render(request, "endpoints/detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("endpoint.change")
def endpoint_edit(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """Show the form (GET), then check and store the new values (POST)."""
    row = get_object_or_404(Endpoint, pk=endpoint_id)
    check(request.user, "endpoint.change", row)
    if request.method != "POST":
        return _form(request, entered(row), {}, row)
    typed, title = _typed(request.POST), row.name
    try:
        actions.change(request.user, row, typed)
    except LaunchError as error:
        row.name = title
        return _form(request, typed, {error.field: str(error)}, row)
    return redirect("endpoint-detail", endpoint_id)


@require_POST
@requires("endpoint.check")
def endpoint_check(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """Ask the engine now, from the dashboard's machine."""
    try:
        actions.ask(request.user, get_object_or_404(Endpoint, pk=endpoint_id))
    except LaunchError as error:
        context = {"why": str(error)}
        return render(request, "errors/busy.html", context, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return redirect("endpoint-detail", endpoint_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("endpoint.change")
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


def _form(
    request: HttpRequest, typed: Entered, errors: dict[str, str], row: Endpoint | None
) -> HttpResponse:
    context: dict[str, Any] = {
        "endpoint": row,
        "groups": presenter.form_groups(typed, errors, person(request)),
        "problem": errors.get("", ""),
    }
    return render(request, "endpoints/edit.html", context, status=422 if errors else 200)


def _typed(data: QueryDict) -> Entered:
    return Entered(**{field.name: data.get(field.name, "").strip() for field in fields(Entered)})


urlpatterns: list[URLPattern] = [
    path("", endpoint_list, name="endpoint-list"),
    path("add/", endpoint_add, name="endpoint-add"),
    path("<int:endpoint_id>/", endpoint_detail, name="endpoint-detail"),
    path("<int:endpoint_id>/edit/", endpoint_edit, name="endpoint-edit"),
    path("<int:endpoint_id>/check/", endpoint_check, name="endpoint-check"),
    path("<int:endpoint_id>/archive/", endpoint_archive, name="endpoint-archive"),
]
