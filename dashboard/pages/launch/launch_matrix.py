"""Launch form of a matrix: presets, table of cells with skipped ones, and launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET, require_http_methods

from dashboard.actions import jobs as job_actions
from dashboard.actions.action import once
from dashboard.pages.launch.confirmation_form import confirmed_in
from dashboard.pages.launch.launch import offered
from dashboard.pages.launch.matrix_form import (
    kind_of,
    kinds_on,
    matrix_form,
    with_errors,
    workload_of,
)
from dashboard.pages.shared.plan import command_view
from dashboard.security.permissions import requires
from dashboard.security.request import person
from dashboard.text import queue_words as queue
from jobs.base.errors import LaunchError
from jobs.catalog.presets import WORKLOADS, Workload
from jobs.kinds import KINDS
from jobs.kinds.lib.base import Kind
from jobs.launch.launch import InvalidParams
from jobs.launch.matrices import CellPreview, MatrixPreview, preview_matrix
from jobs.models import Host, Matrix
from jobs.schedule.launch_rights import open_hosts
from jobs.schedule.targets import target_of


@require_http_methods(["GET", "HEAD", "POST"])
@requires("job.launch")
def launch_matrix(request: HttpRequest) -> HttpResponse:
    """Show the form with its cells, filled from the URL; POST launches the matrix."""
    if request.method != "POST":
        return render(request, "launch/matrix.html", _context(request, request.GET))
    context = _context(request, request.POST)
    form = context["form"]
    if form is None:
        return redirect("launch-matrix")
    if form.workload.commands:  # each in its own form
        return render(request, "launch/matrix.html", context, status=422)
    try:
        matrix_id = once(request, lambda: _launch(request, context).pk)
    except InvalidParams as error:
        errors = error.fields
    except LaunchError as error:
        errors = {error.field: str(error)}
    else:
        return redirect("matrix-detail", matrix_id)
    context["form"] = with_errors(form, context["target"], errors)
    context["general_error"] = errors.get("", "")
    return render(request, "launch/matrix.html", context, status=422)


def _launch(request: HttpRequest, context: Mapping[str, Any]) -> Matrix:
    """Launch the posted form.

    Raises:
        LaunchError: a field is wrong, or a warning is not confirmed.
    """
    host, form, planned = context["host"], context["form"], context["planned"]
    if planned is None or form.errors:
        raise InvalidParams(form.errors)
    return job_actions.launch_matrix(
        request.user,
        form.spec,
        host,
        priority=queue.priority_for(request.user, request.POST.get("priority", "")),
        confirmed=confirmed_in(request, host, planned.first.preview.plan),
    )


@require_GET
@requires("job.launch")
def launch_matrix_script(request: HttpRequest) -> HttpResponse:
    """Download all runs of the form in the URL as one shell script."""
    planned = _context(request, request.GET)["planned"]
    if planned is None:
        raise Http404("this form makes no matrix")
    return HttpResponse(
        planned.script,
        content_type="text/x-shellscript; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="matrix.sh"'},
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """Cells of one pair of lengths."""

    input_tokens: int | None
    output_tokens: int
    cells: list[CellPreview]


def _context(request: HttpRequest, data: QueryDict) -> dict[str, Any]:
    user = person(request)
    host = _host(data, user)
    target = target_of(host) if host else None
    base: dict[str, Any] = {
        "workloads": list(WORKLOADS.values()),
        "workload": workload_of(data),
        "hosts": offered(host, user),
        "host": host,
        "target": target,
        "form": None,
        "planned": None,
        "general_error": "",
    }
    kind = kind_of(data, target) if target else None
    if host is None or target is None or kind is None:
        return base
    form = matrix_form(data, kind, target)
    planned = preview_matrix(form.spec, host, target, user=user) if form.spec else None
    if planned is not None and planned.errors:
        form = with_errors(form, target, planned.errors)
    launchable = planned is not None and not planned.errors
    return base | {
        "form": form,
        "kinds": kinds_on(target),
        "kind": kind,
        "planned": planned if launchable else None,
        "rows": _rows(planned) if planned else [],
        "columns": list(form.spec.concurrency) if form.spec else [],
        "general_error": form.errors.get("", ""),
        "view": _view(planned) if planned and launchable else None,
        "priorities": queue.priorities_for(request.user),
        "priority": str(data.get("priority", "normal")),
        "address": f"{reverse('launch-matrix')}?{form.query}",
        "script_address": f"{reverse('launch-matrix-script')}?{form.query}",
        "commands": _commands(form.workload, host, data),
    }


def _commands(workload: Workload, host: Host, data: QueryDict) -> list[tuple[Kind, str, str]]:
    """Return the forms of a workload's separate jobs: kind, verbatim and corrected address."""
    found = []
    for name in workload.commands:
        kind = KINDS[name]
        query = {"host": host.name}
        if "deployment" in kind.Params.model_fields and data.get("deployment"):
            query["deployment"] = str(data["deployment"])
        address = reverse("launch-form", args=[name])
        exact = urlencode({**query, "as_in_guide": "1"})
        found.append((kind, f"{address}?{exact}", f"{address}?{urlencode(query)}"))
    return found


def _view(planned: MatrixPreview) -> Any:
    """Return the command of the first run for display."""
    first = planned.first
    if first is None or first.preview is None or first.preview.plan is None:
        return None
    return command_view(first.preview.plan, first.preview.values, proposed=first.preview.open_slots)


def _rows(planned: MatrixPreview) -> list[_Row]:
    rows: dict[int, _Row] = {}
    for one in planned.cells:
        cell = one.cell
        row = rows.setdefault(cell.row, _Row(cell.input_tokens, cell.output_tokens, []))
        row.cells.append(one)
    return list(rows.values())


def _host(data: QueryDict, user: AbstractBaseUser | None) -> Host | None:
    """Return the host named by ``data``; default: the first where ``user`` may launch that has a
    deployment to measure."""
    hosts = {host.name: host for host in Host.objects.all()}
    name = str(data.get("host", ""))
    if name in hosts:
        return hosts[name]
    allowed = open_hosts(hosts.values(), user)
    served = [host for host in allowed if host.deployments.filter(state="ready").exists()]
    return next(iter([*served, *allowed, *hosts.values()]), None)


urlpatterns: list[URLPattern] = [
    path("matrix/", launch_matrix, name="launch-matrix"),
    path("matrix/matrix.sh", launch_matrix_script, name="launch-matrix-script"),
]
