"""Choose queued jobs, lease their dies, start them; reasons of those that wait.

:func:`run` is safe to call concurrently: each start is one conditional UPDATE under the host's
lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from django.conf import settings
from django.db import transaction

from jobs.access import secrets, sources
from jobs.base.errors import PlanError
from jobs.base.messages import Message
from jobs.kinds.lib.base import AssetRef, asset_values
from jobs.kinds.lib.common import size
from jobs.models import Artifact, Dataset, Deployment, Endpoint, Host, Job, Weights
from jobs.plans import ENGINES, from_json, slots
from jobs.queries.hosts.hosts import dies, free_dies, heartbeat_age_s, is_away, lacks_room
from jobs.schedule import agent_tasks, confirmations, launch_rights, lifecycle, preflights
from jobs.schedule.assets import made_by
from jobs.schedule.capacity import HostCapacity, QueuedJob
from jobs.schedule.capacity_reads import capacity_of, queued_job_of, startable_jobs
from jobs.schedule.targets import (
    ARCHIVED,
    artifact_ref,
    dataset_ref,
    deployment_ref,
    endpoint_ref,
    weights_ref,
)

_CANCELLED = Job.State.CANCELLED
# With this many overdue preflights, a host gets no further requests.
_MOST_OVERDUE = 20
GONE = (Deployment.State.STOPPED, Deployment.State.FAILED, Deployment.State.LOST)


@dataclass(frozen=True, slots=True)
class _Wait:
    """Reason why a job cannot start yet. ``never``: it never will, and closes in that state.

    ``ask``: the host must run the preflight first. ``person``: a person must confirm its findings.
    """

    message: Message
    never: str = ""
    ask: bool = False
    person: bool = False


class InputGone(Exception):
    """An input of a job is missing. ``args[0]`` is the slot's prefix."""


def run() -> int:
    """Start every queued job that can start now, in queue order per host; return the count."""
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
    """Return why a queued job has not started; never empty."""
    return reasons([job])[job.pk]


def reasons(jobs: Iterable[Job]) -> dict[int, Message]:
    """Return reasons for several jobs, by id. Each host's queue is walked once, up to the last
    of them."""
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
        messages |= _reasons_on(host, ids)
    return messages


def resolve(inputs: Mapping[str, Mapping[str, Any]]) -> dict[str, AssetRef]:
    """Return the records of a job's ``inputs`` by key, fulfilled promises included.

    Raises:
        InputGone: one of them is missing.
    """
    return {key: _resolve(key, ref) for key, ref in inputs.items()}


def _run_on(host: Host) -> int:
    """Start jobs that can start on ``host``, from the front of its queue."""
    capacity, started, known = capacity_of(host), 0, _Known(host)
    if capacity.is_closed:
        return 0
    for one in startable_jobs(host):
        wait = _waits_for(one, capacity, known)
        begun = _start(one, capacity) if wait is None else None
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
            _ask_preflight(Job.objects.select_related("host", "deployment").get(pk=one.id))
        if capacity.is_closed:
            break
    return started


def _reasons_on(host: Host, ids: set[int]) -> dict[int, Message]:
    """Return why these jobs of the queue of ``host`` wait, assuming those ahead have started."""
    away = _waits_for_host(host)
    if away is not None:
        return dict.fromkeys(ids, away)
    messages: dict[int, Message] = {}
    capacity, known, missing = capacity_of(host), _Known(host), set(ids)
    for one in startable_jobs(host):
        wait = _waits_for(one, capacity, known)
        if wait is None:
            capacity.allocate(one)
        if one.id in missing:
            missing.discard(one.id)
            messages[one.id] = wait.message if wait else Message("wait:soon")
        if not missing:
            break
    return messages


class _Known:
    """Cache of one walk along a queue: inputs of jobs, because many share them, and preflights.
    ``overdue``: jobs whose preflight has been unanswered for long.
    """

    def __init__(self, host: Host, overdue: int = 0) -> None:
        self._of: dict[str, _Wait | None] = {}
        self._host = host
        self.overdue = overdue

    @cached_property
    def preflight_states(self) -> Mapping[int, preflights.PreflightState]:
        """Return the preflight of each job of the queue, if any."""
        return preflights.preflight_states(self._host)

    def waits_for_inputs(self, one: QueuedJob) -> _Wait | None:
        """See :func:`_waits_for_inputs`."""
        inputs = dict(one.inputs)
        key = repr(sorted((name, sorted(ref.items())) for name, ref in inputs.items()))
        if key not in self._of:
            self._of[key] = _waits_for_inputs(inputs)
        return self._of[key]


def _waits_for(one: QueuedJob, capacity: HostCapacity, known: _Known) -> _Wait | None:
    """Return what blocks a job of the queue; its reservation is added to ``capacity``."""
    wait = _wait_of(one, capacity, known)
    if wait is not None and not wait.never:
        capacity.protect_reads(one)
    return wait


def _wait_of(one: QueuedJob, capacity: HostCapacity, known: _Known) -> _Wait | None:
    """Return what blocks a job; places it reads are not reserved yet.

    Reserve only for a job that lacks nothing else: not for one with a missing input, nor for one
    that needs confirmation.
    """
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


def _start(one: QueuedJob, capacity: HostCapacity) -> QueuedJob | None:
    """Lease the job's resources if still available, under the host's lock.

    Return the started job; None: not started. The row counts, not ``one``: exclusive use may have
    been set since.
    """
    with transaction.atomic():
        host = lifecycle.lock_host(Job.objects.values_list("host_id", flat=True).get(pk=one.id))
        job = Job.objects.select_related("deployment", "host").get(pk=one.id)
        now_there, fresh = capacity_of(host), queued_job_of(job)
        now_there.reserved = capacity.reserved
        if _waits_for_host(host) or now_there.blocker_of(fresh) or _waits_for_inputs(job.inputs):
            return None  # another process was faster
        if lost := launch_rights.refusal_of(job):
            lifecycle.finish_queued_job(job.pk, Job.State.FAILED, message=lost)
            return None
        try:
            values = _values(job, host)
        except PlanError as error:
            message = Message("job:plan", {"reason": str(error)})
            lifecycle.finish_queued_job(job.pk, Job.State.ERRORED, message=message)
            return None
        try:
            secrets.of_job(job, values=values)
            sources.of_job(job)
        except (secrets.Refused, sources.Refused) as refused:
            lifecycle.finish_queued_job(job.pk, Job.State.FAILED, message=refused.message)
            return None
        if not lifecycle.lease_job(job.pk, values=values):
            return None
        _name_inputs(job)
        transaction.on_commit(partial(agent_tasks.send_start, host.name, job.pk))
    return fresh


def _waits_for_host(host: Host) -> Message | None:
    """Return why a host takes no job at all: offline or paused."""
    if host.heartbeat_at is None:
        return Message("wait:never_seen", {"host": host.name})
    if is_away(host):
        seconds = round(heartbeat_age_s(host) or 0)
        return Message("wait:away", {"host": host.name, "seconds": seconds})
    if host.is_outdated:
        return Message("wait:protocol", {"host": host.name})
    if host.draining:
        return Message("wait:draining", {"host": host.name})
    if lacks_room(host):
        sizes = {name: host.load[f"disk_{name}_bytes"] for name in ("free", "reserve")}
        amounts = {name: size(count) for name, count in sizes.items()}
        return Message("wait:disk", {"host": host.name, **amounts})
    return None


def _waits_for_inputs(inputs: Mapping[str, Mapping[str, Any]]) -> _Wait | None:
    try:
        refs = resolve(inputs)
    except InputGone as error:
        return _Wait(Message("job:input_gone", {"input": error.args[0]}), never=_CANCELLED)
    waits = (_waits_for_engine(refs[name]) for name in ENGINES if name in refs)
    return min(filter(None, waits), key=lambda wait: not wait.never, default=None)


def _waits_for_engine(engine: AssetRef) -> _Wait | None:
    """Return the wait for a deployment or endpoint that is not ready."""
    state = engine.data["state"]
    args = {"name": engine.title, "state": state}
    if state == ARCHIVED:
        return _Wait(Message("job:endpoint_archived", args), never=_CANCELLED)
    if state in GONE:
        return _Wait(Message("job:deployment_gone", args), never=_CANCELLED)
    return None if state == Deployment.State.READY else _Wait(Message("wait:deployment", args))


def _waits_for_preflight(
    one: QueuedJob, host: str, preflight: preflights.PreflightState | None
) -> _Wait | None:
    """Return the wait for a preflight; missing requirements fail the job."""
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
    return _waits_for_person(one, confirmations.open_of(preflight.warnings, one.confirmed))


def _waits_for_person(
    one: QueuedJob, findings: Sequence[Mapping[str, Any]], *, ask: bool = False
) -> _Wait | None:
    """Return the wait for confirmation of ``findings``."""
    if not findings:
        return None
    args: dict[str, Any] = {"found": list(findings)}
    if not one.by:
        return _Wait(Message("wait:confirm_admin", args), ask=ask, person=True)
    return _Wait(Message("wait:confirm", {**args, "by": one.by}), ask=ask, person=True)


def _ask_preflight(job: Job) -> None:
    """Request a preflight of the plan with its current values."""
    try:
        values = _values(job, job.host)
    except PlanError:
        values = {}  # the error is reported when the job is dispatched
    asked = preflights.ask(job.host, job.plan, values, job=job)
    agent_tasks.send_check(job.host.name, asked.pk)


def _resolve(key: str, ref: Mapping[str, Any]) -> AssetRef:
    """Return the record by id, or by the job that promised it."""
    if ref.get("endpoint"):
        for endpoint in Endpoint.objects.filter(pk=ref["endpoint"]):
            return endpoint_ref(endpoint)
        raise InputGone(key)
    if key in ENGINES:
        name = {"pk": ref["id"]} if ref.get("id") else {"job": ref["job"]}
        deployment = Deployment.objects.select_related("artifact", "host").filter(**name).first()
        if deployment is not None:
            return deployment_ref(deployment)
        raise InputGone(key)
    made = None if ref.get("id") else made_by(ref["job"], key)
    number = made.pk if made else ref.get("id", 0)
    if key == "weights":
        for weights in Weights.objects.filter(pk=number):
            return weights_ref(weights)
    if key == "artifact":
        for artifact in Artifact.objects.filter(pk=number, deleted_at=None):
            return artifact_ref(artifact)
    if key == "dataset":
        for dataset in Dataset.objects.filter(pk=number):
            return dataset_ref(dataset)
    raise InputGone(key)


def _values(job: Job, host: Host) -> dict[str, str]:
    """Return every slot of the plan that the dashboard fills.

    Raises:
        PlanError: the plan has an asset's slot that no input fills.
    """
    wanted = int(job.plan.get("dies", 0))
    values = {"job": str(job.pk), **asset_values(resolve(job.inputs))}
    if dies(host):
        values["dies"] = ",".join(free_dies(host)[:wanted])
    deployment = getattr(job, "deployment", None)
    if deployment is not None:
        values |= {"deployment.id": str(deployment.pk), "deployment.name": deployment.name}
    plan = from_json(job.plan)
    names = [name for name in slots(plan) if "." in name or name in ("job", "dies")]
    missing = [name for name in names if name not in values]
    if missing:
        raise PlanError(f"nothing fills {', '.join(missing)}")
    known = {name: values[name] for name in names if name in values}
    return known | ({"dies": values["dies"]} if wanted else {})


def _name_inputs(job: Job) -> None:
    """Store the resolved records of the inputs; set the artifact of a deployment."""
    refs = resolve(job.inputs)
    inputs = {
        key: {**job.inputs[key], "id": ref.id} if ref.endpoint is None else job.inputs[key]
        for key, ref in refs.items()
    }
    Job.objects.filter(pk=job.pk).update(inputs=inputs)
    deployment = getattr(job, "deployment", None)
    if deployment is not None and "artifact" in refs:
        Deployment.objects.filter(pk=deployment.pk).update(artifact=refs["artifact"].id)
