"""Asks hosts whether a plan can run there, and keeps what they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F, Q
from django.utils.timezone import now

from jobs import notifications
from jobs.models import Host, Job, Preflight
from jobs.plans import checks_from_json, from_json
from jobs.services import confirmations
from jobs.services.sanitize import storable

# What a host found may have changed after this: it is asked again before a job starts.
FRESH_FOR = timedelta(minutes=2)
# A host that has not answered after this is asked anew, as one whose agent was killed meanwhile.
PATIENCE = timedelta(seconds=30)
KEPT_FOR = timedelta(days=1)
# For this long a job that its host looks for keeps a slot: then those behind it may pass.
HELD_FOR = 2 * PATIENCE
LEVELS = ("ok", "warn", "failed", "unknown")


@dataclass(frozen=True, slots=True)
class Look:
    """What the host of a waiting job was asked, and what it answered.

    ``unanswered_since``: when it was first asked what it has not answered; None: it answered.
    """

    asked_at: datetime
    done_at: datetime | None
    findings: Sequence[Mapping[str, Any]]
    checks: Sequence[Mapping[str, Any]]  # as the plan's JSON has them
    unanswered_since: datetime | None = None

    @property
    def ambers(self) -> list[dict[str, Any]]:
        """What of it asks for a confirmation."""
        return confirmations.ambers_of(checks_from_json(self.checks), self.findings)

    @property
    def is_overdue(self) -> bool:
        """True when the host has owed the answer for so long that it may never come."""
        since = self.unanswered_since
        return since is not None and now() - since > HELD_FOR


def ask(
    host: Host,
    plan: Mapping[str, Any],
    values: Mapping[str, str],
    *,
    job: Job | None = None,
    user: AbstractBaseUser | None = None,
) -> Preflight:
    """Have ``host`` run the checks of ``plan`` (``Plan.to_json()``)."""
    # Those of forms are of no use once they are old.
    Preflight.objects.filter(job=None, asked_at__lt=now() - KEPT_FOR).delete()
    if job is not None:
        _prune(job)
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


def last_told(job: Job) -> Preflight | None:
    """The newest answer about the very plan of a waiting job: its own, or that of the form that
    launched it; None where its host has told nothing for a day."""
    about = Preflight.objects.filter(Q(job=None) | Q(job=job), host=job.host_id)
    told = about.filter(plan_sha256=job.plan_sha256, done_at__gt=now() - KEPT_FOR)
    return told.order_by("-done_at").first()


def looks(host: Host) -> dict[int, Look]:
    """What counts of what ``host`` was asked for its waiting jobs, by job: in one query, for a line
    may be long, and without the plans, for each of them may be."""
    asked = Preflight.objects.filter(job__host=host, job__state=Job.State.QUEUED)
    rows = asked.annotate(checks=F("plan__checks")).values_list(
        "job_id", "asked_at", "done_at", "findings", "checks"
    )
    by_job: dict[int, list[Look]] = {}
    for job_id, asked_at, done_at, findings, checks in rows:
        look = Look(asked_at, done_at, findings, checks or ())
        by_job.setdefault(job_id, []).append(look)
    return {job_id: _look_that_counts(told) for job_id, told in by_job.items()}


def _look_that_counts(told: Sequence[Look]) -> Look:
    """Of a job's looks, the last first: a fresh answer, though it came so late that the host had
    been asked anew; else the last."""
    for look in told:
        if look.done_at is not None and not is_stale(look):
            return look
    waiting = list(takewhile(lambda look: look.done_at is None, told))
    since = waiting[-1].asked_at if waiting else None
    return replace(told[0], unanswered_since=since)


def _prune(job: Job) -> None:
    """Forget what a job's host was asked before, but for its last answer and the first question
    since: that one says how long the host has owed an answer, and may get it yet."""
    told = list(Preflight.objects.filter(job=job).values_list("pk", "done_at"))
    waiting = [pk for pk, _done in takewhile(lambda row: row[1] is None, told)]
    kept = [*waiting[-1:], *[pk for pk, done_at in told if done_at is not None][:1]]
    Preflight.objects.filter(pk__in=[pk for pk, _done in told if pk not in kept]).delete()


def is_stale(preflight: Preflight | Look, *, at: datetime | None = None) -> bool:
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
            transaction.on_commit(partial(notifications.publish, sort, **about))
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
