"""The public API about jobs that were launched together: see :mod:`dashboard.api.rest`.

Their id is the ``chain`` of a job.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Router, Status

from dashboard.actions import jobs as job_actions
from dashboard.actions.once import KeyHeader, once_by_header
from dashboard.api import serializers
from dashboard.api.answers import CancelledPipeline, PipelineAnswer, StartedPipeline, answers
from dashboard.api.auth import caller, must
from dashboard.api.errors import Refused, missing
from dashboard.server.json_errors import error
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
    jobs = job_actions.cancel_pipeline(request.user, chain_id)
    if not jobs:
        text = _("No job to cancel: all have ended, or are being cancelled.")
        raise Refused(error(409, "finished", text))
    return {
        **serializers.pipeline(_chain_or_404(chain_id)),
        "cancelled": sorted(job.pk for job in jobs),
    }


@router.post(
    "pipelines/{uuid:chain_id}/retry",
    auth=caller("job.repeat"),
    **answers(StartedPipeline, 409, 422, status=201),
    url_name="api-pipeline-retry",
    summary="Retry a pipeline",
)
def retry_pipeline(
    request: HttpRequest, chain_id: UUID, key: KeyHeader = ""
) -> Status[dict[str, Any]]:
    """Start again what failed or was cancelled: ``started`` has the ids of the new jobs."""
    _chain_or_404(chain_id)

    def run() -> list[int]:
        return sorted(job.pk for job in job_actions.retry_pipeline(request.user, chain_id))

    started = once_by_header(request, key, run)
    return Status(201, {**serializers.pipeline(_chain_or_404(chain_id)), "started": started})


def _chain_or_404(chain_id: UUID) -> ChainProgress:
    chain = chain_of(chain_id)
    if chain is None:
        raise missing()
    return chain
