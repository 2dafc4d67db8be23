"""What a host is up to now."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils.timezone import now

from jobs.models import Deployment, Host, Job


def is_away(host: Host, *, at: datetime | None = None) -> bool:
    """True when the host has been silent for longer than ``HOST_AWAY_AFTER_S``, or always."""
    if host.heartbeat_at is None:
        return True
    return (at or now()) - host.heartbeat_at > timedelta(seconds=settings.HOST_AWAY_AFTER_S)


def silent_s(host: Host, *, at: datetime | None = None) -> float | None:
    """Seconds since the last heartbeat; None: never heard of."""
    return (
        None if host.heartbeat_at is None else ((at or now()) - host.heartbeat_at).total_seconds()
    )


def dies(host: Host) -> list[str]:
    """Names of the host's dies, as its probe reports them: ``["0", "1", …]``."""
    return [
        str(die["id"]) if isinstance(die, dict) else str(die) for die in host.facts.get("dies", [])
    ]


def leased_dies(host: Host) -> dict[str, str]:
    """Die -> who holds it: ``"job 17"`` or ``"deployment 3"``."""
    held = {}
    jobs = Job.objects.filter(host=host, state__in=Job.ON_HOST_STATES).only("pk", "values")
    for job in jobs:
        held.update(dict.fromkeys(_split(job.values.get("dies", "")), f"job {job.pk}"))
    deployments = Deployment.objects.filter(
        Q(state__in=Deployment.LIVE_STATES) | Q(state=Deployment.State.WAITING, run__gt=1),
        host=host,
    ).select_related("job")
    for deployment in deployments:
        names = _split(deployment.job.values.get("dies", ""))
        held.update(dict.fromkeys(names, f"deployment {deployment.pk}"))
    return held


def free_dies(host: Host) -> list[str]:
    """Dies that nobody holds, in the host's order."""
    held = leased_dies(host)
    return [die for die in dies(host) if die not in held]


def _split(names: str) -> list[str]:
    return [name for name in names.split(",") if name]
