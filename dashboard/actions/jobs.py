"""Changes of jobs and pipelines, for pages and API: change and audit entry.

The caller has checked the permission, because pages and API refuse in different ways.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction

from dashboard.security import audit_log
from dashboard.security.permissions import allowed
from dashboard.security.request import logged_in
from jobs.launch import launch
from jobs.launch.pipelines.retry import cancel_rest, retry_failed_jobs
from jobs.launch.resume import resume_job
from jobs.models import Job
from jobs.schedule import lifecycle
from jobs.services import pins


def cancel(user: AbstractBaseUser | AnonymousUser, job_id: int) -> bool:
    """Cancel a job. False: the job has already ended."""
    if not launch.cancel(job_id, logged_in(user)):
        return False
    audit_log.record(user, "job.cancel", f"job {job_id}")
    return True


def confirm(
    user: AbstractBaseUser | AnonymousUser, job: Job, names: Collection[str] | None
) -> bool:
    """Confirm the open warnings of the checks ``names``; None: of all. False: there are none."""
    warnings = [item for item in job.needs_confirmation if names is None or item["check"] in names]
    if not warnings or not launch.confirm(job.pk, warnings, logged_in(user)):
        return False
    checks = [item["check"] for item in warnings]
    audit_log.record(user, "job.confirm", f"job {job.pk}", checks=checks)
    return True


def retry(user: AbstractBaseUser | AnonymousUser, job_id: int) -> Job:
    """Launch the job's plan again, unchanged, as a new job.

    Raises:
        LaunchError: an input is missing.
    """
    job = launch.retry_job(job_id, logged_in(user), can_prioritize=allowed(user, "job.raise"))
    audit_log.record(user, "job.repeat", f"job {job.pk}", repeats=job_id)
    return job


def retry_all(user: AbstractBaseUser | AnonymousUser, job_ids: Sequence[int]) -> list[int]:
    """Retry jobs in this order: all or none. Return the ids of the new jobs.

    Raises:
        LaunchError: an input is missing.
    """
    hosts = Job.objects.filter(pk__in=job_ids).values_list("host", flat=True)
    with transaction.atomic():
        for host in sorted(set(hosts)):  # two callers must not wait for each other
            lifecycle.lock_host(host)
        return [retry(user, job_id).pk for job_id in job_ids]


def resume(user: AbstractBaseUser | AnonymousUser, job_id: int) -> Job:
    """Continue a stopped evaluation as a new job.

    Raises:
        LaunchError: nothing to continue, or an input is missing.
    """
    job = resume_job(job_id, logged_in(user))
    audit_log.record(user, "job.repeat", f"job {job.pk}", resumes=job_id)
    return job


def keep_files(user: AbstractBaseUser | AnonymousUser, job_id: int, *, keep: bool) -> bool:
    """Keep a job's log and files, or apply retention again. False: nothing to keep, or to stop."""
    if not (pins.pin(job_id, logged_in(user)) if keep else pins.unpin(job_id)):
        return False
    audit_log.record(user, "job.pin", f"job {job_id}", pinned=keep)
    return True


def cancel_pipeline(user: AbstractBaseUser | AnonymousUser, chain_id: UUID) -> list[Job]:
    """Cancel all active jobs of a pipeline; return the cancelled ones."""
    jobs = cancel_rest(chain_id, logged_in(user))
    for job in jobs:
        audit_log.record(user, "job.cancel", f"job {job.pk}", pipeline=str(chain_id))
    return jobs


def retry_pipeline(user: AbstractBaseUser | AnonymousUser, chain_id: UUID) -> list[Job]:
    """Retry the failed and cancelled jobs of a pipeline; return the new jobs.

    Raises:
        LaunchError: nothing to retry, a job is still being cancelled, or an input is missing.
    """
    jobs = retry_failed_jobs(chain_id, logged_in(user), can_prioritize=allowed(user, "job.raise"))
    for job in jobs:
        audit_log.record(user, "job.repeat", f"job {job.pk}", repeats=job.repeats_id)
    return jobs
