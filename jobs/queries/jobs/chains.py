"""Chains of jobs: progress, and the current attempt at each job."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from jobs.models import Deployment, Job

_CHAINS, _CHAIN_JOBS = 3, 60  # how far back to look for a recent chain
TOUR_KINDS = frozenset({"prepare", "compile", "deploy", "benchmark", "evaluate"})
BROKEN_STATES = (Job.State.FAILED, Job.State.ERRORED, Job.State.LOST)
_GONE = (Deployment.State.STOPPED, Deployment.State.FAILED, Deployment.State.LOST)
_ENDED_BADLY = (*BROKEN_STATES, Job.State.CANCELLED)


@dataclass(frozen=True, slots=True)
class ChainProgress:
    """Jobs of a chain, and their deployments.

    ``jobs``: current attempts in order. ``earlier``: previous attempts, latest first, by id of the
    current one.
    """

    id: UUID
    jobs: tuple[Job, ...]
    deployments: tuple[Deployment, ...] = ()
    earlier: dict[int, tuple[Job, ...]] = field(default_factory=dict)

    @property
    def deployment(self) -> Deployment | None:
        """The first deployment."""
        return next(iter(self.deployments), None)

    @property
    def playground(self) -> Deployment | None:
        """A deployment available for chat now."""
        ready = (item for item in self.deployments if item.state == Deployment.State.READY)
        return next(ready, None)

    @property
    def is_tour(self) -> bool:
        """True for a chain of all five kinds."""
        return {job.kind for job in self.jobs} >= TOUR_KINDS

    @property
    def model_id(self) -> str:
        """Catalogue id of its model; "" if unknown."""
        return next((job.model_id for job in self.jobs if job.model_id), "")

    @property
    def done(self) -> int:
        """Number of succeeded jobs."""
        return sum(job.state == Job.State.SUCCEEDED for job in self.jobs)

    @property
    def is_open(self) -> bool:
        """True while a job is active."""
        return any(job.is_open for job in self.jobs)

    @property
    def succeeded(self) -> bool:
        """True if every job succeeded."""
        return self.done == len(self.jobs)

    @property
    def broken(self) -> tuple[Job, ...]:
        """Unsuccessful jobs: failed ones, and dependents cancelled with them."""
        return tuple(job for job in self.jobs if job.state in _ENDED_BADLY)

    @property
    def to_repeat(self) -> tuple[Job, ...]:
        """Unsuccessful jobs, and deploy jobs of stopped servers that they use."""
        gone = {item.job_id: item.pk for item in self.deployments if item.state in _GONE}
        used = [job.inputs.get("deployment", {}) for job in self.broken]
        down = {
            job
            for job, number in gone.items()
            if any(ref.get("job") == job or ref.get("id") == number for ref in used)
        }
        again = {*self.broken, *(job for job in self.jobs if job.pk in down)}
        return tuple(job for job in self.jobs if job in again)

    @property
    def to_cancel(self) -> tuple[Job, ...]:
        """Active jobs without a cancel request."""
        return tuple(job for job in self.jobs if job.is_open and job.cancel_asked_at is None)

    @property
    def ending(self) -> Job | None:
        """The first job still being cancelled: jobs after it would be cancelled too."""
        return next((job for job in self.jobs if job.is_open and job.cancel_asked_at), None)

    @property
    def failed(self) -> Job | None:
        """The first job that failed itself or was cancelled by a person."""
        ended = sorted(self.broken, key=lambda job: (job.state == Job.State.CANCELLED, job.pk))
        return next(iter(ended), None)

    @property
    def ended_at(self) -> datetime:
        """End time of the last ended job; a past time for none."""
        ended = [job.finished_at for job in self.jobs if job.finished_at]
        return max(ended, default=self.jobs[0].created_at)

    @property
    def took_s(self) -> float | None:
        """Seconds from the first start to the last end; None while active."""
        started = [job.started_at for job in self.jobs if job.started_at]
        if self.is_open or not started:
            return None
        return (self.ended_at - min(started)).total_seconds()


def chain_of(chain_id: UUID) -> ChainProgress | None:
    """Return the progress of a chain; None: unknown chain."""
    jobs = list(
        Job.objects.filter(chain=chain_id)
        .select_related("host", "deployment", "created_by", "result")
        .prefetch_related("steps", "after")
        .order_by("id")
    )
    if not jobs:
        return None
    latest, earlier = _attempts(jobs)
    deployments = tuple(job.deployment for job in latest if hasattr(job, "deployment"))
    return ChainProgress(chain_id, tuple(latest), deployments, earlier)


def waiting_outside(chain: ChainProgress) -> list[Job]:
    """Return active jobs outside ``chain`` that depend on its active jobs."""
    return [job for job in dependents([one.pk for one in chain.to_cancel]) if job.chain != chain.id]


def dependents(ids: Iterable[int]) -> list[Job]:
    """Return queued jobs that need a product of these, or of one another: by id, without ``ids``.
    Such a job is cancelled with the job that it needs."""
    found: dict[int, Job] = {}
    wanted = set(ids)
    while wanted:
        makers = Job.objects.filter(pk__in=wanted).exclude(product__isnull=True)
        waiting = Job.objects.filter(after__in=makers, state=Job.State.QUEUED)
        rest = waiting.exclude(pk__in=found).distinct()
        wanted = {job.pk for job in rest}
        found |= {job.pk: job for job in rest}
    return [found[pk] for pk in sorted(found)]


def newest_chain(since: datetime) -> ChainProgress | None:
    """Return the newest chain that is active, or ended after ``since``; None for none.

    A successful pair of a job and its requirement does not count.
    """
    newest = Job.objects.filter(chain__isnull=False).order_by("-id").values_list("chain", flat=True)
    for chain_id in list(dict.fromkeys(newest[:_CHAIN_JOBS]))[:_CHAINS]:
        chain = chain_of(chain_id) if chain_id else None
        if chain and not (chain.succeeded and len(chain.jobs) <= 2):
            return chain if chain.is_open or chain.ended_at >= since else None
    return None


def _attempts(jobs: Iterable[Job]) -> tuple[list[Job], dict[int, tuple[Job, ...]]]:
    """Return the last attempt at each job in original order, and the attempts before it."""
    attempts: dict[int, list[Job]] = {}  # the first attempt -> all of them, oldest first
    first: dict[int, int] = {}
    for job in jobs:
        begun = first.get(job.repeats_id or 0, job.pk)
        first[job.pk] = begun
        attempts.setdefault(begun, []).append(job)
    latest = [each[-1] for each in attempts.values()]
    return latest, {each[-1].pk: tuple(reversed(each[:-1])) for each in attempts.values()}
