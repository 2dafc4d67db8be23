"""What the overview shows: what runs, what waits, what broke, what was found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Count, Q, QuerySet
from django.utils.timezone import now

from jobs.models import Deployment, Host, Job, Result
from jobs.queries.deployments import broken_since
from jobs.queries.jobs.chains import BROKEN_STATES
from jobs.queries.jobs.job_page import durations, left_s, progress_of
from jobs.queries.results.headline import beside, headline
from jobs.queries.results.repeats import at_concurrency, repeats_of

_MOST = 8
_SPARK = 14
_SCANNED = 500  # so many queued jobs are looked at for the first of each chain


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
class Waiting:
    """A queued job; ``more``: how many others of its chain wait that are not listed."""

    job: Job
    more: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A result with its first and second number.

    ``history``: the first one of its earlier repeats that count and its own, oldest first, at the
    concurrency that ``value`` is of.
    """

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


def running(user: AbstractBaseUser | None) -> list[Running]:
    """Jobs on their hosts, longest first; of ``user`` only, if given."""
    jobs = _of(user).filter(state__in=Job.ON_HOST_STATES).prefetch_related("steps")
    return [running_of(job) for job in jobs.order_by("started_at", "id")[:_MOST]]


def waiting(user: AbstractBaseUser | None) -> list[Waiting]:
    """Queued jobs, first those that ask for somebody, then in the order of their hosts' lines.

    Of a chain only the first is told, with how many more of it wait.
    """
    queued = _of(user).filter(state=Job.State.QUEUED).order_by(*Job.LINE)
    asking = list(queued.exclude(asks=[])[:_MOST])
    told, shown = {job.chain for job in asking if job.chain}, [job.pk for job in asking]
    for number, chain in queued.filter(asks=[]).values_list("pk", "chain")[:_SCANNED]:
        if len(shown) < _MOST and (chain is None or chain not in told):
            shown.append(number)
            told |= {chain} if chain else set()
    members = queued.filter(chain__in=told).order_by().values_list("chain").annotate(Count("pk"))
    count: dict[UUID, int] = dict(members)
    found = [*asking, *queued.filter(pk__in=shown[len(asking) :])]
    listed = Counter(job.chain for job in found if job.chain)
    seen: set[UUID] = set()
    rows = []
    for job in found:
        first = job.chain is not None and job.chain not in seen
        more = count.get(job.chain, 0) - listed[job.chain] if first and job.chain else 0
        seen |= {job.chain} if job.chain else set()
        rows.append(Waiting(job, more))
    return rows


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


def running_of(job: Job) -> Running:
    """How far a job is, with its steps read."""
    steps = list(job.steps.all())
    started = [step for step in steps if step.started_at is not None]
    progress = progress_of(job)
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
    return Found(
        result=result,
        metric=metric,
        value=result.metrics.get(metric),
        second=second,
        second_value=result.metrics.get(second),
        history=tuple(_history(result, metric)),
    )


def _history(result: Result, metric: str) -> list[float]:
    """Empty for a run that does not count itself."""
    if not result.counts or metric not in result.metrics:
        return []
    before = repeats_of(result).filter(created_at__lte=result.created_at)
    latest = before.order_by("-created_at", "-id").prefetch_related("points")[: _SPARK - 1]
    runs = [*reversed(latest), result]
    if result.sort == Result.Sort.EVALUATION:
        return [run.metrics[metric] for run in runs if metric in run.metrics]
    value = result.metrics[metric]
    points = result.points.all()
    own = (point.concurrency for point in points if point.metrics.get(metric) == value)
    concurrency = next(own, None)
    return [] if concurrency is None else at_concurrency(runs, metric, concurrency)


def _serving(deployment: Deployment) -> Serving:
    measured = deployment.results.filter(sort=Result.Sort.BENCHMARK).order_by("-created_at", "-id")
    rated = (result for result in measured[:_SPARK] if "output_tokens_per_s" in result.metrics)
    return Serving(deployment, next(rated, None))
