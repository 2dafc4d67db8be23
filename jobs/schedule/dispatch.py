"""Choose queued jobs, lease their dies, start them; reasons of those that wait. :func:`run` is safe
to call concurrently: each start is one conditional UPDATE under the host's lock."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from django.conf import settings
from django.db import transaction

from jobs.access import secrets, sources
from jobs.base.errors import PlanError
from jobs.base.messages import Message
from jobs.base.numbers import size_text
from jobs.kinds.lib.base import AssetRef, asset_values
from jobs.models import Deployment, Host, Job
from jobs.plans import ENGINES, from_json, slots
from jobs.queries.hosts import dies, free_dies, heartbeat_age_s, is_away, lacks_room
from jobs.schedule import agent_tasks, launch_rights, lifecycle, preflights
from jobs.schedule.capacity import HostCapacity, HostJob, capacity_of, queued_job_of, startable_jobs
from jobs.schedule.targets import ARCHIVED, InputGone, resolve

_CANCELLED = Job.State.CANCELLED
# With this many overdue preflights, a host gets no further requests.
_MOST_OVERDUE = 20


@dataclass(frozen=True, slots=True)
class _Wait:
    """``never``: the job closes in that state. ``ask``: the host must run the preflight first.
    ``person``: a person must confirm its findings."""

    message: Message
    never: str = ""
    ask: bool = False
    person: bool = False


_looking, _waiting = threading.RLock(), threading.Lock()


def run() -> int:
    """Start every queued job that can start now, in queue order per host; return the count. In one
    process one look follows the other: eight jobs that end together start eight in one look."""
    if transaction.get_connection().in_atomic_block:
        return _look()  # the others would not see its changes
    if not _waiting.acquire(blocking=False):
        return 0  # a look that has not begun yet sees the same
    try:
        _looking.acquire()
    finally:
        _waiting.release()
    try:
        return _look()
    finally:
        _looking.release()


def _look() -> int:
    if (settings.DATA_DIR / settings.STOPPING_FILE).exists():
        return 0  # running jobs are being stopped: none replaces them
    started = 0
    waiting = Job.objects.filter(state=Job.State.QUEUED, cancel_asked_at=None)
    for host in Host.objects.filter(pk__in=waiting.values("host")).order_by("pk"):
        # The capacity of a host with ten thousand queued jobs is read once.
        if _waits_for_host(host) is None:
            started += _run_on(host)
    return started


def why_waiting(job: Job) -> Message:
    return reasons([job])[job.pk]


def reasons(jobs: Iterable[Job]) -> dict[int, Message]:
    """Why queued jobs have not started, by id. Each host's queue is walked once."""
    messages: dict[int, Message] = {}
    wanted: dict[Host, set[int]] = {}
    for job in jobs:
        before = [one for one in job.after.all() if not one.is_released]
        if before:
            first = min(before, key=lambda one: one.pk)
            messages[job.pk] = Message("wait:after", {"job": first.pk, "title": first.title})
        else:
            messages[job.pk] = Message("wait:soon")
            wanted.setdefault(job.host, set()).add(job.pk)
    for host, ids in wanted.items():
        if away := _waits_for_host(host):
            messages |= dict.fromkeys(ids, away)
            continue
        capacity, known = capacity_of(host), _Known(host)
        for one in startable_jobs(host):
            wait = _waits_for(one, capacity, known)
            if wait is None:  # it has started for those behind
                capacity.allocate(one)
            elif one.id in ids:
                messages[one.id] = wait.message
            ids.discard(one.id)
            if not ids:
                break
    return messages


def _run_on(host: Host) -> int:
    capacity, started, known = capacity_of(host), 0, _Known(host)
    if capacity.is_closed:
        return 0
    for one in startable_jobs(host):
        wait = _waits_for(one, capacity, known)
        begun = _start(host.pk, one, capacity) if wait is None else None
        if begun is not None:
            capacity.allocate(begun)
            started += 1
        elif wait is None:
            # Another process was faster, and this snapshot is stale. Continuing would lock the
            # host in vain for each job of a queue of thousands.
            host.refresh_from_db()
            if _waits_for_host(host) is not None:
                break
            capacity = replace(capacity_of(host), reserved=capacity.reserved)
            known = _Known(host, known.overdue)
            if one.id not in {other.id for other in capacity.running}:
                wait = _waits_for(one, capacity, known)  # reserved as if queued before
        if wait and wait.never:
            lifecycle.finish_queued_job(one.id, wait.never, message=wait.message)
        elif wait and wait.ask:
            job = Job.objects.select_related("host", "deployment").get(pk=one.id)
            try:
                values = _values(job, job.host, resolve(job.inputs))
            except PlanError:
                values = {}  # the error is reported when the job is dispatched
            preflights.ask(job.host, job.plan, values, job=job)
        if capacity.is_closed:
            break
    return started


class _Known:
    """Cache of one walk along a queue. ``overdue``: jobs with a preflight unanswered for long."""

    def __init__(self, host: Host, overdue: int = 0) -> None:
        self._of: dict[str, _Wait | None] = {}
        self._host, self.overdue = host, overdue

    @cached_property
    def preflight_states(self) -> Mapping[int, preflights.PreflightState]:
        return preflights.preflight_states(self._host)

    def waits_for_inputs(self, one: HostJob) -> _Wait | None:
        key = repr(sorted((name, sorted(ref.items())) for name, ref in one.inputs.items()))
        if key not in self._of:
            self._of[key] = _waits_for_inputs(one.inputs)
        return self._of[key]


def _waits_for(one: HostJob, capacity: HostCapacity, known: _Known) -> _Wait | None:
    """What blocks a job of the queue; its reservation is added to ``capacity``."""
    wait = _wait_of(one, capacity, known)
    if wait is not None and not wait.never:
        capacity.protect_reads(one)
    return wait


def _wait_of(one: HostJob, capacity: HostCapacity, known: _Known) -> _Wait | None:
    """Reserve only for a job that lacks nothing else: not for one with a missing input, nor for
    one that needs confirmation. Places that the job reads are not reserved yet."""
    full = capacity.blocker_of(one)
    if full is not None and one.needs_confirmation:
        return _waits_for_person(one, one.needs_confirmation)
    if full is not None and not capacity.reserves_for(one):
        capacity.skip(one)
        return _Wait(full)
    inputs = known.waits_for_inputs(one)
    if inputs is not None:
        return inputs
    preflight = known.preflight_states.get(one.id) if one.is_checked else None
    if full is not None and preflight is not None and preflight.is_overdue:
        return _Wait(full, ask=preflights.is_stale(preflight))  # else it is overtaken forever
    if full is not None:
        capacity.reserve(one)
        return _Wait(full)
    wait = _waits_for_preflight(one, capacity.host, preflight) if one.is_checked else None
    if wait is None or wait.never or wait.person:
        return wait
    if preflight is not None and preflight.is_overdue:
        known.overdue += 1  # it may never be answered: reserve nothing meanwhile
    elif preflight is None and known.overdue >= _MOST_OVERDUE:
        return _Wait(wait.message)  # the host answers none: another request would be lost too
    else:
        capacity.reserve(one, slot=True)
    return wait


def _start(host_id: int, one: HostJob, capacity: HostCapacity) -> HostJob | None:
    """Lease the job's resources if still available, under the host's lock. Return the started job;
    None: not started. The row counts, not ``one``: exclusive use may have been set since."""
    with transaction.atomic():
        host = lifecycle.lock_host(host_id)
        job = Job.objects.select_related("deployment").get(pk=one.id)
        job.host = host
        now_there, fresh = capacity_of(host), queued_job_of(job)
        now_there.reserved = capacity.reserved
        if _waits_for_host(host) or now_there.blocker_of(fresh) or _waits_for_inputs(job.inputs):
            return None  # another process was faster
        refs, values = resolve(job.inputs), dict[str, str]()
        state, message = Job.State.FAILED, launch_rights.refusal_of(job)
        if message is None:
            try:
                values = _values(job, host, refs)
                secrets.of_job(job, values=values)
                sources.of_job(job)
            except PlanError as error:
                state, message = Job.State.ERRORED, Message("job:plan", {"reason": str(error)})
            except (secrets.SecretRefused, sources.SourceRefused) as refused:
                message = refused.message
        if message is not None:
            lifecycle.finish_queued_job(job.pk, state, message=message)
            return None
        inputs = {
            key: {**job.inputs[key], "id": ref.id} if ref.endpoint is None else job.inputs[key]
            for key, ref in refs.items()
        }
        if not lifecycle.lease_job(job.pk, values=values, host=host, inputs=inputs):
            return None
        if "artifact" in refs:
            Deployment.objects.filter(job=job).update(artifact=refs["artifact"].id)
        transaction.on_commit(partial(agent_tasks.send, host.name, "start", job.pk))
    return fresh


def _waits_for_host(host: Host) -> Message | None:
    args = {"host": host.name}
    if host.heartbeat_at is None:
        return Message("wait:never_seen", args)
    if is_away(host):
        return Message("wait:away", {**args, "silent_s": round(heartbeat_age_s(host) or 0)})
    if host.is_outdated:
        return Message("wait:protocol", args)
    if host.draining:
        return Message("wait:draining", args)
    if lacks_room(host):
        sizes = {name: size_text(host.load[f"disk_{name}_bytes"]) for name in ("free", "reserve")}
        return Message("wait:disk", {**args, **sizes})
    return None


def _waits_for_inputs(inputs: Mapping[str, Mapping[str, Any]]) -> _Wait | None:
    try:
        refs = resolve(inputs)
    except InputGone as error:
        return _Wait(Message("job:input_gone", {"input": error.args[0]}), never=_CANCELLED)
    waits: list[_Wait] = []
    for engine in (refs[name] for name in ENGINES if name in refs):
        state = engine.data["state"]
        args = {"name": engine.title, "state": state}
        if state == ARCHIVED:
            waits.append(_Wait(Message("job:endpoint_archived", args), never=_CANCELLED))
        elif state in Deployment.ENDED_STATES:
            waits.append(_Wait(Message("job:deployment_gone", args), never=_CANCELLED))
        elif state != Deployment.State.READY:
            waits.append(_Wait(Message("wait:deployment", args)))
    return min(waits, key=lambda wait: not wait.never, default=None)


def _waits_for_preflight(
    one: HostJob, host: str, preflight: preflights.PreflightState | None
) -> _Wait | None:
    """The wait for a preflight; missing requirements fail the job."""
    looks = Message("wait:preflight", {"host": host})
    if preflight is None or preflights.is_stale(preflight):
        # Once the finding is fixed, the job starts without confirmation.
        return _waits_for_person(one, one.needs_confirmation, ask=True) or _Wait(looks, ask=True)
    if preflight.done_at is None:
        return _waits_for_person(one, one.needs_confirmation) or _Wait(looks)
    stops = [item for item in preflight.findings if item["level"] == "failed"]
    if stops:
        first = Message(stops[0]["message_id"], stops[0]["message_args"])
        return _Wait(first, never=Job.State.FAILED)
    return _waits_for_person(one, preflights.unconfirmed(preflight.warnings, one.confirmed))


def _waits_for_person(
    one: HostJob, findings: Sequence[Mapping[str, Any]], *, ask: bool = False
) -> _Wait | None:
    if not findings:
        return None
    message = Message("wait:confirm_admin", {"found": list(findings)})
    if one.by:
        message = Message("wait:confirm", {**message.args, "by": one.by})
    return _Wait(message, ask=ask, person=True)


def _values(job: Job, host: Host, refs: Mapping[str, AssetRef]) -> dict[str, str]:
    """Every slot of the plan that the dashboard fills. Raises ``PlanError``: the plan has an
    asset's slot that no input fills."""
    wanted = int(job.plan.get("dies", 0))
    values = {"job": str(job.pk), **asset_values(refs)}
    if dies(host):
        values["dies"] = ",".join(free_dies(host)[:wanted])
    deployment = getattr(job, "deployment", None)
    if deployment is not None:
        values |= {"deployment.id": str(deployment.pk), "deployment.name": deployment.name}
    names = [name for name in slots(from_json(job.plan)) if "." in name or name in ("job", "dies")]
    missing = [name for name in names if name not in values]
    if missing:
        raise PlanError(f"nothing fills {', '.join(missing)}")
    return {name: values[name] for name in (*names, *(("dies",) if wanted else ()))}
