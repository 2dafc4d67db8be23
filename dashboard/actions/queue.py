"""Changes of a host's queue, for pages and API: permission, change, audit entry, dispatch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import QueryDict

from dashboard.security import audit_log
from dashboard.security.permissions import allowed, check
from dashboard.text.queue_words import read_priority
from jobs.base.numbers import number_from
from jobs.models import Job
from jobs.schedule import dispatch, queue


def move(
    user: AbstractBaseUser | AnonymousUser, job: Job, asked: Mapping[str, Any] | QueryDict
) -> queue.Move:
    """Move a queued job as ``asked``: ``to`` a step, or ``before`` or ``after`` another job's id.

    Raises:
        PermissionDenied: the job belongs to another person.
        jobs.schedule.queue.NotMoved: the move is not possible.
    """
    check(user, "job.order", job)
    moved = queue.move(
        job.pk,
        to=str(asked.get("to") or ""),
        before=number_from(str(asked.get("before") or "")),
        after=number_from(str(asked.get("after") or "")),
        can_overtake=allowed(user, "job.raise", job),
    )
    if moved.was != moved.now:
        audit_log.record(user, "job.order", f"job {job.pk}", was=moved.was, now=moved.now)
        dispatch.run()
    return moved


def set_priority(user: AbstractBaseUser | AnonymousUser, job: Job, name: str) -> None:
    """Set the priority of a queued job.

    Raises:
        PermissionDenied: the job belongs to another person, or the priority needs an
        administrator.
        LaunchError: unknown priority.
        jobs.schedule.queue.NotMoved: the job is no longer queued.
    """
    check(user, "job.order", job)
    priority = read_priority(name)
    can_prioritize = allowed(user, "job.raise", job)
    if priority < Job.Priority.NORMAL and not can_prioritize:
        raise PermissionDenied("job.raise")
    if changed := queue.set_priority(job.pk, priority, can_overtake=can_prioritize):
        audit_log.record(user, "job.order", f"job {job.pk}", priority=name, jobs=changed)
        dispatch.run()


def set_exclusive(user: AbstractBaseUser | AnonymousUser, job: Job, *, exclusive: bool) -> None:
    """Set exclusive use of a queued job on or off.

    Raises:
        PermissionDenied: the job belongs to another person.
        jobs.schedule.queue.NotMoved: the job is no longer queued.
    """
    check(user, "job.order", job)
    if queue.set_exclusive(job.pk, exclusive=exclusive):
        audit_log.record(user, "job.order", f"job {job.pk}", exclusive=exclusive)
        dispatch.run()
