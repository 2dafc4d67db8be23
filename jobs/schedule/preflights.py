"""Preflights: requests to hosts, and their answers."""

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
from jobs.protocol.base import read
from jobs.protocol.findings import Findings
from jobs.schedule import confirmations

# Findings older than this are stale: the host is asked again before a job starts.
FRESH_FOR = timedelta(minutes=2)
# An unanswered request is repeated after this, because the agent may have been killed.
PATIENCE = timedelta(seconds=30)
KEPT_FOR = timedelta(days=1)
# A job in preflight reserves a slot this long; then jobs behind it may start.
HELD_FOR = 2 * PATIENCE


@dataclass(frozen=True, slots=True)
class PreflightState:
    """Preflight of a queued job: request and answer.

    ``unanswered_since``: time of the first unanswered request; None: answered.
    """

    asked_at: datetime
    done_at: datetime | None
    findings: Sequence[Mapping[str, Any]]
    checks: Sequence[Mapping[str, Any]]  # as in the plan's JSON
    unanswered_since: datetime | None = None

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """Findings that need confirmation."""
        return confirmations.warnings_of(checks_from_json(self.checks), self.findings)

    @property
    def is_overdue(self) -> bool:
        """True if the answer is so late that it may never come."""
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
    """Request the checks of ``plan`` (``Plan.to_json()``) from ``host``."""
    # Old preflights of forms are useless.
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
    """Return the job's last preflight; None: none."""
    return Preflight.objects.filter(job=job_id).first()


def newest_answer(job: Job) -> Preflight | None:
    """Return the newest answer on a queued job's plan: its own, or its launch form's; None if
    older than a day."""
    about = Preflight.objects.filter(Q(job=None) | Q(job=job), host=job.host_id)
    answers = about.filter(plan_sha256=job.plan_sha256, done_at__gt=now() - KEPT_FOR)
    return answers.order_by("-done_at").first()


def preflight_states(host: Host) -> dict[int, PreflightState]:
    """Return the valid preflights of ``host``'s queued jobs, by job: in one query and without
    plans, because queues and plans may be long."""
    asked = Preflight.objects.filter(job__host=host, job__state=Job.State.QUEUED)
    rows = asked.annotate(checks=F("plan__checks")).values_list(
        "job_id", "asked_at", "done_at", "findings", "checks"
    )
    by_job: dict[int, list[PreflightState]] = {}
    for job_id, asked_at, done_at, findings, checks in rows:
        state = PreflightState(asked_at, done_at, findings, checks or ())
        by_job.setdefault(job_id, []).append(state)
    return {job_id: _state_that_counts(states) for job_id, states in by_job.items()}


def _state_that_counts(states: Sequence[PreflightState]) -> PreflightState:
    """Return the valid preflight of a job: a fresh answer, even a late one; else the last.

    ``states``: of one job, latest first.
    """
    for state in states:
        if state.done_at is not None and not is_stale(state):
            return state
    waiting = list(takewhile(lambda state: state.done_at is None, states))
    since = waiting[-1].asked_at if waiting else None
    return replace(states[0], unanswered_since=since)


def _prune(job: Job) -> None:
    """Delete old preflights of a job, except the last answer and the first request since, which
    shows how long the answer is overdue and may still get it."""
    rows = list(Preflight.objects.filter(job=job).values_list("pk", "done_at"))
    waiting = [pk for pk, _done in takewhile(lambda row: row[1] is None, rows)]
    kept = [*waiting[-1:], *[pk for pk, done_at in rows if done_at is not None][:1]]
    Preflight.objects.filter(pk__in=[pk for pk, _done in rows if pk not in kept]).delete()


def is_stale(preflight: Preflight | PreflightState, *, at: datetime | None = None) -> bool:
    """Return True if the request must be repeated: answer stale or missing."""
    moment = at or now()
    if preflight.done_at is None:
        return moment - preflight.asked_at > PATIENCE
    return moment - preflight.done_at > FRESH_FOR


def open_on(host: Host) -> list[int]:
    """Return ids of unanswered preflights that are still needed."""
    asked = Preflight.objects.filter(host=host, done_at=None, asked_at__gt=now() - PATIENCE)
    return list(asked.order_by("pk").values_list("pk", flat=True))


def answer(preflight: Preflight, findings: Sequence[Mapping[str, Any]]) -> bool:
    """Store the host's findings. False: already answered; the first answer stands.

    Raises:
        BadMessage: ``findings`` break the protocol.
    """
    parsed = read(Findings, {"findings": findings}).model_dump()["findings"]
    with transaction.atomic():
        changed = Preflight.objects.filter(pk=preflight.pk, done_at=None).update(
            done_at=now(), findings=parsed
        )
        if changed:
            if preflight.job_id:
                confirmations.note(preflight.job_id, preflight.plan, parsed)
            about = {"id": preflight.job_id} if preflight.job_id else {}
            topic = "job" if preflight.job_id else "preflight"
            about = about or {"id": preflight.pk}
            transaction.on_commit(partial(notifications.notify, topic, **about))
    return changed == 1
