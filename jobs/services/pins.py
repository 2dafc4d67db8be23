"""Kept jobs: their log, files and points are never removed automatically."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.timezone import now

from jobs import notifications
from jobs.models import Job


@dataclass(frozen=True, slots=True)
class Pin:
    """Pin of a job and its owner; ``user_id`` is None without a person, or for a deleted
    account."""

    job_id: int
    user_id: int | None


def pin_of(job: Job) -> Pin:
    """Return the pin of a kept job."""
    return Pin(job.pk, job.pinned_by_id)


def pins_of(job_ids: Iterable[int]) -> list[Pin]:
    """Return pins of the kept jobs among these."""
    rows = Job.objects.filter(pk__in=job_ids, pinned_at__isnull=False)
    return [Pin(pk, user) for pk, user in rows.values_list("pk", "pinned_by_id")]


def pin(job_id: int, user: AbstractBaseUser | None) -> bool:
    """Keep the files of a job and of its server.

    True also if already kept; the first person's name stays. False: log and files were already
    removed.
    """
    kept = Job.objects.filter(pk=job_id, removed_at=None)
    by = {"pinned_at": now(), "pinned_by_id": user.pk if user else None, "unpinned_at": None}
    if kept.filter(pinned_at=None).update(**by):
        _notify(job_id)
        return True
    return kept.exists()


def unpin(job_id: int) -> bool:
    """Return to retention by age and size, after a day. False: it was not kept."""
    pinned = Job.objects.filter(pk=job_id, pinned_at__isnull=False)
    if not pinned.update(pinned_at=None, pinned_by=None, unpinned_at=now()):
        return False
    _notify(job_id)
    return True


def _notify(job_id: int) -> None:
    transaction.on_commit(lambda: notifications.notify("job", id=job_id))
