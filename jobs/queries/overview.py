"""Overview: running, queued and failed jobs, latest results; and one search over all pages."""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from operator import and_
from typing import NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Case, Count, Q, QuerySet, When
from django.utils.timezone import now
from django.utils.translation import gettext

from jobs.base.numbers import number_from
from jobs.catalog import MODELS, ZooModel
from jobs.models import Conversation, Deployment, Host, Job, Result
from jobs.queries.chat import conversations_of
from jobs.queries.engines import broken_since
from jobs.queries.hosts import online_since
from jobs.queries.jobs.durations import durations
from jobs.queries.jobs.groups import firsts
from jobs.queries.jobs.job_page import left_s, progress_of
from jobs.queries.jobs.jobs import JobFilters
from jobs.queries.jobs.jobs import matching as jobs_matching
from jobs.queries.jobs.jobs import page as job_list
from jobs.queries.results.listing import ResultFilters, Words, matching
from jobs.queries.results.repeats import (
    SECONDARY,
    best_concurrency,
    best_first,
    headline,
    read_points,
    repeats_of,
    values_at,
)

_MOST, _RESULTS = 8, 5
_SPARK = 14


class RunningJob(NamedTuple):
    """Running job. ``left_s`` is the estimated remaining time, None without an estimate."""

    job: Job
    step: str
    step_number: int
    steps: int
    done: float | None
    total: float | None
    unit: str
    left_s: float | None

    @property
    def steps_done(self) -> int:
        return max(0, self.step_number - 1)

    @property
    def share(self) -> int | None:
        if self.done is None or not self.total:
            return None
        return min(100, int(100 * self.done / self.total))


class ResultFigures(NamedTuple):
    """Result with its main and second metric. ``history``: main metric of its earlier counted
    repeats and of itself, oldest first, at the concurrency of ``value``."""

    result: Result
    metric: str
    value: float | None
    second: str
    second_value: float | None
    history: Sequence[float]


class ServedModel(NamedTuple):
    """Deployment with the benchmark that stands for it, of those with an output rate."""

    deployment: Deployment
    measured: Result | None


def running(user: AbstractBaseUser | None) -> tuple[list[Job], QuerySet[Job]]:
    """Return the first running job of each group, and all running jobs."""
    jobs = _of(user).filter(Job.in_states(Job.ON_HOST_STATES)).prefetch_related("steps")
    jobs = jobs.order_by("started_at", "id")
    return firsts(jobs, _MOST), jobs


def waiting(user: AbstractBaseUser | None) -> tuple[list[Job], QuerySet[Job]]:
    """Return the first queued job of each group and all queued jobs: first jobs that need
    confirmation, then by queue order of the hosts."""
    queued = _of(user).filter(state=Job.State.QUEUED)
    asks = Case(When(needs_confirmation=[], then=1), default=0)
    queued = queued.order_by(asks, *Job.QUEUE_ORDER)
    return firsts(queued, _MOST), queued


def counts(user: AbstractBaseUser | None, since: datetime) -> dict[str, int]:
    """Return ``{"running", "away", "waiting", "needs_confirmation", "failed_today",
    "lost_today"}``: counts of jobs, the last two since ``since``; "away" are on hosts that are
    offline and not "running"; "waiting" includes "needs_confirmation"."""
    # Grouped by state, SQLite reads the open jobs by their index; else it walks all jobs there are.
    rows = _of(user).order_by().filter(state__in=Job.OPEN_STATES).values("state")
    unconfirmed = Count("pk", filter=~Q(needs_confirmation=[]))
    away = Count("pk", filter=~Q(host__heartbeat_at__gte=online_since()))
    counted = rows.annotate(n=Count("pk"), unconfirmed=unconfirmed, away=away)
    found = {row["state"]: row for row in counted}
    on_host = [found[state] for state in Job.ON_HOST_STATES if state in found]
    queued = found.get(Job.State.QUEUED, {"n": 0, "unconfirmed": 0})
    is_lost = Q(state=Job.State.LOST)
    ended = _failed(user, since).aggregate(
        failed=Count("pk", filter=~is_lost), lost=Count("pk", filter=is_lost)
    )
    return {
        "running": sum(row["n"] - row["away"] for row in on_host),
        "away": sum(row["away"] for row in on_host),
        "waiting": queued["n"],
        "needs_confirmation": queued["unconfirmed"],
        "failed_today": ended["failed"] + _broken(user, since).count(),
        "lost_today": ended["lost"],
    }


def failed_today(user: AbstractBaseUser | None, since: datetime) -> tuple[list[Job], QuerySet[Job]]:
    """Return the last failed job of each group, else its last lost one, and all of them."""
    is_lost = Case(When(state=Job.State.LOST, then=1), default=0)
    jobs = _failed(user, since).order_by(is_lost, "-finished_at", "-id")
    return firsts(jobs, _MOST), jobs


def broken_servers(user: AbstractBaseUser | None, since: datetime) -> list[Deployment]:
    rows = _broken(user, since).select_related("host", "job")
    return list(rows.order_by("-stopped_at", "-id")[:_MOST])


def results(user: AbstractBaseUser | None) -> list[ResultFigures]:
    related = ("host", "deployment", "endpoint", "created_by", "imported")
    rows = Result.objects.select_related(*related)
    if user is not None:
        rows = rows.filter(created_by_id=user.pk)
    return list(map(_figures, rows.order_by("-created_at", "-id")[:_RESULTS]))


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


def has_jobs(user: AbstractBaseUser) -> bool:
    return Job.objects.filter(created_by_id=user.pk).exists()


def this_computer() -> Host | None:
    return Host.objects.filter(type=Host.Type.THIS_COMPUTER).order_by("created_at", "id").first()


def _of(user: AbstractBaseUser | None) -> QuerySet[Job]:
    jobs = Job.objects.select_related("host", "created_by")
    return jobs if user is None else jobs.filter(created_by_id=user.pk)


def _broken(user: AbstractBaseUser | None, since: datetime) -> QuerySet[Deployment]:
    rows = Deployment.objects.filter(broken_since(since))
    return rows if user is None else rows.filter(created_by_id=user.pk)


def _failed(user: AbstractBaseUser | None, since: datetime) -> QuerySet[Job]:
    return _of(user).filter(state__in=Job.BROKEN_STATES, finished_at__gte=since)


def running_of(job: Job) -> RunningJob:
    steps = list(job.steps.all())
    started = [step for step in steps if step.started_at is not None]
    progress = progress_of(job)
    ran_s = (now() - job.started_at).total_seconds() if job.started_at else None
    return RunningJob(
        *(job, started[-1].name if started else "", len(started), len(steps)),
        *(progress.get("done"), progress.get("total"), str(progress.get("unit", ""))),
        left_s(job, ran_s, durations(job, job.host)),
    )


def _figures(result: Result) -> ResultFigures:
    metric = headline(result.type, result.metrics)
    second = headline(result.type, result.metrics, SECONDARY)
    value, second_value = result.metrics.get(metric), result.metrics.get(second)
    return ResultFigures(result, metric, value, second, second_value, _history(result, metric))


def _history(result: Result, metric: str) -> list[float]:
    if not result.counts or metric not in result.metrics:
        return []
    before = repeats_of(result).filter(created_at__lte=result.created_at)
    latest = before.order_by("-created_at", "-id")[: _SPARK - 1]
    if result.type == Result.Type.EVALUATION:
        return [run.metrics[metric] for run in [*reversed(latest), result] if metric in run.metrics]
    ids = [*reversed(latest.values_list("pk", flat=True)), result.pk]
    points = read_points(ids)
    concurrency = best_concurrency(result, metric, points.get(result.pk, ()))
    return [] if concurrency is None else values_at(points, ids, metric, concurrency)


MOST = 8


class SearchResults(NamedTuple):
    """Matches, newest first, at most ``MOST`` of each; ``job`` is the one of that number."""

    job: Job | None = None
    jobs: Sequence[Job] = ()
    results: Sequence[Result] = ()
    deployments: Sequence[Deployment] = ()
    models: Sequence[ZooModel] = ()
    hosts: Sequence[Host] = ()
    chats: Sequence[Conversation] = ()

    @property
    def any(self) -> bool:
        return any(self)


def search(text: str, *, user: AbstractBaseUser | None = None, most: int = MOST) -> SearchResults:
    """Return matches of all words of ``text``; nothing for no words. A number is that of a job. Of
    chats only those of ``user``."""
    terms = text.split()
    if not terms:
        return SearchResults()
    number = number_from(text.strip().removeprefix("#"))
    found = Job.objects.filter(pk=number or 0).select_related("host", "created_by")
    job = None if number is None else found.first()
    listed, _older = job_list(jobs_matching(JobFilters(text=text)), limit=most)
    matches = matching(ResultFilters(words=Words(text))).select_related(
        "host", "deployment", "endpoint"
    )
    models = [one for one in MODELS.values() if _has_all(f"{one.id} {one.name}", terms)]
    served = reduce(and_, (Q(name__icontains=w) | Q(model_id__icontains=w) for w in terms))
    return SearchResults(
        job=job,
        jobs=[item for item in listed if item != job],
        results=list(matches[:most]),
        deployments=list(Deployment.objects.filter(served).select_related("host")[:most]),
        models=models[:most],
        hosts=list(Host.objects.filter(reduce(and_, map(_host_has, terms)))[:most]),
        chats=conversations_of(user, terms, most=most) if user else (),
    )


def _host_has(word: str) -> Q:
    """By its name, and This computer by what people call it."""
    by_name = Q(name__icontains=word)
    own = Q(type=Host.Type.THIS_COMPUTER)
    return by_name | own if _has_all(gettext("This computer"), [word]) else by_name


def _has_all(text: str, terms: Sequence[str]) -> bool:
    return all(word.casefold() in text.casefold() for word in terms)
