"""The public API about the order in which jobs wait: see :mod:`dashboard.api.rest`."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from dashboard.actions import queue
from dashboard.api import serializers
from dashboard.api.answers import Queue, WholeJob, answers
from dashboard.api.auth import caller
from dashboard.api.errors import missing
from dashboard.api.requests import ExclusiveAsked, MoveAsked, PriorityAsked
from dashboard.api.rest import find_job, whole_job_answer
from jobs.models import Host
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
    host = Host.objects.filter(name=name).first()
    if host is None:
        raise missing()
    rows, total = queued_jobs(host, start=0, count=MOST)
    return {"jobs": serializers.queued_jobs(rows), "total": total}


@router.post(
    "jobs/{int:job_id}/move",
    auth=caller("job.order"),
    **answers(WholeJob, 409, 413),
    url_name="api-job-move",
    summary="Move a queued job",
)
def move_job(request: HttpRequest, job_id: int, asked: MoveAsked | None = None) -> dict[str, Any]:
    """One step, to an end, or before or after another job."""
    job = find_job(job_id)
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
    """Only an administrator lets it come before those of others."""
    job = find_job(job_id)
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
    """A waiting job starts only when nothing else runs on its host, or whenever there is room."""
    job = find_job(job_id)
    queue.set_exclusive(request.user, job, exclusive=asked.exclusive if asked else False)
    return whole_job_answer(job_id)
