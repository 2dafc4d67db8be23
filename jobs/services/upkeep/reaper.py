"""Detection of lost jobs and deployments. Jobs of an offline host keep their state.

A job is *lost* when its host answers without it for longer than ``MISSING_FOR``, or when its host
has been silent for ``settings.HOST_LOST_AFTER_S``. After downtime of the dashboard itself, hosts
first get ``EAR_FOR`` to report. Every change is conditional, so two reapers are safe;
:func:`claim_run` avoids double work.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, F, Q, Value, When
from django.utils.timezone import now

from jobs import notifications
from jobs.base.messages import Message
from jobs.models import Deployment, Host, Instance, Job
from jobs.queries.instance import instance_id
from jobs.queries.jobs.stalled import stalled_since
from jobs.schedule import agent_tasks, deployments, lifecycle
from jobs.services import idempotency
from jobs.services.hosts import lose_all
from jobs.services.intake import points

ROUND_S = 10.0
MISSING_FOR = timedelta(seconds=30)
# Without a round for this time the dashboard was away: stopped, suspended, or without its broker.
AWAY_AFTER = timedelta(seconds=60)
EAR_FOR = timedelta(minutes=2)
# A job that was sent and not claimed is notified again after a new heartbeat.
UNCLAIMED_FOR = timedelta(seconds=10)
# Then the host has an error (a full disk, a read-only folder), and other jobs wait behind.
UNCLAIMED_CLOSED_AFTER = timedelta(minutes=5)


def claim_run(moment: datetime | None = None) -> bool:
    """Return True for one caller per round. Records when rounds resume after a gap."""
    moment = moment or now()
    instance_id()  # the row is there
    due = Q(swept_at=None) | Q(swept_at__lt=moment - timedelta(seconds=ROUND_S * 0.8))
    due |= Q(swept_at__gt=moment + timedelta(seconds=ROUND_S))  # the clock was put back
    was_away = Q(awake_since=None) | Q(swept_at=None) | Q(swept_at__lt=moment - AWAY_AFTER)
    awake_since = Case(When(was_away, then=Value(moment)), default=F("awake_since"))
    return Instance.objects.filter(due).update(swept_at=moment, awake_since=awake_since) > 0


def reap(moment: datetime | None = None) -> int:
    """Run one round; return the number of lost jobs and deployments."""
    moment = moment or now()
    _notify_unclaimed(moment)
    lifecycle.cancel_orphans()
    _close_unclaimed(moment)
    _notify_stalled(moment)
    points.forget_old_points(moment)
    idempotency.forget_old(moment)
    return (
        _lose_missing_jobs(moment)
        + _lose_missing_deployments(moment)
        + _lose_all_of_gone_hosts(moment)
    )


def _answering(moment: datetime) -> Q:
    return Q(host__heartbeat_at__gte=moment - timedelta(seconds=settings.HOST_AWAY_AFTER_S))


def _lose_missing_jobs(moment: datetime) -> int:
    missing = Job.objects.filter(
        _answering(moment),
        state__in=Job.ON_HOST_STATES,
        missing_since__lt=moment - MISSING_FOR,
    ).select_related("host")
    return sum(
        lifecycle.finish_job(
            job.pk, Job.State.LOST, message=Message("job:missing", {"host": job.host.name})
        )
        for job in missing
    )


def _lose_missing_deployments(moment: datetime) -> int:
    missing = Deployment.objects.filter(
        _answering(moment),
        state__in=Deployment.LIVE_STATES,
        missing_since__lt=moment - MISSING_FOR,
    ).select_related("host")
    return sum(
        deployments.lose(row, Message("deployment:missing", {"host": row.host.name}))
        for row in missing
    )


def _lose_all_of_gone_hosts(moment: datetime) -> int:
    after = timedelta(seconds=settings.HOST_LOST_AFTER_S)
    lost = 0
    if Instance.objects.filter(awake_since__gt=moment - EAR_FOR).exists():
        return 0
    for host in Host.objects.filter(heartbeat_at__lt=moment - after):
        args = {"host": host.name, "hours": round(after.total_seconds() / 3600)}
        lost += lose_all(
            host, Message("job:host_gone", args), Message("deployment:host_gone", args)
        )
    return lost


def _notify_unclaimed(moment: datetime) -> None:
    unclaimed = Job.objects.filter(
        _answering(moment),
        state=Job.State.STARTING,
        claim_id="",
        dispatched_at__lt=moment - UNCLAIMED_FOR,
    ).select_related("host")
    for job in unclaimed:
        agent_tasks.send(job.host.name, "start", job.pk)


def _notify_stalled(moment: datetime) -> None:
    """Notify pages of stalled jobs, which send no notification themselves."""
    for job in Job.objects.filter(_answering(moment), state=Job.State.RUNNING):
        if stalled_since(job, moment):
            notifications.notify("job", id=job.pk, state=job.state)


def _close_unclaimed(moment: datetime) -> None:
    untaken = Job.objects.filter(
        _answering(moment),
        state=Job.State.STARTING,
        claim_id="",
        dispatched_at__lt=moment - UNCLAIMED_CLOSED_AFTER,
    ).select_related("host")
    # Right after it was away itself the dashboard has not been asked for the job for long.
    if Instance.objects.filter(awake_since__gt=moment - UNCLAIMED_CLOSED_AFTER).exists():
        return
    minutes = round(UNCLAIMED_CLOSED_AFTER.total_seconds() / 60)
    for job in untaken:
        message = Message("job:not_taken", {"host": job.host.name, "minutes": minutes})
        lifecycle.finish_unclaimed_job(job.pk, Job.State.ERRORED, message=message)
