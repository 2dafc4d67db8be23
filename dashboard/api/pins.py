"""The public API's pins: what is kept for good."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router

from dashboard.actions import jobs as job_actions
from dashboard.api.answers import JobAnswer, answers
from dashboard.api.auth import caller, must
from dashboard.api.errors import Refused
from dashboard.api.requests import PinAsked
from dashboard.api.rest import job_answer
from dashboard.server.removed import gone
from jobs.models import Job
from jobs.services import pins

router = Router(tags=["Jobs"])


@router.post(
    "jobs/{int:job_id}/pin",
    auth=caller("job.pin"),
    **answers(JobAnswer, 410, 413),
    url_name="api-job-pin",
    summary="Keep the log and files of a job, or stop keeping them",
)
def pin_job(request: HttpRequest, job_id: int, asked: PinAsked) -> dict[str, Any]:
    """Keep the log, files and points of a job, or apply retention again."""
    job = get_object_or_404(Job, pk=job_id)
    must(request.user, "job.pin", job)
    if not asked.pinned and job.pinned_at is not None:
        must(request.user, "job.unpin", pins.pin_of(job))
    done = job_actions.keep_files(request.user, job_id, keep=asked.pinned)
    if asked.pinned and not done:
        job.refresh_from_db()
        raise Refused(gone(job))
    return job_answer(job_id)
