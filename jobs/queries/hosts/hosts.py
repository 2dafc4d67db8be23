"""Current state of a host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.timezone import now

from jobs.models import Deployment, Host, Job


def is_away(host: Host, *, at: datetime | None = None) -> bool:
    """Return True if the last heartbeat is older than ``HOST_AWAY_AFTER_S``, or missing."""
    if host.heartbeat_at is None:
        return True
    return (at or now()) - host.heartbeat_at > timedelta(seconds=settings.HOST_AWAY_AFTER_S)


def heartbeat_age_s(host: Host, *, at: datetime | None = None) -> float | None:
    """Return seconds since the last heartbeat; None: none yet."""
    return (
        None if host.heartbeat_at is None else ((at or now()) - host.heartbeat_at).total_seconds()
    )


def lacks_room(host: Host) -> bool:
    """Return True if free disk is below the reserve (``HOST_DISK_RESERVE``)."""
    free, reserve = (host.load.get(f"disk_{name}_bytes") for name in ("free", "reserve"))
    return isinstance(free, int) and isinstance(reserve, int) and free < reserve


def dies(host: Host) -> list[str]:
    """Return names of the host's dies from its probe: ``["0", "1", …]``."""
    return [
        str(die["id"]) if isinstance(die, dict) else str(die) for die in host.facts.get("dies", [])
    ]


def all_dies(host: Host) -> list[str]:
    """Return all dies ever reported, missing ones included; by number."""
    return sorted({*host.dies_seen, *dies(host)}, key=lambda name: (len(name), name))


def missing_dies(host: Host) -> list[str]:
    """Return dies that are no longer reported."""
    there = set(dies(host))
    return [name for name in all_dies(host) if name not in there]


def holding_deployments(hosts: Iterable[Host | int]) -> QuerySet[Deployment]:
    """Return deployments that use dies on these hosts: running and restarting ones."""
    holds = Q(state__in=Deployment.LIVE_STATES) | Q(state=Deployment.State.WAITING, run__gt=1)
    rows = Deployment.objects.filter(holds, host__in=hosts)
    rows = rows.select_related("host", "job", "artifact").defer("job__plan", "job__params")
    return rows.order_by("created_at", "pk")


def held_dies(
    jobs: Iterable[Job], deployments: Iterable[Deployment]
) -> dict[str, Job | Deployment]:
    """Return die -> user, for jobs and deployments of one host.

    Dies of a deploy job belong to its deployment once created.
    """
    held: dict[str, Job | Deployment] = {}
    for job in jobs:
        if job.state in Job.ON_HOST_STATES:
            held.update(dict.fromkeys(_split(job.values.get("dies", "")), job))
    for deployment in deployments:
        held.update(dict.fromkeys(_split(deployment.job.values.get("dies", "")), deployment))
    return held


def held_on(hosts: Iterable[Host]) -> dict[int, dict[str, Job | Deployment]]:
    """Return die -> user for many hosts, by id, in two queries."""
    with_dies = [host.pk for host in hosts if all_dies(host)]
    jobs: dict[int, list[Job]] = defaultdict(list)
    deployments: dict[int, list[Deployment]] = defaultdict(list)
    if with_dies:
        on_host = Job.objects.filter(host__in=with_dies, state__in=Job.ON_HOST_STATES)
        for job in on_host.defer("plan", "params"):
            jobs[job.host_id].append(job)
        for deployment in holding_deployments(with_dies):
            deployments[deployment.host_id].append(deployment)
    return {pk: held_dies(jobs[pk], deployments[pk]) for pk in with_dies}


def leased_dies(host: Host) -> dict[str, Job | Deployment]:
    """Return die -> user, on this host."""
    return held_on([host]).get(host.pk, {})


def free_dies(host: Host) -> list[str]:
    """Return unused dies, in host order."""
    held = leased_dies(host)
    return [die for die in dies(host) if die not in held]


def proposed_dies(host: Host, wanted: int) -> list[str]:
    """Return the dies a job would get now; none if too few are free."""
    free = free_dies(host)
    return free[:wanted] if len(free) >= wanted else []


@dataclass(frozen=True, slots=True)
class Reading:
    """Last reading of a die: °C and W; None if unknown."""

    temp_c: float | None
    power_w: float | None


def readings(host: Host) -> dict[str, Reading]:
    """Return die -> reading, from the last heartbeat (see ``jobs.host.probe``)."""
    dies = host.load.get("dies")
    if not isinstance(dies, Mapping):
        return {}
    return {
        str(name): Reading(_number(values.get("temp_c")), _number(values.get("power_w")))
        for name, values in dies.items()
        if isinstance(values, Mapping)
    }


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None  # type: ignore[arg-type]


def _split(names: str) -> list[str]:
    return [name for name in names.split(",") if name]
