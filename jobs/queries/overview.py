"""Queries of the overview: running, queued and failed jobs, latest results."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Count, Q, QuerySet
from django.utils.timezone import now

from jobs.models import Deployment, Host, Job, Result
from jobs.queries.engines import broken_since
from jobs.queries.jobs.durations import durations
from jobs.queries.jobs.job_page import BROKEN_STATES, left_s, progress_of
from jobs.queries.results.repeats import (
    best_concurrency,
    best_first,
    headline,
    read_points,
    repeats_of,
    secondary_metric,
    values_at,
)

_MOST = 8
_SPARK = 14
_SCANNED = 500  # number of queued jobs searched for the first of each pipeline


@dataclass(frozen=True, slots=True)
class Running:
    """Running job. ``left_s`` is the estimated remaining time, None without an estimate."""

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
        return max(0, self.step_number - 1)

    @property
    def share(self) -> int | None:
        """Return the progress in per cent; None: unknown."""
        if self.done is None or not self.total:
            return None
        return min(100, int(100 * self.done / self.total))


@dataclass(frozen=True, slots=True)
class Waiting:
    """Queued job; ``more``: number of further queued jobs of its pipeline, not listed."""

    job: Job
    more: int = 0


@dataclass(frozen=True, slots=True)
class ResultFigures:
    """Result with its main and second metric.

    ``history``: main metric of its earlier counted repeats and of itself, oldest first, at the
    concurrency of ``value``.
    """

    result: Result
    metric: str
    value: float | None
    second: str
    second_value: float | None
    history: Sequence[float]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """Deployment with the benchmark that stands for it, of those with an output rate."""

    deployment: Deployment
    measured: Result | None


def running(user: AbstractBaseUser | None) -> list[Running]:
    """Return running jobs, longest first; only of ``user`` if given."""
    jobs = _of(user).filter(state__in=Job.ON_HOST_STATES).prefetch_related("steps")
    return [running_of(job) for job in jobs.order_by("started_at", "id")[:_MOST]]


def waiting(user: AbstractBaseUser | None) -> list[Waiting]:
    """Return queued jobs: first jobs that need confirmation, then by queue order of the hosts.

    Only the first job of a pipeline is listed, with the number of its further queued jobs.
    """
    queued = _of(user).filter(state=Job.State.QUEUED).order_by(*Job.QUEUE_ORDER)
    asking = list(queued.exclude(needs_confirmation=[])[:_MOST])
    chains, shown = {job.chain for job in asking if job.chain}, [job.pk for job in asking]
    for number, chain in queued.filter(needs_confirmation=[]).values_list("pk", "chain")[:_SCANNED]:
        if len(shown) < _MOST and (chain is None or chain not in chains):
            shown.append(number)
            chains |= {chain} if chain else set()
    members = queued.filter(chain__in=chains).order_by().values_list("chain").annotate(Count("pk"))
    count: dict[UUID, int] = dict(members)
    jobs = [*asking, *queued.filter(pk__in=shown[len(asking) :])]
    listed = Counter(job.chain for job in jobs if job.chain)
    listed_chains: set[UUID] = set()
    rows = []
    for job in jobs:
        first = job.chain is not None and job.chain not in listed_chains
        more = count.get(job.chain, 0) - listed[job.chain] if first and job.chain else 0
        listed_chains |= {job.chain} if job.chain else set()
        rows.append(Waiting(job, more))
    return rows


def counts(user: AbstractBaseUser | None, since: datetime) -> dict[str, int]:
    """Return counts of jobs: running, queued, waiting for confirmation, failed since ``since``.

    ``{"running", "waiting", "needs_confirmation", "failed_today"}``; "waiting" includes
    "needs_confirmation".
    """
    queued = Q(state=Job.State.QUEUED)
    active = (
        _of(user)
        .filter(state__in=Job.OPEN_STATES)
        .aggregate(
            running=Count("pk", filter=Q(state__in=Job.ON_HOST_STATES)),
            waiting=Count("pk", filter=queued),
            unconfirmed=Count("pk", filter=queued & ~Q(needs_confirmation=[])),
        )
    )
    return {
        "running": active["running"],
        "waiting": active["waiting"],
        "needs_confirmation": active["unconfirmed"],
        "failed_today": _failed(user, since).count() + len(broken_servers(user, since)),
    }


def failed_today(user: AbstractBaseUser | None, since: datetime) -> list[Job]:
    return list(_failed(user, since).order_by("-finished_at", "-id")[:_MOST])


def broken_servers(user: AbstractBaseUser | None, since: datetime) -> list[Deployment]:
    rows = Deployment.objects.filter(broken_since(since)).select_related("host", "job")
    if user is not None:
        rows = rows.filter(created_by_id=user.pk)
    return list(rows.order_by("-stopped_at", "-id")[:_MOST])


def results(user: AbstractBaseUser | None) -> list[ResultFigures]:
    rows = Result.objects.select_related("host", "deployment", "endpoint", "created_by")
    if user is not None:
        rows = rows.filter(created_by_id=user.pk)
    return list(map(_figures, rows.order_by("-created_at", "-id")[:_MOST]))


def serving() -> list[ServedModel]:
    deployments = (
        Deployment.objects.filter(
            Q(state__in=Deployment.LIVE_STATES)
            | Q(state=Deployment.State.WAITING, job__state__in=Job.ON_HOST_STATES)
        )
        .select_related("host", "artifact", "job")
        .order_by("-created_at", "-id")[:_MOST]
    )
    measured = {"type": Result.Type.BENCHMARK, "metrics__has_key": "output_tokens_per_s"}
    return [
        ServedModel(one, best_first(one.results.filter(**measured)).first()) for one in deployments
    ]


def is_new() -> bool:
    return not Job.objects.exists()


def this_computer() -> Host | None:
    return Host.objects.filter(type=Host.Type.THIS_COMPUTER).order_by("created_at", "id").first()


def _of(user: AbstractBaseUser | None) -> QuerySet[Job]:
    jobs = Job.objects.select_related("host", "created_by")
    return jobs if user is None else jobs.filter(created_by_id=user.pk)


def _failed(user: AbstractBaseUser | None, since: datetime) -> QuerySet[Job]:
    return _of(user).filter(state__in=BROKEN_STATES, finished_at__gte=since)


def running_of(job: Job) -> Running:
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


def _figures(result: Result) -> ResultFigures:
    metric = headline(result.type, result.metrics)
    second = secondary_metric(result.type, result.metrics)
    return ResultFigures(
        result=result,
        metric=metric,
        value=result.metrics.get(metric),
        second=second,
        second_value=result.metrics.get(second),
        history=_history(result, metric),
    )


def _history(result: Result, metric: str) -> list[float]:
    """Return the history; empty for a run that is not counted."""
    if not result.counts or metric not in result.metrics:
        return []
    before = repeats_of(result).filter(created_at__lte=result.created_at)
    latest = before.order_by("-created_at", "-id")[: _SPARK - 1]
    if result.type == Result.Type.EVALUATION:
        runs = [*reversed(latest), result]
        return [run.metrics[metric] for run in runs if metric in run.metrics]
    ids = [*reversed(latest.values_list("pk", flat=True)), result.pk]
    points = read_points(ids)
    concurrency = best_concurrency(result, metric, points.get(result.pk, ()))
    return [] if concurrency is None else values_at(points, ids, metric, concurrency)
