"""Forecast of starts: a pure simulation of the host's queue, from durations of earlier similar
jobs, remaining times of running ones, and the rule of ``jobs.schedule.capacity``."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from django.db.models import Q
from django.utils.timezone import now

from jobs.base.messages import Message
from jobs.models import Deployment, Host, Job
from jobs.plans import ENGINES
from jobs.queries.hosts import is_away, lacks_room
from jobs.queries.jobs.durations import Durations, durations, usual_times
from jobs.queries.jobs.job_page import left_s
from jobs.schedule.capacity import HostCapacity, HostJob, capacity_of, queued_job_of
from jobs.schedule.queue import in_order, place_among

# What blocks a job, and the remark on it.
_BLOCKED = {
    "wait:dies_held": "forecast:dies_held",
    "wait:place_served": "forecast:place_served",
    "wait:place_ahead": "forecast:place_ahead",
}
# Remarks that need action by a person.
FOR_A_PERSON = {
    *_BLOCKED.values(),
    *("forecast:servers", "forecast:deployment", "forecast:confirm"),
    *("forecast:draining", "forecast:disk", "forecast:never"),
}
MOST = 100  # max jobs of a queue to simulate; starts behind them are unknown


@dataclass(frozen=True, slots=True)
class Ahead:
    """A queued job: duration in seconds, None if unknown, and active predecessors."""

    job: HostJob
    length_s: float | None
    after: frozenset[int] = frozenset()
    lacks: Message | None = None  # a requirement without a known time


@dataclass(frozen=True, slots=True)
class Forecast:
    """``starts_in_s``, ``ends_in_s``: seconds from now, None if unknown. ``message``: the
    assumption, or the reason; "forecast:now": no other job must end first."""

    starts_in_s: float | None
    message: Message
    ends_in_s: float | None = field(default=None, compare=False)

    @property
    def waits_for_person(self) -> bool:
        return self.message.id in FOR_A_PERSON


@dataclass(slots=True)
class _Course:
    capacity: HostCapacity
    ends: list[tuple[float, int]] = field(default_factory=list)  # a heap: (seconds from now, job)
    endless: dict[int, Message] = field(default_factory=dict)  # on the host, with unknown ends
    at_s: float = 0.0
    over: set[int] = field(default_factory=set)
    starts: dict[int, float] = field(default_factory=dict)
    blocked: dict[int, Message] = field(default_factory=dict)


def forecast(
    capacity: HostCapacity, queue: Sequence[Ahead], left: Mapping[int, float | None]
) -> dict[int, Forecast]:
    """Forecasts of the jobs of ``queue``, by id. ``left``: job on the host → remaining seconds,
    None if unknown. ``capacity`` counts: a job may have started or ended during the reads."""
    course, running = _Course(capacity), {other.id: other for other in capacity.running}
    for other in capacity.running:
        seconds = left.get(other.id)
        if seconds is None:
            args = {"job": other.id, "title": other.title}
            course.endless[other.id] = Message("forecast:no_end", args)
        else:
            heapq.heappush(course.ends, (seconds, other.id))
    waiting = _start_what_can(course, [one for one in queue if one.job.id not in running])
    at_once = set(course.starts)
    while waiting and course.ends:
        course.at_s, ended = heapq.heappop(course.ends)
        course.over.add(ended)
        capacity.release(next(other for other in capacity.running if other.id == ended))
        waiting = _start_what_can(course, waiting)
    lengths = {one.job.id: one.length_s for one in queue}
    by_id = {}
    for pk, at_s in course.starts.items():
        message, length_s = "forecast:now" if pk in at_once else "forecast:usual", lengths[pk]
        ends_in_s = None if length_s is None else at_s + length_s
        by_id[pk] = Forecast(at_s, Message(message), ends_in_s)
    for ahead in waiting:
        by_id[ahead.job.id] = Forecast(None, _why_not(course, ahead, by_id))
    return by_id


def _start_what_can(course: _Course, waiting: Sequence[Ahead]) -> list[Ahead]:
    """Walk the queue once, like dispatch; return jobs still queued."""
    course.capacity.reserved = type(course.capacity.reserved)()
    rest = []
    for ahead in waiting:
        one = ahead.job
        if ahead.lacks or not ahead.after <= course.over:
            rest.append(ahead)
            continue
        blocked = course.capacity.blocker_of(one)
        if blocked is None:
            course.capacity.allocate(one)
            course.starts[one.id] = course.at_s
            if ahead.length_s is None:
                message = Message("forecast:no_history", {"job": one.id, "title": one.title})
                course.endless[one.id] = message
            else:
                heapq.heappush(course.ends, (course.at_s + ahead.length_s, one.id))
            continue
        course.blocked[one.id] = blocked
        course.capacity.protect_reads(one)
        if course.capacity.reserves_for(one):
            course.capacity.reserve(one)
        else:
            course.capacity.skip(one)
        rest.append(ahead)
    return rest


def _why_not(course: _Course, ahead: Ahead, known: Mapping[int, Forecast]) -> Message:
    if ahead.lacks:
        return ahead.lacks
    for pk in sorted(ahead.after - course.over):
        if pk in course.endless:
            return course.endless[pk]
        if pk in known and known[pk].starts_in_s is None:
            return known[pk].message
        return Message("forecast:elsewhere", {"job": pk})
    blocked = course.blocked.get(ahead.job.id, Message(""))
    if blocked.id in _BLOCKED:
        return Message(_BLOCKED[blocked.id], blocked.args)
    if "servers" in blocked.args:
        return Message("forecast:servers", blocked.args)
    if course.endless:
        return next(iter(course.endless.values()))
    if "job" in blocked.args:
        return Message("forecast:behind", blocked.args)
    return Message("forecast:never", {"host": course.capacity.host})


def forecasts(jobs: Iterable[Job]) -> dict[int, Forecast]:
    """Forecasts of these active jobs, by id; each host's queue is read once."""
    by_host: dict[Host, set[int]] = defaultdict(set)
    for job in jobs:
        by_host[job.host].add(job.pk)
    by_id: dict[int, Forecast] = {}
    for host, ids in by_host.items():
        host_forecasts = _read(host)()
        by_id |= {pk: host_forecasts.get(pk) or _unknown("forecast:far", n=MOST) for pk in ids}
    return by_id


def forecast_drafts(host: Host, drafts: Iterable[Job]) -> list[Forecast]:
    """Forecast of each draft if launched alone now by its ``created_by``; the queue is read
    once."""
    forecasts_with = _read(host)
    return [forecasts_with(draft, durations(draft, host))[0] for draft in drafts]


def forecast_draft(host: Host, draft: Job, usual: Durations | None) -> Forecast:
    """Forecast of a draft whose usual durations are known."""
    return _read(host)(draft, usual)[0]


def _read(host: Host) -> Callable[..., dict[int, Forecast]]:
    """Return the forecasts by job id of a snapshot of ``host``, with a draft (id 0) or without."""
    # First, because all other reads refer to this moment.
    capacity = capacity_of(host)
    waiting = list(in_order(host).prefetch_related("after")[:MOST])
    running = [other.id for other in capacity.running]
    on_host = list(Job.objects.filter(pk__in=running)) if running else []
    usual = usual_times(host, [*waiting, *on_host])
    left: dict[int, float | None] = {}  # None: unknown, or longer than ever before
    for job in on_host:
        known = usual.get(job.pk)
        if job.started_at is None:
            left[job.pk] = known.typical_s if known else None
        else:
            left[job.pk] = left_s(job, (now() - job.started_at).total_seconds(), known)
    reason = ""
    if host.draining:
        reason = "forecast:draining"
    elif is_away(host):
        reason = "forecast:away"
    elif host.is_outdated:
        reason = "forecast:protocol"
    elif lacks_room(host):
        reason = "forecast:disk"

    def forecasts_with(
        draft: Job | None = None, of_draft: Durations | None = None
    ) -> dict[int, Forecast]:
        queued, times = list(waiting), dict(usual)
        if draft is not None:
            ahead = sum(job.priority < draft.priority for job in queued)
            level = [job for job in queued if job.priority == draft.priority]
            queued.insert(ahead + place_among(level, draft), draft)
            times |= {0: of_draft} if of_draft else {}
        known = {pk: Forecast(0.0, Message("forecast:now"), end) for pk, end in left.items()}
        if reason:
            return known | {job.pk or 0: _unknown(reason, host=host.name) for job in queued}
        lacks, queue = _servers_not_ready(queued), []
        for job in queued:
            after = {ref["job"] for ref in job.inputs.values() if "job" in ref and "id" not in ref}
            if job.pk:
                after = {one.pk for one in job.after.all() if not one.is_released}
            usually, lack = times.get(job.pk or 0), lacks.get(job.pk or 0)
            if job.open_confirmations:  # its time is unknown; jobs behind pass meanwhile
                lack = Message("forecast:confirm", {"job": job.pk})
            length_s = usually.typical_s if usually else None
            queue.append(Ahead(queued_job_of(job), length_s, frozenset(after), lack))
        return known | forecast(deepcopy(capacity), queue, left)

    return forecasts_with


def _servers_not_ready(jobs: Iterable[Job]) -> dict[int, Message]:
    """Job → remark that its deployment is not ready, though its deploy job has ended."""
    wanted = [
        (job.pk or 0, job.inputs[name]) for job in jobs for name in ENGINES if name in job.inputs
    ]
    if not wanted:
        return {}
    named = Q(pk__in=[ref["id"] for _pk, ref in wanted if ref.get("id")])
    named |= Q(job__in=[ref["job"] for _pk, ref in wanted if ref.get("job")])
    made = Deployment.objects.filter(named, job__state=Job.State.SUCCEEDED)
    messages = {}
    for server in made.exclude(state=Deployment.State.READY):
        message = Message("forecast:deployment", {"name": server.name})
        for pk, ref in wanted:
            if ref.get("id") == server.pk or ref.get("job") == server.job_id:
                messages[pk] = message
    return messages


def _unknown(reason: str, **args: object) -> Forecast:
    return Forecast(None, Message(reason, args))
