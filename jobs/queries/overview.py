"""What the overview shows: what runs, what waits, what broke, what was found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Count, Q, QuerySet
from django.utils.timezone import now

from jobs.models import Deployment, Host, Job, Result
from jobs.queries.deployments import broken_since
from jobs.queries.headline import beside, headline
from jobs.queries.job_page import durations, left_s

_MOST = 8
_SPARK = 14
_CHAINS, _CHAIN_JOBS = 3, 60  # how far back a chain that is worth a line is looked for
TOUR_KINDS = frozenset({"prepare", "compile", "deploy", "benchmark", "evaluate"})
BROKEN_STATES = (Job.State.FAILED, Job.State.ERRORED, Job.State.LOST)


@dataclass(frozen=True, slots=True)
class Running:
    """A job on its host. ``left_s`` is an estimate, None where there is nothing to go by."""

    job: Job
    step: str
    step_number: int
    steps: int
    done: float | None
    total: float | None
    unit: str
    ran_s: float | None
    left_s: float | None

    @property
    def steps_done(self) -> int:
        """Steps that have ended, all but the one that runs."""
        return max(0, self.step_number - 1)

    @property
    def share(self) -> int | None:
        """Per cent done; None where that is not known."""
        if self.done is None or not self.total:
            return None
        return min(100, int(100 * self.done / self.total))


@dataclass(frozen=True, slots=True)
class Found:
    """A result with its first and second number, and the first one of the runs before (with it)."""

    result: Result
    metric: str
    value: float | None
    second: str
    second_value: float | None
    history: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Serving:
    """A deployment and the latest benchmark of it that has an output rate."""

    deployment: Deployment
    measured: Result | None


@dataclass(frozen=True, slots=True)
class ChainProgress:
    """Jobs made together, and the deployment among what they made."""

    id: UUID
    jobs: tuple[Job, ...]
    deployment: Deployment | None

    @property
    def playground(self) -> Deployment | None:
        """The deployment, while one can chat with it."""
        found = self.deployment
        return found if found and found.state == Deployment.State.READY else None

    @property
    def is_tour(self) -> bool:
        """True for a chain of all five kinds."""
        return {job.kind for job in self.jobs} >= TOUR_KINDS

    @property
    def done(self) -> int:
        """How many succeeded."""
        return sum(job.state == Job.State.SUCCEEDED for job in self.jobs)

    @property
    def is_open(self) -> bool:
        """True while one of the jobs may still change."""
        return any(job.is_open for job in self.jobs)

    @property
    def succeeded(self) -> bool:
        """True when every job did."""
        return self.done == len(self.jobs)

    @property
    def is_folded(self) -> bool:
        """True when it is over and nothing of it broke: one line says it all."""
        return not self.is_open and not any(job.state in BROKEN_STATES for job in self.jobs)

    @property
    def ended_at(self) -> datetime:
        """When the last of those that ended did so; some time ago for none."""
        ended = [job.finished_at for job in self.jobs if job.finished_at]
        return max(ended, default=self.jobs[0].created_at)

    @property
    def took_s(self) -> float | None:
        """Seconds from the start of the first job to the end of the last; None while it is open."""
        started = [job.started_at for job in self.jobs if job.started_at]
        if self.is_open or not started:
            return None
        return (self.ended_at - min(started)).total_seconds()


def running(user: AbstractBaseUser | None) -> list[Running]:
    """Jobs on their hosts, longest first; of ``user`` only, if given."""
    jobs = _of(user).filter(state__in=Job.ON_HOST_STATES).prefetch_related("steps")
    return [_running(job) for job in jobs.order_by("started_at", "id")[:_MOST]]


def waiting(user: AbstractBaseUser | None) -> list[Job]:
    """Queued jobs, first those that ask for somebody, then in the order of their hosts' lines."""
    queued = _of(user).filter(state=Job.State.QUEUED).order_by(*Job.LINE)
    return [*queued.exclude(asks=[])[:_MOST], *queued.filter(asks=[])[:_MOST]][:_MOST]


def counts(user: AbstractBaseUser | None, since: datetime) -> dict[str, int]:
    """How many jobs run, wait, ask for somebody, and broke since then.

    ``{"running", "waiting", "asking", "broke"}``; those that ask are among those that wait.
    """
    queued = Q(state=Job.State.QUEUED)
    return {
        **_of(user)
        .filter(state__in=Job.OPEN_STATES)
        .aggregate(
            running=Count("pk", filter=Q(state__in=Job.ON_HOST_STATES)),
            waiting=Count("pk", filter=queued),
            asking=Count("pk", filter=queued & ~Q(asks=[])),
        ),
        "broke": _broke(user, since).count() + len(broken_servers(user, since)),
    }


def broke(user: AbstractBaseUser | None, since: datetime) -> list[Job]:
    """Jobs that failed, errored or were lost since then, latest first."""
    return list(_broke(user, since).order_by("-finished_at", "-id")[:_MOST])


def broken_servers(user: AbstractBaseUser | None, since: datetime) -> list[Deployment]:
    """Deployments whose server ended unasked since then, latest first."""
    found = Deployment.objects.filter(broken_since(since)).select_related("host", "job")
    if user is not None:
        found = found.filter(created_by_id=user.pk)
    return list(found.order_by("-stopped_at", "-id")[:_MOST])


def results(user: AbstractBaseUser | None) -> list[Found]:
    """The latest results."""
    found = Result.objects.select_related("host", "deployment", "created_by")
    if user is not None:
        found = found.filter(created_by_id=user.pk)
    latest = list(found.order_by("-created_at", "-id")[:_MOST])
    return [_found(result) for result in latest]


def serving() -> list[Serving]:
    """Deployments that are up or coming up, and the latest benchmark of each."""
    deployments = (
        Deployment.objects.filter(
            Q(state__in=Deployment.LIVE_STATES)
            | Q(state=Deployment.State.WAITING, job__state__in=Job.ON_HOST_STATES)
        )
        .select_related("host", "artifact", "job")
        .order_by("-created_at", "-id")[:_MOST]
    )
    return [_serving(deployment) for deployment in deployments]


def chain(since: datetime) -> ChainProgress | None:
    """The newest chain that is open, or that ended after ``since``; None if there is none.

    Two jobs, one of them for the other's sake, are no chain to speak of once all went well.
    """
    newest = Job.objects.filter(chain__isnull=False).order_by("-id").values_list("chain", flat=True)
    for chain_id in list(dict.fromkeys(newest[:_CHAIN_JOBS]))[:_CHAINS]:
        found = _chain(chain_id) if chain_id else None
        if found and not (found.succeeded and len(found.jobs) <= 2):
            return found if found.is_open or found.ended_at >= since else None
    return None


def _chain(chain_id: UUID) -> ChainProgress:
    jobs = tuple(
        Job.objects.filter(chain=chain_id).select_related("host", "deployment").order_by("id")
    )
    deployments = [job.deployment for job in jobs if hasattr(job, "deployment")]
    return ChainProgress(chain_id, jobs, deployments[0] if deployments else None)


def is_new() -> bool:
    """True while nobody has launched anything here."""
    return not Job.objects.exists()


def this_computer() -> Host | None:
    """The embedded host."""
    return Host.objects.filter(sort=Host.Sort.THIS_COMPUTER).order_by("created_at", "id").first()


def _of(user: AbstractBaseUser | None) -> QuerySet[Job]:
    jobs = Job.objects.select_related("host", "created_by")
    return jobs if user is None else jobs.filter(created_by_id=user.pk)


def _broke(user: AbstractBaseUser | None, since: datetime) -> QuerySet[Job]:
    return _of(user).filter(state__in=BROKEN_STATES, finished_at__gte=since)


def _running(job: Job) -> Running:
    steps = list(job.steps.all())
    started = [step for step in steps if step.started_at is not None]
    progress = job.progress or {}
    done, total = progress.get("done"), progress.get("total")
    ran_s = (now() - job.started_at).total_seconds() if job.started_at else None
    earlier = durations(job, job.host)
    return Running(
        job=job,
        step=started[-1].name if started else "",
        step_number=len(started),
        steps=len(steps),
        done=done,
        total=total,
        unit=str(progress.get("unit", "")),
        ran_s=ran_s,
        left_s=left_s(job, ran_s, earlier),
    )


def _found(result: Result) -> Found:
    metric = headline(result.sort, result.metrics)
    second = beside(result.sort, result.metrics)
    before = Result.objects.filter(
        sort=result.sort,
        model_id=result.model_id,
        label=result.label,
        what=result.what,
        host_id=result.host_id,
        created_at__lte=result.created_at,
    ).order_by("-created_at", "-id")
    history = [
        metrics[metric]
        for metrics in before.values_list("metrics", flat=True)[:_SPARK]
        if metric in metrics
    ]
    return Found(
        result=result,
        metric=metric,
        value=result.metrics.get(metric),
        second=second,
        second_value=result.metrics.get(second),
        history=tuple(reversed(history)),
    )


def _serving(deployment: Deployment) -> Serving:
    measured = deployment.results.filter(sort=Result.Sort.BENCHMARK).order_by("-created_at", "-id")
    rated = (result for result in measured[:_SPARK] if "output_tokens_per_s" in result.metrics)
    return Serving(deployment, next(rated, None))
