"""What the pages about hosts read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.models import Artifact, Deployment, Environment, Host, Job, Weights
from jobs.queries.hosts import held_dies, holding_deployments

_RECENT = 10


@dataclass(frozen=True, slots=True)
class HostNow:
    """A host, the jobs that are not over there, and the deployments that hold it now."""

    host: Host
    jobs: tuple[Job, ...]
    deployments: tuple[Deployment, ...]

    @property
    def on_host(self) -> list[Job]:
        """Jobs that it has taken, or is about to."""
        return [job for job in self.jobs if job.state in Job.ON_HOST_STATES]

    @property
    def queued(self) -> list[Job]:
        """Jobs that wait for it, oldest first."""
        return [job for job in self.jobs if job.state == Job.State.QUEUED]

    @property
    def held(self) -> dict[str, Job | Deployment]:
        """Die -> who holds it."""
        return held_dies(self.jobs, self.deployments)


@dataclass(frozen=True, slots=True)
class HostPage:
    """All about one host. Assets newest first; ``recent`` are its last jobs that ended."""

    now: HostNow
    weights: tuple[Weights, ...]
    artifacts: tuple[Artifact, ...]
    environments: tuple[Environment, ...]
    recent: tuple[Job, ...]

    @property
    def has_assets(self) -> bool:
        """True when anything lies on the host's disk for jobs to use."""
        return bool(self.weights or self.artifacts or self.environments)


def hosts_now() -> list[HostNow]:
    """Every host, by name, in three queries."""
    hosts = list(Host.objects.all())
    return _now(hosts)


def host_page(name: str) -> HostPage:
    """One host.

    Raises:
        Host.DoesNotExist: no host has this name.
    """
    host = Host.objects.get(name=name)
    ended = Job.objects.filter(host=host).exclude(state__in=Job.OPEN_STATES)
    return HostPage(
        now=_now([host])[0],
        weights=tuple(Weights.objects.filter(host=host).select_related("job")),
        artifacts=tuple(Artifact.objects.filter(host=host, deleted_at=None).select_related("job")),
        environments=tuple(Environment.objects.filter(host=host).select_related("job")),
        recent=tuple(ended.select_related("host", "created_by").order_by("-finished_at")[:_RECENT]),
    )


def _now(hosts: Sequence[Host]) -> list[HostNow]:
    jobs: dict[int, list[Job]] = defaultdict(list)
    deployments: dict[int, list[Deployment]] = defaultdict(list)
    open_jobs = Job.objects.filter(host__in=hosts, state__in=Job.OPEN_STATES)
    for job in open_jobs.select_related("host", "created_by").order_by("created_at", "id"):
        jobs[job.host_id].append(job)
    for deployment in holding_deployments(hosts):
        deployments[deployment.host_id].append(deployment)
    return [HostNow(host, tuple(jobs[host.pk]), tuple(deployments[host.pk])) for host in hosts]
