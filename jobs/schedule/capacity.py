"""Queue of a host, and the rule that decides what starts next.

Pure; ``jobs.schedule.capacity_reads`` reads what it needs. Dispatch walks the queue with this
rule to start jobs, pages to show reasons, and ``jobs.schedule.forecast`` to predict starts, so
all three agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jobs.base.messages import Message
from jobs.plans import ENGINES
from jobs.schedule.loads import RequestLoad
from jobs.schedule.places import common


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job on the host. ``dies`` are released when it ends.

    ``serves``: its server keeps the dies. ``places`` are written and ``reads`` read, see
    ``jobs.schedule.places``.
    """

    id: int
    title: str
    dies: int = 0
    exclusive: bool = False
    serves: bool = False
    places: tuple[str, ...] = ()
    load: RequestLoad | None = None
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
    def message_args(self) -> dict[str, Any]:
        """Arguments of messages about it."""
        return {name: getattr(self, name) for name in ("id", "job", "name", "dies", "port")}


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A queued job; the fields are the job's. ``serves``: it starts a server. ``by``: name of the
    person who launched it, "" for none.
    """

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
    places: tuple[str, ...] = ()  # written, as of a running job
    load: RequestLoad | None = None
    reads: tuple[str, ...] = ()

    @property
    def is_on_endpoint(self) -> bool:
        """True if it measures an engine elsewhere."""
        refs = [self.inputs[name] for name in ENGINES if name in self.inputs]
        return bool(refs) and all(ref.get("endpoint") for ref in refs)

    def is_served_by(self, server: Server) -> bool:
        """True for a deployment under test."""
        refs = [self.inputs[name] for name in ENGINES if name in self.inputs]
        return any(server.id == ref.get("id") or server.job == ref.get("job") for ref in refs)


@dataclass(slots=True)
class Reservation:
    """Reservations for the front of the queue. Each field except counts is the first such job.

    ``held_up``: jobs without reservation, because servers use their dies. They still come first
    once a server is stopped. ``readers``: jobs that will read places.
    """

    first: QueuedJob | None = None
    exclusive: QueuedJob | None = None  # nothing starts before it
    wants_dies: QueuedJob | None = None
    dies: int = 0
    slots: int = 0
    held_up: list[QueuedJob] = field(default_factory=list)
    readers: list[QueuedJob] = field(default_factory=list)


@dataclass(slots=True)
class HostCapacity:
    """Free capacity of a host. The queue is walked from its front: :meth:`blocker_of` checks each
    job, :meth:`allocate` and :meth:`reserve` record starts and reservations.

    ``free``: dies not in use.
    """

    host: str
    slots: int
    free: int
    running: list[RunningJob] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)
    reserved: Reservation = field(default_factory=Reservation)

    @property
    def is_closed(self) -> bool:
        """True if no job at all can start now."""
        is_kept = self.reserved.exclusive is not None or any(
            other.exclusive for other in self.running
        )
        return is_kept or len(self.running) + self.reserved.slots >= self.slots

    def blocker_of(self, job: QueuedJob) -> Message | None:
        """Return what blocks ``job`` now; None: nothing."""
        return (
            self._closed(job)
            or self._place(job)
            or self._load(job)
            or self._noise(job)
            or self._dies(job)
        )

    def reserves_for(self, job: QueuedJob) -> bool:
        """Return True if capacity is reserved for the blocked ``job``.

        It is, if the job can start once running jobs have ended. Dies of a server may never be
        released, so they reserve nothing. Nor do jobs that wait for a place or for another
        benchmark.
        """
        if self._place(job) or self._load(job):
            return False
        if job.exclusive:
            is_next = self.reserved.first is None and not self._noisy_servers(job)
            return is_next and self._comes_free(job)
        return job.dies > 0 and self.free > self.reserved.dies and self._comes_free(job)

    def allocate(self, job: QueuedJob) -> None:
        """Record the start of ``job``."""
        other = RunningJob(
            job.id, job.title, job.dies, job.exclusive, job.serves, job.places, job.load
        )
        self.running.append(replace(other, reads=job.reads))
        self.free -= job.dies

    def reserve(self, job: QueuedJob, *, slot: bool = False) -> None:
        """Reserve capacity for ``job``. ``slot``: it can start at any moment."""
        reserved = self.reserved
        reserved.first = reserved.first or job
        reserved.slots += slot
        reserved.dies += job.dies
        if job.dies:
            reserved.wants_dies = reserved.wants_dies or job
        if job.exclusive:
            reserved.exclusive = reserved.exclusive or job

    def skip(self, job: QueuedJob) -> None:
        """Record that ``job`` cannot start; reserve nothing."""
        if job.dies and not self._comes_free(job):
            self.reserved.held_up.append(job)

    def protect_reads(self, job: QueuedJob) -> None:
        """Record that ``job`` does not start now; places it reads must not change before it."""
        if job.reads:
            self.reserved.readers.append(job)

    def release(self, other: RunningJob) -> None:
        """Record the end of ``other``; a server keeps its dies."""
        self.running.remove(other)
        if other.serves:
            server = Server(0, other.id, other.title, other.dies, reads=other.reads)
            self.servers.append(server)
        else:
            self.free += other.dies

    def _closed(self, job: QueuedJob) -> Message | None:
        """Return what blocks every job."""
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

    def _place(self, job: QueuedJob) -> Message | None:
        """Return a conflict on places: a writer of places of ``job``, or a reader of its
        output."""
        for other in self.running:
            if place := common(job.places, other.places):
                return Message("wait:place", {**self._about(other), "place": place})
            if place := common(job.reads, other.places):
                return Message("wait:place_written", {**self._about(other), "place": place})
        read = [(one, place) for one in self.servers if (place := common(job.places, one.reads))]
        if read:
            args = {"host": self.host, "place": read[0][1]}
            return Message("wait:place_served", args | _to_stop([one for one, _ in read]))
        readers = [
            (other.reads, "wait:place_starting", self._about(other)) for other in self.running
        ]
        readers += [
            (one.reads, "wait:place_ahead", self._about(one)) for one in self.reserved.readers
        ]
        for reads, name, args in readers:
            if place := common(job.places, reads):
                return Message(name, {**args, "place": place})
        return None

    def _load(self, job: QueuedJob) -> Message | None:
        """Return a running benchmark that would disturb ``job``, or an evaluation of the same
        deployment.

        Two benchmarks on one host disturb each other. A job with exclusive use waits for all jobs
        anyway, and jobs behind wait for it.
        """
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
        """Return all references of the deployments: ids, and those of their jobs."""
        if not load.refs:
            return {("host", 0)}
        names = {(key, int(value)) for ref in load.refs for key, value in ref.items() if value}
        for server in self.servers:
            its = {("id", server.id), ("job", server.job)}
            names |= its if its & names else set()
        return names

    def _noise(self, job: QueuedJob) -> Message | None:
        """Return what blocks a job with exclusive use."""
        if not job.exclusive:
            return None
        servers = self._noisy_servers(job)
        if servers and not self._comes_free(job):
            return self._held(job)  # it cannot run while servers use its dies
        if servers:
            args = {"host": self.host, "name": servers[0].name, **_to_stop(servers)}
            if len(servers) > 1:
                return Message("wait:exclusive_servers", args)
            return Message("wait:exclusive_server", args)
        if self.running:
            return Message("wait:exclusive_jobs", self._about(self.running[0]))
        return None

    def _noisy_servers(self, job: QueuedJob) -> list[Server]:
        """Return the deployments that would disturb ``job``: none disturbs an endpoint."""
        if job.is_on_endpoint:
            return []
        return [server for server in self.servers if not job.is_served_by(server)]

    def _dies(self, job: QueuedJob) -> Message | None:
        args = {"host": self.host, "wanted": job.dies, "free": self.free}
        left = max(0, self.free - self.reserved.dies)
        if job.dies <= left:
            return None
        if self.reserved.wants_dies and self._comes_free(job):
            first = self.reserved.wants_dies
            return Message("wait:kept", {**args, **self._about(first), "first": first.dies})
        if self._comes_free(job):
            return Message("wait:dies_kept" if left else "wait:dies", args)
        return self._held(job)

    def _held(self, job: QueuedJob) -> Message:
        """Return the servers to stop for ``job``, if too few dies will be released."""
        holders = [server for server in self.servers if server.dies]
        holders += [
            Server(0, other.id, other.title, other.dies)
            for other in self.running
            if other.serves and other.dies
        ]
        args = {"host": self.host, "wanted": job.dies, "free": self.free}
        held, lack = sum(one.dies for one in holders), job.dies - self._coming()
        if lack > held:
            return Message("wait:dies_few", {**args, "free": self._coming() + held})
        lack, first, behind = self._lack(job, held)
        needed = [one for one in holders if held - one.dies < lack]
        every = sum(one.dies for one in needed) >= lack
        stop = _to_stop(needed if every else holders, lack=lack, every=every)
        return Message("wait:dies_held", {**args, **stop, "first": first, **behind})

    def _lack(self, job: QueuedJob, held: int) -> tuple[int, list[dict[str, int]], dict[str, Any]]:
        """Return how many ``held`` dies must be released before ``job`` starts, and jobs ahead
        that take some first: ``[{"job", "dies"}]``.

        If released dies do not suffice for jobs ahead and ``job``: ``{"behind": [jobs],
        "behind_serves": True if their dies are released only when a server is stopped}``.
        """
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

    def _comes_free(self, job: QueuedJob) -> bool:
        """Return True if dies suffice once running jobs have ended."""
        return job.dies <= self._coming()

    def _coming(self) -> int:
        """Return free dies once running jobs have ended."""
        return self.free + sum(other.dies for other in self.running if not other.serves)

    def _about(self, one: RunningJob | QueuedJob) -> dict[str, Any]:
        return {"host": self.host, "job": one.id, "title": one.title}


def _to_stop(servers: Sequence[Server], *, lack: int = 0, every: bool = True) -> dict[str, Any]:
    """Return servers to stop: ``every`` one, or as many as use ``lack`` dies in total."""
    return {"servers": [one.message_args for one in servers], "lack": lack, "every": every}
