"""Hosts: state, dies, page, queue."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple, TypeVar

from django.conf import settings
from django.db.models import Count, F, Prefetch, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils.timezone import now

from jobs.base import grouped
from jobs.base.numbers import finite
from jobs.models import Artifact, Deployment, Environment, Host, Instance, Job, Weights

OnHost = TypeVar("OnHost", Job, Deployment)


def instance_id() -> str:
    known = Instance.objects.values_list("instance_id", flat=True).first()  # each request of hosts
    # One row with a fixed key, so that two processes that start together agree.
    return str(known or Instance.objects.get_or_create(pk=1)[0].instance_id)


def is_away(host: Host, *, at: datetime | None = None) -> bool:
    age_s = heartbeat_age_s(host, at=at)
    return age_s is None or age_s > settings.HOST_AWAY_AFTER_S


def online_since() -> datetime:
    """Return the time after which the last heartbeat of a host that is not away lies."""
    return now() - timedelta(seconds=settings.HOST_AWAY_AFTER_S)


def heartbeat_age_s(host: Host, *, at: datetime | None = None) -> float | None:
    """None without a heartbeat."""
    beat = host.heartbeat_at
    return None if beat is None else ((at or now()) - beat).total_seconds()


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
    """Return die -> user on one host: a deploy job, or its deployment once created."""
    users: list[tuple[Job | Deployment, Job]] = [
        (job, job) for job in jobs if job.state in Job.ON_HOST_STATES
    ]
    users += [(deployment, deployment.job) for deployment in deployments]
    held: dict[str, Job | Deployment] = {}
    for user, job in users:
        held |= dict.fromkeys(_dies_in(job.values), user)
    return held


def held_names(hosts: Iterable[Host]) -> dict[int, set[str]]:
    """Return names of the dies in use on each host that has dies. Every page asks: no row of a job
    is made."""
    held: dict[int, set[str]] = {host.pk: set() for host in hosts if all_dies(host)}
    if not held:
        return held
    on_host = Job.on(held, Job.ON_HOST_STATES)
    servers = holding_deployments(held).order_by().values_list("host_id", "job__values")
    for pk, values in [*on_host.values_list("host_id", "values"), *servers]:
        held[pk].update(_dies_in(values))
    return held


def _dies_in(values: Mapping[str, str]) -> Iterable[str]:
    return filter(None, values.get("dies", "").split(","))


def _by_host(rows: Iterable[OnHost]) -> dict[int, list[OnHost]]:
    return grouped((row.host_id, row) for row in rows)


def leased_dies(host: Host) -> dict[str, Job | Deployment]:
    if not all_dies(host):
        return {}
    jobs = Job.on([host], Job.ON_HOST_STATES).defer("plan", "params")
    return held_dies(jobs, holding_deployments([host]))


def free_dies(host: Host) -> list[str]:
    held = leased_dies(host)
    return [die for die in dies(host) if die not in held]


def proposed_dies(host: Host, wanted: int) -> list[str]:
    """Return the dies a job would get now; none if too few are free."""
    free = free_dies(host)
    return free[:wanted] if len(free) >= wanted else []


class DieReading(NamedTuple):
    """Last reading of a die: °C and W; None if unknown."""

    temp_c: float | None
    power_w: float | None


def readings(host: Host) -> dict[str, DieReading]:
    """Return die -> reading, from the last heartbeat (see ``jobs.host.probe``)."""
    dies = host.load.get("dies")
    if not isinstance(dies, Mapping):
        return {}
    return {
        str(name): DieReading(finite(values.get("temp_c")), finite(values.get("power_w")))
        for name, values in dies.items()
        if isinstance(values, Mapping)
    }


class HostNow(NamedTuple):
    """``queued``: the first jobs of its queue; ``queued_count``: its length, 0 if not requested."""

    host: Host
    on_host: tuple[Job, ...]
    queued: tuple[Job, ...]
    queued_count: int
    deployments: tuple[Deployment, ...]

    @property
    def held(self) -> dict[str, Job | Deployment]:
        return held_dies(self.on_host, self.deployments)


class HostPage(NamedTuple):
    """Data of one host. Assets newest first; ``recent``: its ended jobs, latest first."""

    now: HostNow
    weights: tuple[Weights, ...]
    artifacts: tuple[Artifact, ...]
    environments: tuple[Environment, ...]
    recent: QuerySet[Job]

    @property
    def has_assets(self) -> bool:
        return bool(self.weights or self.artifacts or self.environments)


def hosts_now(*, waiting: int) -> list[HostNow]:
    return _now(list(Host.objects.all()), waiting)


def host_page(name: str) -> HostPage:
    """Return one host. May raise DoesNotExist."""
    host = Host.objects.get(name=name)
    ended = Job.objects.filter(host=host).exclude(state__in=Job.OPEN_STATES)
    ended = ended.select_related("host", "created_by").order_by("-finished_at", "-id")
    return HostPage(
        now=_now([host], 0)[0],
        weights=tuple(Weights.objects.filter(host=host).select_related("job")),
        artifacts=tuple(Artifact.objects.filter(host=host, deleted_at=None).select_related("job")),
        environments=tuple(Environment.objects.filter(host=host).select_related("job")),
        recent=ended,
    )


def queued_jobs(host: Host, *, start: int, count: int) -> tuple[list[Job], int]:
    """Return ``count`` queued jobs from index ``start`` in order, and the queue length."""
    waiting = waiting_on([host])
    return list(waiting[start : start + count]), waiting.count()


def queue_position(job: Job) -> int:
    """Return the number of jobs ahead of ``job``; jobs that depend on it do not count."""
    queued = Job.objects.filter(host=job.host_id, state=Job.State.QUEUED)
    queued = queued.exclude(pk__in=_behind(job))
    level = queued.filter(priority=job.priority)
    same = level.filter(place=job.place, pk__lt=job.pk).count()
    lower = queued.filter(priority__lt=job.priority).count()
    return lower + level.filter(place__lt=job.place).count() + same


def queue_positions(rows: Sequence[Job]) -> dict[int, int]:
    """Return the number of jobs ahead for a host's whole queue, by job id, in one query."""
    if not rows:
        return {}
    through, queued = Job.after.through, Job.State.QUEUED
    pairs = through._default_manager.filter(
        to_job__host=rows[0].host_id, to_job__state=queued, from_job__state=queued
    )
    waits_for = grouped(pairs.values_list("to_job", "from_job"))  # job -> direct dependents
    place = {row.pk: number for number, row in enumerate(rows)}
    positions = {}
    for pk, number in place.items():
        behind_it, new = set[int](), set(waits_for.get(pk, ()))
        while new:
            behind_it |= new
            new = set().union(*(waits_for.get(one, ()) for one in new)) - behind_it
        positions[pk] = number - sum(place.get(one, number) < number for one in behind_it)
    return positions


def _behind(job: Job) -> set[int]:
    """Return queued jobs that depend on ``job``, transitively."""
    dependents: set[int] = set()
    behind = {job.pk}
    while behind:
        rows = Job.objects.filter(after__in=behind, state=Job.State.QUEUED)
        behind = set(rows.values_list("pk", flat=True)) - dependents
        dependents |= behind
    return dependents


def waiting_on(hosts: Sequence[Host]) -> QuerySet[Job]:
    """Return queued jobs of these hosts in order, without plans, which are long."""
    predecessors = Prefetch("after", Job.objects.only("pk", "state", "title"))
    queued = Job.objects.filter(host__in=hosts, state=Job.State.QUEUED)
    jobs = queued.select_related("host", "created_by").prefetch_related(predecessors)
    return jobs.defer("plan", "params").order_by(*Job.QUEUE_ORDER)


def _now(hosts: Sequence[Host], waiting: int) -> list[HostNow]:
    there = Job.on(hosts, Job.ON_HOST_STATES).select_related("host", "created_by")
    on_host = _by_host(sorted(there, key=attrgetter("created_at", "pk")))
    deployments = _by_host(holding_deployments(hosts))
    in_queue = Window(
        RowNumber(), partition_by="host_id", order_by=[F(name) for name in Job.QUEUE_ORDER]
    )
    in_all = Window(Count("pk"), partition_by="host_id")
    # Ids first: the database sorts each queue, and rows are wide.
    narrow = Job.objects.filter(host__in=hosts, state=Job.State.QUEUED).order_by()
    numbered = narrow.annotate(in_queue=in_queue, in_all=in_all).filter(in_queue__lte=waiting)
    rows = numbered.values_list("pk", "host_id", "in_all") if waiting else ()
    counts = {host_id: in_all for _pk, host_id, in_all in rows}
    queued = _by_host(waiting_on(hosts).filter(pk__in=[pk for pk, *_ in rows]))
    return [
        HostNow(
            host,
            tuple(on_host.get(host.pk, ())),
            tuple(queued.get(host.pk, ())),
            counts.get(host.pk, 0),
            tuple(deployments.get(host.pk, ())),
        )
        for host in hosts
    ]
