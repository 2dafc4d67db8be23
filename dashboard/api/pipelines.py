"""The public API about jobs that were launched together: see :mod:`dashboard.api.rest`.

Their id is the ``chain`` of a job.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Router, Status

from dashboard.api import serializers
from dashboard.api.answers import CancelledPipeline, PipelineAnswer, StartedPipeline, answers
from dashboard.api.auth import caller, must
from dashboard.api.errors import Refused, error, missing
from dashboard.security import audit_log
from dashboard.security.permissions import allowed
from dashboard.security.request import person
from jobs.pipelines.retry import cancel_rest, retry_failed_jobs
from jobs.queries.jobs.chains import ChainProgress, chain_of

router = Router(tags=["Pipelines"])


@router.get(
    "pipelines/{uuid:chain_id}",
    auth=caller("job.view"),
    **answers(PipelineAnswer),
    url_name="api-pipeline",
    summary="Read a pipeline",
)
def read_pipeline(request: HttpRequest, chain_id: UUID) -> dict[str, Any]:
    """Return the jobs of a pipeline in order, each with its dependencies and queue reason."""
    return serializers.pipeline(_chain_or_404(chain_id))


@router.post(
    "pipelines/{uuid:chain_id}/cancel",
    auth=caller("job.cancel"),
    **answers(CancelledPipeline, 409),
    url_name="api-pipeline-cancel",
    summary="Cancel a pipeline",
)
def cancel_pipeline(request: HttpRequest, chain_id: UUID) -> dict[str, Any]:
    """Cancel every open job of it: ``cancelled`` has their ids. All must be the caller's."""
    for job in _chain_or_404(chain_id).to_cancel:
        must(request.user, "job.cancel", job)
    jobs = cancel_rest(chain_id, person(request))
    if not jobs:
        text = _("No job to cancel: all have ended, or are being cancelled.")
        raise Refused(error(409, "finished", text))
    for job in jobs:
        audit_log.record(request.user, "job.cancel", f"job {job.pk}", pipeline=str(chain_id))
    return {
        **serializers.pipeline(_chain_or_404(chain_id)),
        "cancelled": sorted(job.pk for job in jobs),
    }


@router.post(
    "pipelines/{uuid:chain_id}/retry",
    auth=caller("job.repeat"),
    **answers(StartedPipeline, 422, status=201),
    url_name="api-pipeline-retry",
    summary="Retry a pipeline",
)
def retry_pipeline(request: HttpRequest, chain_id: UUID) -> Status[dict[str, Any]]:
    """Start again what failed or was cancelled: ``started`` has the ids of the new jobs."""
    _chain_or_404(chain_id)
    jobs = retry_failed_jobs(
        chain_id, person(request), can_prioritize=allowed(request.user, "job.raise")
    )
    for job in jobs:
        audit_log.record(request.user, "job.repeat", f"job {job.pk}", repeats=job.repeats_id)
    facts = {
        **serializers.pipeline(_chain_or_404(chain_id)),
        "started": sorted(job.pk for job in jobs),
    }
    return Status(201, facts)


def _chain_or_404(chain_id: UUID) -> ChainProgress:
    chain = chain_of(chain_id)
    if chain is None:
        raise missing()
    return chain
