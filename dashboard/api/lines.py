"""The public API about the order in which jobs wait: see :mod:`dashboard.api.rest`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from dashboard import line_actions
from dashboard.api import shapes
from dashboard.api.auth import api, error
from jobs.errors import LaunchError
from jobs.models import Host, Job
from jobs.queries.host_page import line
from jobs.services.line import NotMoved, PassesOthers

MOST = 200


@require_GET
@api("host.view")
def queue(request: HttpRequest, name: str) -> HttpResponseBase:
    """What waits for a host, in its order: at most the first 200, and how many in all."""
    host = Host.objects.filter(name=name).first()
    if host is None:
        return error(404, "missing", _("There is nothing of this name or number."))
    rows, total = line(host, start=0, count=MOST)
    return JsonResponse({"jobs": shapes.line(rows), "total": total})


@require_POST
@api("job.order")
def move(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """Move a waiting job: ``{"to": "first", "earlier", "later" or "last"}``, or ``{"before": id}``
    or ``{"after": id}``."""
    return _changed(request, job_id, lambda job, asked: line_actions.move(request.user, job, asked))


@require_POST
@api("job.order")
def priority(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """``{"priority": "urgent", "normal" or "low"}``."""

    def change(job: Job, asked: Mapping[str, Any]) -> None:
        line_actions.set_priority(request.user, job, str(asked.get("priority", "")))

    return _changed(request, job_id, change)


@require_POST
@api("job.order")
def quiet(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """``{"quiet": true or false}``: whether a waiting job waits for a quiet host."""

    def change(job: Job, asked: Mapping[str, Any]) -> None:
        line_actions.set_quiet(request.user, job, quiet=asked.get("quiet") is True)

    return _changed(request, job_id, change)


def _changed(
    request: HttpRequest, job_id: int, change: Callable[[Job, Mapping[str, Any]], object]
) -> HttpResponseBase:
    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        return error(404, "missing", _("There is nothing of this name or number."))
    try:
        asked = json.loads(request.body or b"{}")
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        return error(400, "invalid", _("Send a JSON object."))
    try:
        change(job, asked)
    except PermissionDenied:
        return error(403, "forbidden", _("You may not do this."))
    except PassesOthers as refused:
        return error(403, "forbidden", str(refused))
    except NotMoved as refused:
        return error(409, "not_moved", str(refused))
    except LaunchError as refused:
        return error(422, "launch", str(refused), fields={refused.field: str(refused)})
    rows = Job.objects.select_related("host", "created_by").prefetch_related("steps", "outputs")
    return JsonResponse(shapes.whole_job(rows.get(pk=job_id)))


urlpatterns = [
    path("jobs/<int:job_id>/move", move, name="api-job-move"),
    path("jobs/<int:job_id>/priority", priority, name="api-job-priority"),
    path("jobs/<int:job_id>/quiet", quiet, name="api-job-quiet"),
    path("hosts/<slug:name>/queue", queue, name="api-host-queue"),
]
