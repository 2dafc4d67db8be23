"""Detection of lost jobs and deployments. Jobs of an offline host keep their state. A job is *lost*
when its host answers without it for longer than ``MISSING_FOR``, or when its host has been silent
for ``settings.HOST_LOST_AFTER_S``. After downtime of the dashboard itself, hosts first get
``EAR_FOR`` to report. Every change is conditional, so two reapers are safe; :func:`claim_run`
avoids double work."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Case, F, Q, Value, When
from django.utils.timezone import now

from jobs import notifications
from jobs.base.messages import Message
from jobs.models import Deployment, GatewayUse, Host, IdempotencyKey, Instance, Job
from jobs.queries.hosts import instance_id
from jobs.queries.jobs.progress import stalled_since
from jobs.schedule import agent_tasks, deployments, lifecycle
from jobs.services.hosts import lose_all
from jobs.services.intake import streams
from jobs.services.upkeep import SWEEP_S

KEYS_KEPT_FOR = timedelta(hours=24)
USE_KEPT_FOR = timedelta(days=400)  # of the gateway: a year and the month before it
MISSING_FOR = timedelta(seconds=30)
# Without a round for this time the dashboard was away: stopped, suspended, or without its broker.
AWAY_AFTER = timedelta(seconds=60)
EAR_FOR = timedelta(minutes=2)
# A job that was sent and not claimed is notified again after a new heartbeat.
UNCLAIMED_FOR = timedelta(seconds=10)
# Then the host has an error (a full disk, a read-only folder), and other jobs wait behind.
UNCLAIMED_CLOSED_AFTER = timedelta(minutes=5)


def claim_round(field: str, every_s: float, moment: datetime | None = None, **changes: Any) -> bool:
    """True for one caller per round of ``every_s``: ``field`` of the instance is its last one."""
    moment = moment or now()
    instance_id()  # the row is there
    due = Q(**{field: None}) | Q(**{f"{field}__lt": moment - timedelta(seconds=every_s * 0.8)})
    # The clock was put back.
    due |= Q(**{f"{field}__gt": moment + timedelta(seconds=every_s)})
    return Instance.objects.filter(due).update(**{field: moment}, **changes) > 0


def claim_run(moment: datetime | None = None) -> bool:
    """True for one caller per round. Records when rounds resume after a gap."""
    moment = moment or now()
    was_away = Q(awake_since=None) | Q(swept_at=None) | Q(swept_at__lt=moment - AWAY_AFTER)
    awake_since = Case(When(was_away, then=Value(moment)), default=F("awake_since"))
    return claim_round("swept_at", SWEEP_S, moment, awake_since=awake_since)


def reap(moment: datetime | None = None) -> int:
    moment = moment or now()
    answering = Q(host__heartbeat_at__gte=moment - timedelta(seconds=settings.HOST_AWAY_AFTER_S))
    jobs = Job.objects.filter(answering).select_related("host")
    unclaimed = jobs.filter(state=Job.State.STARTING, claim_id="")
    for job in unclaimed.filter(dispatched_at__lt=moment - UNCLAIMED_FOR):
        agent_tasks.send(job.host.name, "start", job.pk)
    lifecycle.cancel_orphans()
    # Right after it was away itself the dashboard has not been asked for the job for long.
    if not _was_away(moment, UNCLAIMED_CLOSED_AFTER):
        minutes = round(UNCLAIMED_CLOSED_AFTER.total_seconds() / 60)
        for job in unclaimed.filter(dispatched_at__lt=moment - UNCLAIMED_CLOSED_AFTER):
            message = Message("job:not_taken", {"host": job.host.name, "minutes": minutes})
            lifecycle.finish_unclaimed_job(job.pk, Job.State.ERRORED, message=message)
    for job in jobs.filter(state=Job.State.RUNNING):
        if stalled_since(job, moment):  # it sends no notification itself
            notifications.notify("job", id=job.pk, state=job.state)
    streams.forget_old_points(moment)
    IdempotencyKey.objects.filter(created_at__lt=moment - KEYS_KEPT_FOR).delete()
    GatewayUse.objects.filter(hour__lt=moment - USE_KEPT_FOR).delete()
    lost, missing = 0, Q(missing_since__lt=moment - MISSING_FOR)
    for job in jobs.filter(missing, state__in=Job.ON_HOST_STATES):
        message = Message("job:missing", {"host": job.host.name})
        lost += lifecycle.finish_job(job.pk, Job.State.LOST, message=message)
    servers = Deployment.objects.filter(answering, missing, state__in=Deployment.LIVE_STATES)
    for row in servers.select_related("host"):
        lost += deployments.lose(row, Message("deployment:missing", {"host": row.host.name}))
    if not _was_away(moment, EAR_FOR):
        after = timedelta(seconds=settings.HOST_LOST_AFTER_S)
        for host in Host.objects.filter(heartbeat_at__lt=moment - after):
            args = {"host": host.name, "hours": round(after.total_seconds() / 3600)}
            gone = Message("job:host_gone", args), Message("deployment:host_gone", args)
            lost += lose_all(host, *gone)
    return lost


def _was_away(moment: datetime, lately: timedelta) -> bool:
    return Instance.objects.filter(awake_since__gt=moment - lately).exists()
