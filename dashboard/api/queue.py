"""The public API about the order in which jobs wait: see :mod:`dashboard.api.rest`."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router

from dashboard.actions import queue
from dashboard.api import serializers
from dashboard.api.answers import Queue, WholeJob, answers
from dashboard.api.auth import caller
from dashboard.api.requests import ExclusiveAsked, MoveAsked, PriorityAsked
from dashboard.api.rest import whole_job_answer
from jobs.models import Host, Job
from jobs.queries.hosts.host_page import queued_jobs

MOST = 200

router = Router(tags=["Queue"])


@router.get(
    "hosts/{slug:name}/queue",
    auth=caller("host.view"),
    **answers(Queue),
    url_name="api-host-queue",
    summary="Read the queue of a host",
)
def read_queue(request: HttpRequest, name: str) -> dict[str, Any]:
    """Return queued jobs in order: at most the first 200, and their total."""
    rows, total = queued_jobs(get_object_or_404(Host, name=name), start=0, count=MOST)
    return {"jobs": serializers.queued_jobs(rows), "total": total}


@router.post(
    "jobs/{int:job_id}/move",
    auth=caller("job.order"),
    **answers(WholeJob, 409, 413),
    url_name="api-job-move",
    summary="Move a queued job",
)
def move_job(request: HttpRequest, job_id: int, asked: MoveAsked | None = None) -> dict[str, Any]:
    """By one position, to an end, or before or after another job."""
    job = get_object_or_404(Job, pk=job_id)
    queue.move(request.user, job, asked.model_dump() if asked else {})
    return whole_job_answer(job_id)


@router.post(
    "jobs/{int:job_id}/priority",
    auth=caller("job.order"),
    **answers(WholeJob, 409, 413, 422),
    url_name="api-job-priority",
    summary="Change the priority of a queued job",
)
def set_priority(
    request: HttpRequest, job_id: int, asked: PriorityAsked | None = None
) -> dict[str, Any]:
    """Own jobs; only administrators may pass jobs of others."""
    job = get_object_or_404(Job, pk=job_id)
    queue.set_priority(request.user, job, asked.priority if asked else "")
    return whole_job_answer(job_id)


@router.post(
    "jobs/{int:job_id}/exclusive",
    auth=caller("job.order"),
    **answers(WholeJob, 409, 413),
    url_name="api-job-exclusive",
    summary="Set whether a job needs the host exclusively",
)
def set_exclusive(
    request: HttpRequest, job_id: int, asked: ExclusiveAsked | None = None
) -> dict[str, Any]:
    """An exclusive job starts only when nothing else runs on its host."""
    job = get_object_or_404(Job, pk=job_id)
    queue.set_exclusive(request.user, job, exclusive=asked.exclusive if asked else False)
    return whole_job_answer(job_id)
