"""Disk usage of the dashboard, what may be removed and when. Sizes are kept in the rows, measured
once a record is over; sums are made and kept by each round of retention."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.utils.timezone import now

from jobs.models import Deployment, Host, Import, Instance, Job, OutputFile, Turn
from jobs.models.jobs import Retained

# People look at what has just ended, and its host may still send data.
FRESH_FOR = timedelta(hours=1)
# Anyone permitted may stop keeping files: the owner has a day to notice and keep them again.
UNPINNED_FOR = timedelta(days=1)
# A removal is announced this long ahead.
SOON = timedelta(days=7)
_LOOKED_AT = 5000  # maximum records to compute the next removals
_LAST_MOMENT_S = 1e11  # seconds since the epoch that a host may send: still a date
_FAR = 520  # weeks: limit of predictions


class RetentionLimits(NamedTuple):
    """Limits of the settings; None: no limit."""

    retention_age: timedelta | None
    retention_size_bytes: int | None

    @property
    def any(self) -> bool:
        return self.retention_age is not None or self.retention_size_bytes is not None


def limits() -> RetentionLimits:
    seconds = settings.RETENTION_AGE_S
    retention_age = None if seconds is None else timedelta(seconds=seconds)
    return RetentionLimits(retention_age, settings.RETENTION_SIZE_BYTES)


@dataclass(frozen=True, slots=True)
class StorageCount:
    """Usage counted by a round of retention, bytes. ``at``: its time, ISO 8601; "" before the
    first. ``within``: all that counts for ``RETENTION_SIZE``. ``full_until``: what ended up to then
    goes within seven days for its size, at the pace of the last seven; "" where nothing does."""

    at: str = ""
    job_logs: int = 0
    outputs: int = 0
    points: int = 0
    server_logs: int = 0
    chats: int = 0
    aside: int = 0
    imports: int = 0
    pinned: int = 0
    week: int = 0  # of what ended within the last seven days
    full_until: str = ""

    @property
    def within(self) -> int:
        return self.job_logs + self.outputs + self.points + self.server_logs + self.chats


def last_count() -> StorageCount:
    kept: Mapping[str, Any] = Instance.objects.values_list("storage", flat=True).first() or {}
    names = {each.name for each in fields(StorageCount)}
    return StorageCount(**{name: value for name, value in kept.items() if name in names})


@dataclass(frozen=True, slots=True, order=True)
class Bulk:
    """Removable part of one record: ``type`` is "job", "deployment" or "turn"."""

    ended_at: datetime
    type: str
    id: int
    bytes: int = field(compare=False)


def may_be_removed(moment: datetime) -> QuerySet[Job]:
    """Return jobs whose files may be removed: ended, not kept, without a server in use."""
    served = Deployment.objects.filter(job=OuterRef("pk"), state__in=Deployment.UP_STATES)
    over = Job.objects.filter(stored_bytes__gt=0, pinned_at=None, finished_at__lt=moment)
    return over.filter(~Exists(served), removed_at=None)


def removable_jobs(moment: datetime) -> QuerySet[Job]:
    """Return jobs whose files may be removed automatically."""
    return may_be_removed(moment - FRESH_FOR).exclude(unpinned_at__gt=moment - UNPINNED_FOR)


def removable_deployments(moment: datetime) -> QuerySet[Deployment]:
    """Return ended servers whose jobs have ended and are not kept."""
    rows = Deployment.objects.filter(
        stored_bytes__gt=0,
        removed_at=None,
        state__in=Deployment.ENDED_STATES,
        stopped_at__lt=moment - FRESH_FOR,
        job__pinned_at=None,
        job__finished_at__isnull=False,
    )
    return rows.exclude(job__unpinned_at__gt=moment - UNPINNED_FOR)


def oldest(moment: datetime, limit: int) -> list[Bulk]:
    """Return what may be removed, at most ``limit``, oldest ended first."""
    # Of chats the stored stream only repeats a text in the row.
    has_text = ~Q(answer="") | ~Q(reasoning="")
    turns = Turn.objects.filter(has_text, stored_bytes__gt=0, created_at__lt=moment - FRESH_FOR)
    bulks = heapq.merge(
        _bulks("deployment", removable_deployments(moment), "stopped_at", limit),
        _bulks("job", removable_jobs(moment), "finished_at", limit),
        _bulks("turn", turns.exclude(state=Turn.State.STREAMING), "created_at", limit),
    )
    return list(islice(bulks, limit))


def _bulks(record_type: str, rows: QuerySet[Any], ended: str, limit: int) -> list[Bulk]:
    values = rows.order_by(ended, "pk").values_list(ended, "pk", "stored_bytes")
    return [Bulk(at, record_type, pk, size) for at, pk, size in values[:limit]]


def count(moment: datetime, *, aside: int) -> StorageCount:
    """Count anew; ``aside``: bytes in that folder, which no row knows of. Unmeasured records count
    with the size of their log, as do running jobs and servers."""
    open_jobs = Job.objects.filter(Job.in_states(Job.OPEN_STATES))
    fresh_jobs = Job.objects.filter(stored_bytes=None, finished_at__isnull=False, removed_at=None)
    servers = Deployment.objects.filter(removed_at=None)
    jobs, points = _sums(Job.objects.filter(stored_bytes__gt=0), "stored_bytes", "points_bytes")
    outputs = _sum(OutputFile.objects.filter(job__removed_at=None), "received_bytes")
    measured = OutputFile.objects.filter(job__stored_bytes__gt=0)
    logs = jobs - points - _sum(measured, "received_bytes")
    week = Job.objects.filter(stored_bytes__gt=0, finished_at__gt=moment - SOON)
    counted = StorageCount(
        at=moment.isoformat(),
        job_logs=max(0, logs) + _sum(open_jobs, "log_bytes") + _sum(fresh_jobs, "log_bytes"),
        outputs=outputs,
        points=points,
        server_logs=_sum(servers.filter(stored_bytes__gt=0), "stored_bytes")
        + _sum(servers.filter(stored_bytes=None), "log_bytes"),
        chats=_sum(Turn.objects.filter(stored_bytes__gt=0), "stored_bytes"),
        aside=aside,
        imports=Import.objects.aggregate(sum=Sum("bytes"))["sum"] or 0,
        pinned=_sum(Job.objects.filter(pinned_at__isnull=False), "stored_bytes"),
        week=_sum(week, "stored_bytes"),
    )
    limit, last = limits().retention_size_bytes, ""
    excess = 0 if limit is None else counted.within + counted.week - limit
    for bulk in oldest(moment, _LOOKED_AT) if excess > 0 else ():
        last, excess = bulk.ended_at.isoformat(), excess - bulk.bytes
        if excess <= 0:
            break
    return replace(counted, full_until=last)


def _sums(rows: QuerySet[Any], *names: str) -> tuple[int, ...]:
    totals = rows.aggregate(**{f"sum_{name}": Sum(name) for name in names})
    return tuple(totals[f"sum_{name}"] or 0 for name in names)


def _sum(rows: QuerySet[Any], name: str) -> int:
    return _sums(rows, name)[0]


class PendingRemoval(NamedTuple):
    """Coming removal of a record. ``at`` is its time; None if only the size decides."""

    why: str
    at: datetime | None


def next_to_go(counted: StorageCount, most: int) -> list[tuple[Bulk, PendingRemoval]]:
    """The next removals and their times, however far ahead. For its size something goes when there
    is no room again after all that ended before it, at the pace of the last seven days."""
    given, moment, before, removals = limits(), now(), 0, []
    for bulk in oldest(moment, most) if given.any else ():
        dates = []
        if given.retention_age is not None:
            dates.append((max(bulk.ended_at + given.retention_age, moment), str(Retained.Why.AGE)))
        if given.retention_size_bytes is not None:
            room = given.retention_size_bytes + before - counted.within
            if room < 0 or counted.week:
                weeks = max(0, room) / counted.week if counted.week else 0
                dates.append((moment + min(weeks, _FAR) * SOON, str(Retained.Why.SIZE)))
        before += bulk.bytes
        if dates:
            at, why = min(dates)
            removals.append((bulk, PendingRemoval(why, at)))
    return removals


def pending_removal_of(job: Job) -> PendingRemoval | None:
    """Return the removal within seven days of a job in any state; None without one."""
    given, ended_at = limits(), job.finished_at
    is_left = job.is_open or job.pinned_at or job.removed_at or not job.stored_bytes
    if not given.any or is_left or ended_at is None:
        return None
    if Deployment.objects.filter(job=job, state__in=Deployment.UP_STATES).exists():
        return None
    age = given.retention_age
    if age is not None and ended_at + age <= now() + SOON:
        at = ended_at + max(age, FRESH_FOR)
        unpinned = job.unpinned_at
        at = max(at, unpinned + UNPINNED_FOR) if unpinned else at
        return PendingRemoval(Retained.Why.AGE, at)
    until = "" if given.retention_size_bytes is None else last_count().full_until
    is_due = until and ended_at <= datetime.fromisoformat(until)
    return PendingRemoval(Retained.Why.SIZE, None) if is_due else None


def biggest(limit: int) -> list[Job]:
    rows = Job.objects.filter(stored_bytes__gt=0).select_related("host", "created_by")
    return list(rows.order_by("-stored_bytes", "-pk")[:limit])


def unfinished() -> int:
    """Return how many jobs and servers still have something that was to be removed."""
    half = {"removed_at__isnull": False, "stored_bytes": None}
    jobs = Job.objects.filter(finished_at__isnull=False, **half)  # as an index has it
    return jobs.count() + Deployment.objects.filter(**half).count()


class HostDiskUsage(NamedTuple):
    """Assets on a host, bytes; None: not reported. ``at``: time of the oldest measurement, ours."""

    host: Host
    environments: int | None
    weights: int | None
    artifacts: int | None
    datasets: int | None
    at: datetime | None


def disk_usage_of_hosts() -> list[HostDiskUsage]:
    names, rows = ("environments", "weights", "artifacts", "datasets"), []
    for host in Host.objects.order_by("name"):
        usage = host.load.get("disk_usage")
        sizes, times = {}, []
        for name, entry in (usage if isinstance(usage, Mapping) else {}).items():
            told = entry if isinstance(entry, Mapping) else {}
            size, at = told.get("bytes"), told.get("at")
            if isinstance(size, int) and isinstance(at, int | float) and 0 < at < _LAST_MOMENT_S:
                sizes[name] = size
                times.append(at - host.clock_skew_s)
        oldest_at = datetime.fromtimestamp(min(times), tz=UTC) if times else None
        rows.append(HostDiskUsage(host, **{name: sizes.get(name) for name in names}, at=oldest_at))
    return rows
