"""Asks hosts whether a plan can run there, and keeps what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.timezone import now

from jobs import hints
from jobs.models import Host, Job, Preflight
from jobs.plans import from_json
from jobs.services import confirmations
from jobs.services.storable import storable

# What a host found may have changed after this: it is asked again before a job starts.
FRESH_FOR = timedelta(minutes=2)
# A host that has not answered after this is asked anew, as one whose agent was killed meanwhile.
PATIENCE = timedelta(seconds=30)
KEPT_FOR = timedelta(days=1)
LEVELS = ("ok", "warn", "failed", "unknown")


def ask(
    host: Host,
    plan: Mapping[str, Any],
    values: Mapping[str, str],
    *,
    job: Job | None = None,
    user: AbstractBaseUser | None = None,
) -> Preflight:
    """Have ``host`` run the checks of ``plan`` (``Plan.to_json()``)."""
    # Those of forms are of no use once they are old; of a job's the last answer stays with it.
    Preflight.objects.filter(job=None, asked_at__lt=now() - KEPT_FOR).delete()
    if job is not None:
        answered = Preflight.objects.filter(job=job, done_at__isnull=False)
        Preflight.objects.filter(pk__in=list(answered.values_list("pk", flat=True)[1:])).delete()
    return Preflight.objects.create(
        host=host,
        job=job,
        plan=dict(plan),
        plan_sha256=from_json(plan).sha256(),
        values=dict(values),
        asked_by_id=user.pk if user else None,
    )


def latest(job_id: int) -> Preflight | None:
    """The last that the job's host was asked; None: it was not."""
    return Preflight.objects.filter(job=job_id).first()


def is_stale(preflight: Preflight, *, at: datetime | None = None) -> bool:
    """True when it is to be asked again: the answer is old, or none has come."""
    moment = at or now()
    if preflight.done_at is None:
        return moment - preflight.asked_at > PATIENCE
    return moment - preflight.done_at > FRESH_FOR


def open_on(host: Host) -> list[int]:
    """Ids of those that the host has not answered and that somebody still waits for."""
    asked = Preflight.objects.filter(host=host, done_at=None, asked_at__gt=now() - PATIENCE)
    return list(asked.order_by("pk").values_list("pk", flat=True))


def answer(preflight: Preflight, findings: Any) -> bool:
    """Keep what the host found. False: it had answered before, and the first answer stands.

    Raises:
        KeyError, TypeError, ValueError: ``findings`` are none.
    """
    found = [_finding(item) for item in findings]
    with transaction.atomic():
        changed = Preflight.objects.filter(pk=preflight.pk, done_at=None).update(
            done_at=now(), findings=storable(found)
        )
        if changed:
            if preflight.job_id:
                confirmations.note(preflight.job_id, preflight.plan, found)
            about = {"id": preflight.job_id} if preflight.job_id else {}
            sort = "job" if preflight.job_id else "preflight"
            about = about or {"id": preflight.pk}
            transaction.on_commit(partial(hints.publish, sort, **about))
    return changed == 1


def _finding(item: Mapping[str, Any]) -> dict[str, Any]:
    if item["level"] not in LEVELS:
        raise ValueError(f"no level is called {item['level']!r}")
    return {
        "name": str(item["name"])[:64],
        "level": item["level"],
        "sentence_id": str(item["sentence_id"])[:64],
        "sentence_args": dict(item["sentence_args"]),
    }
