"""Queue of a host, and the rule that decides what starts next.

Pure except :func:`room_of` and :func:`line_of`, which read. Dispatch walks the queue with this
rule to start jobs, pages to show reasons, and ``jobs.queries.jobs.forecast`` to predict starts, so
all three agree.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.db.models import Exists, F, IntegerField, OuterRef, Q, TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from jobs.kinds.lib.base import Remark
from jobs.models import Deployment, Host, Job
from jobs.queries.hosts.hosts import dies, held_dies, holding_deployments
from jobs.queries.hosts.loads import Load, load_of
from jobs.queries.hosts.places import common, places_of, read_by, reads_of

_AT_ONCE = 500
_SERVED = "deployment"
_SERVES_FROM = KeyTextTransform("path", "details")
_COLUMNS = ("pk", "kind", "title", "quiet", "priority", "place", "created_by__username")
# The database extracts the needed JSON; the texts mostly repeat.
_READ: Mapping[str, Any] = {
    "dies": Cast(KeyTextTransform("dies", "plan"), IntegerField()),
    "is_checked": Q(plan__checks__0__isnull=False),
    "sort": KeyTextTransform("type", "product"),
    **{f"{name}_text": Cast(name, TextField()) for name in ("inputs", "asks", "confirmed")},
    "path": KeyTextTransform("path", "product"),
    "serves_from": KeyTextTransform("path", KeyTextTransform("details", "product")),
    "writes_text": KeyTextTransform("writes", "plan"),
    "overlaps": Q(params__overlap=True),
}


@dataclass(frozen=True, slots=True)
class Guest:
    """A job on the host. ``dies`` are released when it ends.

    ``serves``: its server keeps the dies. ``places`` are written and ``reads`` read, see
    ``jobs.queries.hosts.places``.
    """

    id: int
    title: str
    dies: int = 0
    quiet: bool = False
    serves: bool = False
    places: tuple[str, ...] = ()
    load: Load | None = None
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Server:
    """A deployment on the host, with its job and dies.

    ``id`` is 0 while its job is starting it, ``port`` is 0 if unknown.
    """

    id: int
    job: int
    name: str
    dies: int = 0
    port: int = 0
    reads: tuple[str, ...] = ()

    @property
    def told(self) -> dict[str, Any]:
        """Arguments of messages about it."""
        return {name: getattr(self, name) for name in ("id", "job", "name", "dies", "port")}


@dataclass(frozen=True, slots=True)
class Waiter:
    """A queued job; the fields are the job's. ``serves``: it starts a server. ``by``: name of the
    person who launched it, "" for none.
    """

    id: int
    title: str
    dies: int = 0
    quiet: bool = False
    serves: bool = False
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_checked: bool = False  # the host runs its preflight first
    asks: Sequence[Mapping[str, Any]] = ()
    confirmed: Sequence[Mapping[str, Any]] = ()
    by: str = ""
    places: tuple[str, ...] = ()  # written, as of a Guest
    load: Load | None = None
    reads: tuple[str, ...] = ()

    def is_served_by(self, server: Server) -> bool:
        """True for the deployment under test."""
        ref = self.inputs.get("deployment", {})
        return server.id == ref.get("id") or server.job == ref.get("job")


@dataclass(slots=True)
class Kept:
    """Reservations for the front of the queue. Each field except counts is the first such job.

    ``held_up``: jobs without reservation, because servers use their dies. They still come first
    once a server is stopped. ``readers``: jobs that will read places.
    """

    first: Waiter | None = None
    quiet: Waiter | None = None  # nothing starts before it
    wants_dies: Waiter | None = None
    dies: int = 0
    slots: int = 0
    held_up: list[Waiter] = field(default_factory=list)
    readers: list[Waiter] = field(default_factory=list)


@dataclass(slots=True)
class Room:
    """Free capacity of a host. The queue is walked from its front: :meth:`blocks` checks each job,
    :meth:`take` and :meth:`keep` record starts and reservations.

    ``free``: dies not in use.
    """

    host: str
    slots: int
    free: int
    guests: list[Guest] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)
    kept: Kept = field(default_factory=Kept)

    @property
    def is_shut(self) -> bool:
        """True if no job at all can start now."""
        is_kept = self.kept.quiet is not None or any(guest.quiet for guest in self.guests)
        return is_kept or len(self.guests) + self.kept.slots >= self.slots

    def blocks(self, job: Waiter) -> Remark | None:
        """Return what blocks ``job`` now; None: nothing."""
        return (
            self._closed(job)
            or self._place(job)
            or self._load(job)
            or self._noise(job)
            or self._dies(job)
        )

    def keeps(self, job: Waiter) -> bool:
        """Return True if capacity is reserved for the blocked ``job``.

        It is, if the job can start once running jobs have ended. Dies of a server may never be
        released, so they reserve nothing. Nor do jobs that wait for a place or for another
        benchmark.
        """
        if self._place(job) or self._load(job):
            return False
        if job.quiet:
            is_next = self.kept.first is None and not self._noisy_servers(job)
            return is_next and self._comes_free(job)
        return job.dies > 0 and self.free > self.kept.dies and self._comes_free(job)

    def take(self, job: Waiter) -> None:
        """Record the start of ``job``."""
        guest = Guest(job.id, job.title, job.dies, job.quiet, job.serves, job.places, job.load)
        self.guests.append(replace(guest, reads=job.reads))
        self.free -= job.dies

    def keep(self, job: Waiter, *, slot: bool = False) -> None:
        """Reserve capacity for ``job``. ``slot``: it can start at any moment."""
        kept = self.kept
        kept.first = kept.first or job
        kept.slots += slot
        kept.dies += job.dies
        if job.dies:
            kept.wants_dies = kept.wants_dies or job
        if job.quiet:
            kept.quiet = kept.quiet or job

    def pass_by(self, job: Waiter) -> None:
        """Record that ``job`` cannot start; reserve nothing."""
        if job.dies and not self._comes_free(job):
            self.kept.held_up.append(job)

    def stay(self, job: Waiter) -> None:
        """Record that ``job`` does not start now; places it reads must not change before it."""
        if job.reads:
            self.kept.readers.append(job)

    def leave(self, guest: Guest) -> None:
        """Record the end of ``guest``; a server keeps its dies."""
        self.guests.remove(guest)
        if guest.serves:
            server = Server(0, guest.id, guest.title, guest.dies, reads=guest.reads)
            self.servers.append(server)
        else:
            self.free += guest.dies

    def _closed(self, job: Waiter) -> Remark | None:
        """Return what blocks every job."""
        for guest in self.guests:
            if guest.quiet:
                return Remark("wait:quiet_runs", self._about(guest))
        if len(self.guests) >= self.slots:
            return Remark("wait:slots", self._about(self.guests[0]))
        if self.kept.quiet:
            return Remark("wait:quiet_next", self._about(self.kept.quiet))
        is_full = len(self.guests) + self.kept.slots >= self.slots
        if self.kept.first and (job.quiet or is_full):
            return Remark("wait:before", self._about(self.kept.first))
        return None

    def _place(self, job: Waiter) -> Remark | None:
        """Return a conflict on places: a writer of places of ``job``, or a reader of its
        output."""
        for guest in self.guests:
            if place := common(job.places, guest.places):
                return Remark("wait:place", {**self._about(guest), "place": place})
            if place := common(job.reads, guest.places):
                return Remark("wait:place_written", {**self._about(guest), "place": place})
        read = [(one, place) for one in self.servers if (place := common(job.places, one.reads))]
        if read:
            args = {"host": self.host, "place": read[0][1]}
            return Remark("wait:place_served", args | _to_stop([one for one, _ in read]))
        readers = [
            (guest.reads, "wait:place_starting", self._about(guest)) for guest in self.guests
        ]
        readers += [(one.reads, "wait:place_ahead", self._about(one)) for one in self.kept.readers]
        for reads, name, args in readers:
            if place := common(job.places, reads):
                return Remark(name, {**args, "place": place})
        return None

    def _load(self, job: Waiter) -> Remark | None:
        """Return a running benchmark that would disturb ``job``, or an evaluation of the same
        deployment.

        Two benchmarks on one host disturb each other. A job with exclusive use waits for all jobs
        anyway, and jobs behind wait for it.
        """
        if job.load is None or job.quiet:
            return None
        mine = self._names(job.load)
        for guest in self.guests:
            if guest.load is None or job.load.may_run_beside(guest.load):
                continue
            is_same = bool(job.load.ref) and bool(mine & self._names(guest.load))
            if not guest.load.is_benchmark:
                if is_same:
                    return Remark("wait:evaluation", self._about(guest))
            elif is_same or job.load.is_benchmark:
                name = "wait:benchmark" if is_same else "wait:benchmark_host"
                return Remark(name, self._about(guest))
        return None

    def _names(self, load: Load) -> set[tuple[str, int]]:
        """Return all references of a deployment: its id, and its job's."""
        if not load.ref:
            return {("host", 0)}
        names = {(key, int(value)) for key, value in load.ref.items() if value}
        for server in self.servers:
            its = {("id", server.id), ("job", server.job)}
            names |= its if its & names else set()
        return names

    def _noise(self, job: Waiter) -> Remark | None:
        """Return what blocks a job with exclusive use."""
        if not job.quiet:
            return None
        servers = self._noisy_servers(job)
        if servers and not self._comes_free(job):
            return self._held(job)  # it cannot run while servers use its dies
        if servers:
            args = {"host": self.host, "name": servers[0].name, **_to_stop(servers)}
            if len(servers) > 1:
                return Remark("wait:quiet_servers", args)
            return Remark("wait:quiet_server", args)
        if self.guests:
            return Remark("wait:quiet_jobs", self._about(self.guests[0]))
        return None

    def _noisy_servers(self, job: Waiter) -> list[Server]:
        return [server for server in self.servers if not job.is_served_by(server)]

    def _dies(self, job: Waiter) -> Remark | None:
        args = {"host": self.host, "wanted": job.dies, "free": self.free}
        left = max(0, self.free - self.kept.dies)
        if job.dies <= left:
            return None
        if self.kept.wants_dies and self._comes_free(job):
            first = self.kept.wants_dies
            return Remark("wait:kept", {**args, **self._about(first), "first": first.dies})
        if self._comes_free(job):
            return Remark("wait:dies_kept" if left else "wait:dies", args)
        return self._held(job)

    def _held(self, job: Waiter) -> Remark:
        """Return the servers to stop for ``job``, if too few dies will be released."""
        holders = [server for server in self.servers if server.dies]
        holders += [
            Server(0, guest.id, guest.title, guest.dies)
            for guest in self.guests
            if guest.serves and guest.dies
        ]
        args = {"host": self.host, "wanted": job.dies, "free": self.free}
        held, lack = sum(one.dies for one in holders), job.dies - self._coming()
        if lack > held:
            return Remark("wait:dies_few", {**args, "free": self._coming() + held})
        lack, first, behind = self._lack(job, held)
        needed = [one for one in holders if held - one.dies < lack]
        every = sum(one.dies for one in needed) >= lack
        stop = _to_stop(needed if every else holders, lack=lack, every=every)
        return Remark("wait:dies_held", {**args, **stop, "first": first, **behind})

    def _lack(self, job: Waiter, held: int) -> tuple[int, list[dict[str, int]], dict[str, Any]]:
        """Return how many ``held`` dies must be released before ``job`` starts, and jobs ahead
        that take some first: ``[{"job", "dies"}]``.

        If released dies do not suffice for jobs ahead and ``job``: ``{"behind": [jobs],
        "behind_serves": True if their dies are released only when a server is stopped}``.
        """
        coming = self._coming()
        for lack in range(job.dies - coming, held + 1):
            left, first = coming + lack, []
            for one in self.kept.held_up:
                if one.dies <= left:
                    left -= one.dies
                    first.append({"job": one.id, "dies": one.dies})
            if job.dies <= left:
                return lack, first, {}
        takers = [one for one in self.kept.held_up if one.dies <= coming + held]
        serves = any(one.serves for one in takers)
        behind = {"behind": [one.id for one in takers], "behind_serves": serves}
        return job.dies - coming, [], behind

    def _comes_free(self, job: Waiter) -> bool:
        """Return True if dies suffice once running jobs have ended."""
        return job.dies <= self._coming()

    def _coming(self) -> int:
        """Return free dies once running jobs have ended."""
        return self.free + sum(guest.dies for guest in self.guests if not guest.serves)

    def _about(self, one: Guest | Waiter) -> dict[str, Any]:
        return {"host": self.host, "job": one.id, "title": one.title}


def _to_stop(servers: Sequence[Server], *, lack: int = 0, every: bool = True) -> dict[str, Any]:
    """Return servers to stop: ``every`` one, or as many as use ``lack`` dies in total."""
    return {"servers": [one.told for one in servers], "lack": lack, "every": every}


def room_of(host: Host) -> Room:
    """Return the free capacity of ``host``, in two queries.

    Only needed columns: this runs at each start, and Django takes longer to build all columns of
    four tables than the database to find them.
    """
    on_host = Job.objects.filter(host=host, state__in=Job.ON_HOST_STATES).order_by("pk")
    told = {name: _READ[name] for name in ("writes_text", "overlaps")}
    jobs = on_host.annotate(**told).only(
        *("kind", "title", "state", "values", "quiet", "product", "inputs")
    )
    held = holding_deployments([host]).defer(None).select_related(None).select_related("job")
    held = held.annotate(serves_from=_SERVES_FROM, made_at=F("artifact__path"))
    return make_room(host, jobs, held.only("name", "host_url", "job", "job__values"))


def make_room(host: Host, jobs: Iterable[Job], deployments: Iterable[Deployment]) -> Room:
    """Return the free capacity from given jobs and deployments on the host."""
    jobs, deployments = list(jobs), list(deployments)
    held = held_dies(jobs, deployments)
    there = [die for die in dies(host) if die in held]
    jobs_hold = [holder.pk for die in there if isinstance(holder := held[die], Job)]
    servers_hold = [holder.pk for die in there if isinstance(holder := held[die], Deployment)]
    return Room(
        host=host.name,
        slots=host.slots,
        free=len(dies(host)) - len(there),
        guests=[
            Guest(
                *(job.pk, job.title, jobs_hold.count(job.pk), job.quiet, _serves(job.product)),
                places=places_of((job.product or {}).get("path"), _writes(job)),
                load=load_of(job.kind, job.inputs, overlaps=_overlaps(job)),
                reads=reads_of(job.product),
            )
            for job in jobs
        ],
        servers=[
            Server(
                *(one.pk, one.job_id, one.name, servers_hold.count(one.pk), _port(one)),
                reads=read_by(one),
            )
            for one in deployments
        ],
    )


def _port(deployment: Deployment) -> int:
    return urlsplit(deployment.host_url).port or 0


def line_of(host: Host) -> Iterator[Waiter]:
    """Return jobs that may start on ``host`` once capacity is free, in queue order.

    Jobs with unfinished predecessors are excluded. Read lazily in parts of ``_AT_ONCE`` and
    without plans: a queue may have ten thousand jobs, and the first few fill the host.
    """
    unfinished = Job.objects.filter(before=OuterRef("pk")).exclude(state=Job.State.SUCCEEDED)
    queued = Job.objects.filter(
        ~Exists(unfinished), host=host, state=Job.State.QUEUED, cancel_asked_at=None
    )
    rows = queued.annotate(**_READ).order_by(*Job.LINE).values(*_COLUMNS, *_READ)
    part = list(rows[:_AT_ONCE])
    while part:
        yield from map(_waiter_of_row, part)
        part = list(rows.filter(_behind(part[-1]))[:_AT_ONCE]) if len(part) == _AT_ONCE else []


def _behind(row: Mapping[str, Any]) -> Q:
    """Return the filter of jobs behind a job, by ``Job.LINE``."""
    level = Q(priority=row["priority"])
    return (
        Q(priority__gt=row["priority"])
        | level & Q(place__gt=row["place"])
        | level & Q(place=row["place"], pk__gt=row["pk"])
    )


def _waiter_of_row(row: Mapping[str, Any]) -> Waiter:
    inputs = _parsed(row["inputs_text"])
    return Waiter(
        row["pk"],
        row["title"],
        row["dies"] or 0,
        row["quiet"],
        row["sort"] == _SERVED,
        inputs,
        is_checked=row["is_checked"],
        asks=_parsed(row["asks_text"]),
        confirmed=_parsed(row["confirmed_text"]),
        by=row["created_by__username"] or "",
        places=places_of(row["path"], _parsed(row["writes_text"] or "[]")),
        load=load_of(row["kind"], inputs, overlaps=bool(row["overlaps"])),
        reads=(row["serves_from"],) if row["sort"] == _SERVED and row["serves_from"] else (),
    )


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Any:
    """Parse JSON of a queued job; cached, because most jobs of a queue have the same."""
    return json.loads(text)


def waiter_of(job: Job) -> Waiter:
    """Return a queued job from its record."""
    return Waiter(
        job.pk or 0,
        job.title,
        int(job.plan.get("dies", 0)),
        job.quiet,
        _serves(job.product),
        job.inputs,
        is_checked=bool(job.plan.get("checks")),
        asks=job.asking,
        confirmed=job.confirmed,
        places=places_of((job.product or {}).get("path"), _writes(job)),
        load=load_of(job.kind, job.inputs, overlaps=_overlaps(job)),
        reads=reads_of(job.product),
    )


def _writes(job: Job) -> list[str]:
    """Return the plan's declared writes; a separate query if the row has no plan."""
    if "plan" in job.get_deferred_fields():
        return list(json.loads(getattr(job, "writes_text", None) or "[]"))
    return list(job.plan.get("writes", ()))


def _overlaps(job: Job) -> bool:
    """Return True if a benchmark allows overlap; a separate column if the row has no params."""
    if "params" in job.get_deferred_fields():
        return bool(getattr(job, "overlaps", False))
    return bool(job.params.get("overlap"))


def _serves(product: Mapping[str, Any] | None) -> bool:
    return product is not None and product.get("type") == _SERVED
