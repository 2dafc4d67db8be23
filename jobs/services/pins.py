"""Pins: a pinned job's log, files and points are never removed by themselves."""

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
    """The pin of a job, as something that belongs to who set it; ``user_id`` is None where that was
    no person, or an account that is gone."""

    job_id: int
    user_id: int | None


def pin_of(job: Job) -> Pin:
    """The pin of a job that is pinned."""
    return Pin(job.pk, job.pinned_by_id)


def pins_of(job_ids: Iterable[int]) -> list[Pin]:
    """The pins of those of these jobs that are pinned."""
    rows = Job.objects.filter(pk__in=job_ids, pinned_at__isnull=False)
    return [Pin(pk, user) for pk, user in rows.values_list("pk", "pinned_by_id")]


def pin(job_id: int, user: AbstractBaseUser | None) -> bool:
    """Keep what lies here of a job, and of the server that it started.

    True also where somebody has pinned it already; the first one's name stays. False: it is too
    late, its log and files were removed.
    """
    kept = Job.objects.filter(pk=job_id, removed_at=None)
    by = {"pinned_at": now(), "pinned_by_id": user.pk if user else None, "unpinned_at": None}
    if kept.filter(pinned_at=None).update(**by):
        _hint(job_id)
        return True
    return kept.exists()


def unpin(job_id: int) -> bool:
    """Let age and size decide again, after a day. False: it was not pinned."""
    pinned = Job.objects.filter(pk=job_id, pinned_at__isnull=False)
    if not pinned.update(pinned_at=None, pinned_by=None, unpinned_at=now()):
        return False
    _hint(job_id)
    return True


def _hint(job_id: int) -> None:
    transaction.on_commit(lambda: notifications.publish("job", id=job_id))
