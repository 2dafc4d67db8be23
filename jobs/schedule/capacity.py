"""Capacity and queue of a host, and the pure rule that decides what starts next: dispatch, reasons
on pages and ``jobs.schedule.forecast`` walk the queue with it, so all three agree."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import Any

from django.db.models import Exists, IntegerField, OuterRef, Q, TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from jobs.base import engine_addresses
from jobs.base.messages import Message
from jobs.kinds import KINDS
from jobs.models import Deployment, Host, Job
from jobs.plans import ENGINES
from jobs.queries.hosts import dies, held_dies, holding_deployments

_FIRST, _AT_ONCE = 20, 500  # rows of a queue: as a rule the first few fill the host
_SERVED = "deployment"
_COLUMNS = ("pk", "kind", "title", "exclusive", "priority", "place", "created_by__username")
# The database extracts the needed JSON; the texts mostly repeat.
_READ: Mapping[str, Any] = {
    "dies": Cast(KeyTextTransform("dies", "plan"), IntegerField()),
    "is_checked": Q(plan__checks__0__isnull=False),
    "type": KeyTextTransform("type", "product"),
    **{
        f"{name}_text": Cast(name, TextField())
        for name in ("inputs", "needs_confirmation", "confirmed")
    },
    "path": KeyTextTransform("path", "product"),
    "serves_from": KeyTextTransform("path", KeyTextTransform("details", "product")),
    "writes_text": KeyTextTransform("writes", "plan"),
    "overlaps": Q(params__overlap=True),
}


@dataclass(frozen=True, slots=True)
class RequestLoad:
    """Target of a benchmark or evaluation: the deployments in ``refs`` (as in ``Job.inputs``), or
    the host if empty. ``overlaps``: a benchmark that allows overlap."""

    refs: tuple[Mapping[str, Any], ...]
    overlaps: bool
    is_benchmark: bool = True

    @classmethod
    def of(cls, kind: str, inputs: Mapping[str, Any], overlaps: Any) -> RequestLoad | None:
        """None unless a benchmark or evaluation."""
        family = KINDS[kind].family if kind in KINDS else ""
        if family not in ("benchmark", "evaluate"):
            return None
        refs = tuple(inputs[name] for name in ENGINES if inputs.get(name))
        return cls(refs, bool(overlaps), family == "benchmark")

    def may_run_beside(self, other: RequestLoad) -> bool:
        """Overlap distorts a benchmark, so both must allow it. An evaluation's score is
        unaffected, so only the benchmark decides, and two evaluations may overlap."""
        return all(one.overlaps or not one.is_benchmark for one in (self, other))


@dataclass(frozen=True, slots=True)
class Server:
    """A deployment on the host. ``id`` is 0 while its job is starting it, ``port`` 0 if unknown."""

    id: int
    job: int
    name: str
    dies: int = 0
    port: int = 0
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostJob:
    """A job in the queue or on the host. Its ``dies`` are released when it ends. ``serves``: it
    starts a server, which keeps the dies. ``by``: name of the person who launched it, "" for none.
    ``places`` are written and ``reads`` read. A place is a folder or file path, an image name, or a
    special name such as ``docker:vllm``; a folder and its content are one."""

    id: int
    title: str
    dies: int = 0
    exclusive: bool = False
    serves: bool = False
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_checked: bool = False  # the host runs its preflight first
    needs_confirmation: Sequence[Mapping[str, Any]] = ()
    confirmed: Sequence[Mapping[str, Any]] = ()
    by: str = ""
    places: tuple[str, ...] = ()
    load: RequestLoad | None = None
    reads: tuple[str, ...] = ()

    def as_server(self) -> Server:
        return Server(0, self.id, self.title, self.dies, reads=self.reads)


@dataclass(slots=True)
class Reservation:
    """Reservations for the front of the queue. Each field except counts is the first such job.
    ``held_up``: jobs without reservation, because servers use their dies. They still come first
    once a server is stopped. ``readers``: jobs that will read places."""

    first: HostJob | None = None
    exclusive: HostJob | None = None  # nothing starts before it
    wants_dies: HostJob | None = None
    dies: int = 0
    slots: int = 0
    held_up: list[HostJob] = field(default_factory=list)
    readers: list[HostJob] = field(default_factory=list)


@dataclass(slots=True)
class HostCapacity:
    """Free capacity of a host. The queue is walked from its front: :meth:`blocker_of` checks each
    job, :meth:`allocate` and :meth:`reserve` record starts and reservations."""

    host: str
    slots: int
    free: int  # dies not in use
    running: list[HostJob] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)
    reserved: Reservation = field(default_factory=Reservation)

    @property
    def is_closed(self) -> bool:
        """True if no job at all can start now."""
        is_kept = self.reserved.exclusive or any(other.exclusive for other in self.running)
        return bool(is_kept) or len(self.running) + self.reserved.slots >= self.slots

    def blocker_of(self, job: HostJob) -> Message | None:
        return (
            self._closed(job)
            or self._place(job)
            or self._load(job)
            or self._noise(job)
            or self._dies(job)
        )

    def reserves_for(self, job: HostJob) -> bool:
        """True if capacity is reserved for the blocked ``job``. It is, if the job can start once
        running jobs have ended. Dies of a server may never be released, so they reserve nothing.
        Nor do jobs that wait for a place or for another benchmark."""
        if self._place(job) or self._load(job):
            return False
        if job.exclusive:
            is_next = self.reserved.first is None and not self._noisy_servers(job)
            return is_next and job.dies <= self._coming()
        return 0 < job.dies <= self._coming() and self.free > self.reserved.dies

    def allocate(self, job: HostJob) -> None:
        self.running.append(job)
        self.free -= job.dies

    def reserve(self, job: HostJob, *, slot: bool = False) -> None:
        """Reserve capacity for ``job``. ``slot``: it can start at any moment."""
        reserved = self.reserved
        reserved.first = reserved.first or job
        reserved.slots += slot
        reserved.dies += job.dies
        if job.dies:
            reserved.wants_dies = reserved.wants_dies or job
        if job.exclusive:
            reserved.exclusive = reserved.exclusive or job

    def skip(self, job: HostJob) -> None:
        """Record that ``job`` cannot start; reserve nothing."""
        if job.dies > self._coming():
            self.reserved.held_up.append(job)

    def protect_reads(self, job: HostJob) -> None:
        """Record that ``job`` does not start now; places it reads must not change before it."""
        if job.reads:
            self.reserved.readers.append(job)

    def release(self, other: HostJob) -> None:
        """Record the end of ``other``; a server keeps its dies."""
        self.running.remove(other)
        if other.serves:
            self.servers.append(other.as_server())
        else:
            self.free += other.dies

    def _closed(self, job: HostJob) -> Message | None:
        for other in self.running:
            if other.exclusive:
                return Message("wait:exclusive_running", self._about(other))
        if len(self.running) >= self.slots:
            return Message("wait:slots", self._about(self.running[0]))
        if self.reserved.exclusive:
            return Message("wait:exclusive_next", self._about(self.reserved.exclusive))
        is_full = len(self.running) + self.reserved.slots >= self.slots
        if self.reserved.first and (job.exclusive or is_full):
            return Message("wait:before", self._about(self.reserved.first))
        return None

    def _place(self, job: HostJob) -> Message | None:
        """A conflict on places: a writer of places of ``job``, or a reader of its output."""
        for other in self.running:
            if place := common_place(job.places, other.places):
                return Message("wait:place", {**self._about(other), "place": place})
            if place := common_place(job.reads, other.places):
                return Message("wait:place_written", {**self._about(other), "place": place})
        read = [(one, common_place(job.places, one.reads)) for one in self.servers]
        read = [(one, place) for one, place in read if place]
        if read:
            args = {"host": self.host, "place": read[0][1]}
            return Message("wait:place_served", args | _to_stop([one for one, _ in read]))
        for name, readers in (
            ("wait:place_starting", self.running),
            ("wait:place_ahead", self.reserved.readers),
        ):
            for other in readers:
                if place := common_place(job.places, other.reads):
                    return Message(name, {**self._about(other), "place": place})
        return None

    def _load(self, job: HostJob) -> Message | None:
        """A running benchmark that would disturb ``job``, or an evaluation of the same deployment.
        A job with exclusive use waits for all jobs anyway."""
        if job.load is None or job.exclusive:
            return None
        mine = self._names(job.load)
        for other in self.running:
            if other.load is None or job.load.may_run_beside(other.load):
                continue
            is_same = bool(job.load.refs) and bool(mine & self._names(other.load))
            if not other.load.is_benchmark:
                if is_same:
                    return Message("wait:evaluation", self._about(other))
            elif is_same or job.load.is_benchmark:
                name = "wait:benchmark" if is_same else "wait:benchmark_host"
                return Message(name, self._about(other))
        return None

    def _names(self, load: RequestLoad) -> set[tuple[str, int]]:
        """All references of the deployments: ids, and those of their jobs."""
        if not load.refs:
            return {("host", 0)}
        names = {(key, int(value)) for ref in load.refs for key, value in ref.items() if value}
        for server in self.servers:
            its = {("id", server.id), ("job", server.job)}
            names |= its if its & names else set()
        return names

    def _noise(self, job: HostJob) -> Message | None:
        if not job.exclusive:
            return None
        servers = self._noisy_servers(job)
        if servers and job.dies > self._coming():
            return self._held(job)  # it cannot run while servers use its dies
        if servers:
            args = {"host": self.host, "name": servers[0].name, **_to_stop(servers)}
            is_one = len(servers) == 1
            return Message("wait:exclusive_server" if is_one else "wait:exclusive_servers", args)
        if self.running:
            return Message("wait:exclusive_jobs", self._about(self.running[0]))
        return None

    def _noisy_servers(self, job: HostJob) -> list[Server]:
        """Deployments that would disturb ``job``: not those under test, and none disturbs the
        measurement of an endpoint elsewhere."""
        refs = [job.inputs[name] for name in ENGINES if name in job.inputs]
        if refs and all(ref.get("endpoint") for ref in refs):
            return []
        return [
            one
            for one in self.servers
            if not any(one.id == ref.get("id") or one.job == ref.get("job") for ref in refs)
        ]

    def _dies(self, job: HostJob) -> Message | None:
        args = {"host": self.host, "wanted": job.dies, "free": self.free}
        left = max(0, self.free - self.reserved.dies)
        if job.dies <= left:
            return None
        if job.dies > self._coming():
            return self._held(job)
        if first := self.reserved.wants_dies:
            return Message("wait:kept", {**args, **self._about(first), "first": first.dies})
        return Message("wait:dies_kept" if left else "wait:dies", args)

    def _held(self, job: HostJob) -> Message:
        """The servers to stop for ``job``, if too few dies will be released."""
        starting = [other.as_server() for other in self.running if other.serves]
        holders = [server for server in (*self.servers, *starting) if server.dies]
        args = {"host": self.host, "wanted": job.dies, "free": self.free}
        held, coming = sum(one.dies for one in holders), self._coming()
        if job.dies - coming > held:
            return Message("wait:dies_few", {**args, "free": coming + held})
        lack, first, behind = self._lack(job, held)
        needed = [one for one in holders if held - one.dies < lack]
        every = sum(one.dies for one in needed) >= lack
        stop = _to_stop(needed if every else holders, lack=lack, every=every)
        return Message("wait:dies_held", {**args, **stop, "first": first, **behind})

    def _lack(self, job: HostJob, held: int) -> tuple[int, list[dict[str, int]], dict[str, Any]]:
        """How many ``held`` dies must be released before ``job`` starts, and jobs ahead that take
        some first: ``[{"job", "dies"}]``. If released dies do not suffice for jobs ahead and
        ``job``: ``{"behind": [jobs], "behind_serves": True if their dies are released only when a
        server is stopped}``."""
        coming = self._coming()
        for lack in range(job.dies - coming, held + 1):
            left, first = coming + lack, []
            for one in self.reserved.held_up:
                if one.dies <= left:
                    left -= one.dies
                    first.append({"job": one.id, "dies": one.dies})
            if job.dies <= left:
                return lack, first, {}
        takers = [one for one in self.reserved.held_up if one.dies <= coming + held]
        serves = any(one.serves for one in takers)
        behind = {"behind": [one.id for one in takers], "behind_serves": serves}
        return job.dies - coming, [], behind

    def _coming(self) -> int:
        """Free dies once running jobs have ended."""
        return self.free + sum(other.dies for other in self.running if not other.serves)

    def _about(self, one: HostJob) -> dict[str, Any]:
        return {"host": self.host, "job": one.id, "title": one.title}


def _to_stop(servers: Sequence[Server], *, lack: int = 0, every: bool = True) -> dict[str, Any]:
    """Servers to stop: ``every`` one, or as many as use ``lack`` dies in total."""
    names = ("id", "job", "name", "dies", "port")
    rows = [{name: getattr(one, name) for name in names} for one in servers]
    return {"servers": rows, "lack": lack, "every": every}


def common_place(places: Iterable[str], others: Iterable[str]) -> str:
    """The first of ``places`` that is, contains or lies in one of ``others``; "": none."""
    others = list(others)
    for place in places:
        for other in others:
            if place == other or place.startswith(f"{other}/") or other.startswith(f"{place}/"):
                return place
    return ""


def read_by(deployment: Deployment) -> tuple[str, ...]:
    artifact = deployment.artifact
    paths = [deployment.details.get("path"), artifact.path if artifact else None]
    return tuple(dict.fromkeys(str(path) for path in paths if path))


def capacity_of(host: Host) -> HostCapacity:
    """Free capacity of ``host``, in two queries. Only needed columns: this runs at each start, and
    Django takes longer to build all columns of four tables than the database to find them."""
    on_host = Job.on([host], Job.ON_HOST_STATES)
    columns = {name: _READ[name] for name in ("writes_text", "overlaps")}
    read = ("kind", "title", "state", "values", "exclusive", "product", "inputs")
    jobs = sorted(on_host.annotate(**columns).only(*read), key=attrgetter("pk"))
    held = holding_deployments([host]).defer(None).select_related(None)
    held = held.select_related("job", "artifact")
    servers = list(held.only("name", "host_url", "details", "job", "job__values", "artifact__path"))
    users = held_dies(jobs, servers)
    there = [users[die] for die in dies(host) if die in users]
    jobs_hold = [user.pk for user in there if isinstance(user, Job)]
    servers_hold = [user.pk for user in there if isinstance(user, Deployment)]
    addresses = {one.pk: engine_addresses.parse(one.host_url) for one in servers}
    return HostCapacity(
        host=host.name,
        slots=host.slots,
        free=len(dies(host)) - len(there),
        running=[
            _job(
                job,
                dies=jobs_hold.count(job.pk),
                writes=json.loads(getattr(job, "writes_text", None) or "[]"),
                overlaps=getattr(job, "overlaps", False),
            )
            for job in jobs
        ],
        servers=[
            Server(
                *(one.pk, one.job_id, one.name, servers_hold.count(one.pk)),
                port=at.port if (at := addresses[one.pk]) else 0,
                reads=read_by(one),
            )
            for one in servers
        ],
    )


def queued_job_of(job: Job) -> HostJob:
    return _job(
        job,
        dies=int(job.plan.get("dies", 0)),
        writes=job.plan.get("writes", ()),
        overlaps=job.params.get("overlap"),
        is_checked=bool(job.plan.get("checks")),
        needs_confirmation=job.open_confirmations,
        confirmed=job.confirmed,
    )


def _job(job: Job, *, dies: int, writes: Iterable[str], overlaps: Any, **more: Any) -> HostJob:
    product = job.product or {}
    serves = product.get("type") == _SERVED
    path = (product.get("details") or {}).get("path") if serves else None
    return HostJob(
        *(job.pk or 0, job.title, dies, job.exclusive, serves, job.inputs),
        places=_places(product.get("path"), writes),
        load=RequestLoad.of(job.kind, job.inputs, overlaps),
        reads=(str(path),) if path else (),
        **more,
    )


def _places(path: str | None, writes: Iterable[str]) -> tuple[str, ...]:
    """What a job writes outside its own folder: its product, and what its plan declares."""
    return tuple(dict.fromkeys([*([path] if path else []), *writes]))


def startable_jobs(host: Host) -> Iterator[HostJob]:
    """Jobs that may start once capacity is free, in queue order. Read lazily in parts and without
    plans: a queue may have ten thousand jobs, and the first few fill the host."""
    unfinished = Job.objects.filter(~Job.released(), before=OuterRef("pk"))
    queued = Job.objects.filter(
        ~Exists(unfinished), host=host, state=Job.State.QUEUED, cancel_asked_at=None
    )
    rows = queued.annotate(**_READ).order_by(*Job.QUEUE_ORDER).values(*_COLUMNS, *_READ)
    most = _FIRST
    part = list(rows[:most])
    while part:
        yield from map(_queued_job_of_row, part)
        last = part[-1]
        level = Q(priority=last["priority"])
        behind = (
            Q(priority__gt=last["priority"])
            | level & Q(place__gt=last["place"])
            | level & Q(place=last["place"], pk__gt=last["pk"])
        )
        is_more, most = len(part) == most, _AT_ONCE
        part = list(rows.filter(behind)[:most]) if is_more else []


def _queued_job_of_row(row: Mapping[str, Any]) -> HostJob:
    inputs, serves = _parsed(row["inputs_text"]), row["type"] == _SERVED
    return HostJob(
        *(row["pk"], row["title"], row["dies"] or 0, row["exclusive"], serves, inputs),
        is_checked=row["is_checked"],
        needs_confirmation=_parsed(row["needs_confirmation_text"]),
        confirmed=_parsed(row["confirmed_text"]),
        by=row["created_by__username"] or "",
        places=_places(row["path"], _parsed(row["writes_text"] or "[]")),
        load=RequestLoad.of(row["kind"], inputs, row["overlaps"]),
        reads=(row["serves_from"],) if serves and row["serves_from"] else (),
    )


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Any:
    """JSON of a queued job; cached, because most jobs of a queue have the same."""
    return json.loads(text)
