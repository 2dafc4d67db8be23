"""The public API about jobs that were launched together: see :mod:`dashboard.api.rest`.

Their id is the ``chain`` of a job.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from dashboard import audit
from dashboard.api import shapes
from dashboard.api.auth import api, error, may
from dashboard.requests import person
from dashboard.rights import allowed
from jobs.errors import LaunchError
from jobs.pipelines import cancel_rest, start_again
from jobs.queries.chains import ChainProgress, chain_of


@require_GET
@api("job.view")
def pipeline(request: HttpRequest, chain_id: UUID) -> HttpResponseBase:
    """Its jobs in their order, each with what it comes after and why it waits."""
    chain = chain_of(chain_id)
    return JsonResponse(shapes.pipeline(chain)) if chain else _missing()


@require_POST
@api("job.cancel")
def cancel_pipeline(request: HttpRequest, chain_id: UUID) -> HttpResponseBase:
    """Cancel every open job of it: ``cancelled`` has their ids. All must be the caller's."""
    chain = chain_of(chain_id)
    if chain is None:
        return _missing()
    for job in chain.to_cancel:
        if refusal := may(request.user, "job.cancel", job):
            return refusal
    jobs = cancel_rest(chain_id, person(request))
    if not jobs:
        words = _("No job to cancel: all have ended, or are being cancelled.")
        return error(409, "finished", words)
    for job in jobs:
        audit.record(request.user, "job.cancel", f"job {job.pk}", pipeline=str(chain_id))
    return _answer(chain_id, cancelled=sorted(job.pk for job in jobs))


@require_POST
@api("job.repeat")
def start_pipeline_again(request: HttpRequest, chain_id: UUID) -> HttpResponseBase:
    """Start again what failed or was cancelled: ``started`` has the ids of the new jobs."""
    if chain_of(chain_id) is None:
        return _missing()
    try:
        jobs = start_again(chain_id, person(request), may_raise=allowed(request.user, "job.raise"))
    except LaunchError as refused:
        return error(422, "launch", str(refused), fields={refused.field: str(refused)})
    for job in jobs:
        audit.record(request.user, "job.repeat", f"job {job.pk}", repeats=job.repeats_id)
    return _answer(chain_id, status=201, started=sorted(job.pk for job in jobs))


def _answer(chain_id: UUID, *, status: int = 200, **more: Any) -> JsonResponse:
    found: ChainProgress | None = chain_of(chain_id)
    return JsonResponse({**(shapes.pipeline(found) if found else {}), **more}, status=status)


def _missing() -> JsonResponse:
    return error(404, "missing", _("There is nothing of this name or number."))


urlpatterns: list[URLPattern] = [
    path("pipelines/<uuid:chain_id>", pipeline, name="api-pipeline"),
    path("pipelines/<uuid:chain_id>/cancel", cancel_pipeline, name="api-pipeline-cancel"),
    path("pipelines/<uuid:chain_id>/start-again", start_pipeline_again, name="api-pipeline-again"),
]
