"""Which queued job starts now, and why the others wait.

:func:`look` may be called by anyone at any time: each start is one conditional UPDATE under the
host's lock, so that two of them do no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from django.conf import settings
from django.db import transaction

from jobs import agent_tasks
from jobs.errors import PlanError
from jobs.kinds.lib.base import AssetRef, Remark, asset_values
from jobs.kinds.lib.common import size
from jobs.models import Artifact, Dataset, Deployment, Host, Job, Weights
from jobs.plans import from_json, slots
from jobs.queries.hosts.capacity import Room, Waiter, line_of, room_of, waiter_of
from jobs.queries.hosts.hosts import dies, free_dies, is_away, lacks_room, silent_s
from jobs.queries.hosts.targets import artifact_ref, dataset_ref, deployment_ref, weights_ref
from jobs.services import confirmations, lifecycle, preflights, secrets
from jobs.services.outcomes.assets import made_by

_CANCELLED = Job.State.CANCELLED
# So many jobs whose looks their host owes for long, and it is asked for no further ones.
_MOST_OVERDUE = 20
GONE = (Deployment.State.STOPPED, Deployment.State.FAILED, Deployment.State.LOST)


@dataclass(frozen=True, slots=True)
class _Wait:
    """The job cannot start yet. ``never``: not any more, it closes in that state.

    ``ask``: its host is to be asked first whether all is as the plan needs it. ``person``: somebody
    must confirm what it found.
    """

    remark: Remark
    never: str = ""
    ask: bool = False
    person: bool = False


class InputGone(Exception):
    """What a job needs was never made, or is gone. ``args[0]`` is the slot's prefix."""


def look() -> int:
    """Start every queued job that can start now, each host's in their order; how many started."""
    if (settings.DATA_DIR / settings.STOPPING_FILE).exists():
        return 0  # what runs is being stopped: nothing takes its place
    started = 0
    waiting = Job.objects.filter(state=Job.State.QUEUED, cancel_asked_at=None)
    for host in Host.objects.filter(pk__in=waiting.values("host")).order_by("pk"):
        # A host with ten thousand queued jobs is asked once whether it has room.
        if _waits_for_host(host) is None:
            started += _look_at(host)
    return started


def why_waiting(job: Job) -> Remark:
    """Why a queued job has not started. Always an answer."""
    return reasons([job])[job.pk]


def reasons(jobs: Iterable[Job]) -> dict[int, Remark]:
    """The same for several jobs, by their ids. Each host's line is walked once, at most to the
    last of them."""
    found: dict[int, Remark] = {}
    wanted: dict[Host, set[int]] = {}
    for job in jobs:
        before = [one for one in job.after.all() if one.state != Job.State.SUCCEEDED]
        if before:
            first = min(before, key=lambda one: one.pk)
            found[job.pk] = Remark("wait:after", {"job": first.pk, "title": first.title})
        else:
            found[job.pk] = Remark("wait:soon")
            wanted.setdefault(job.host, set()).add(job.pk)
    for host, ids in wanted.items():
        found |= _reasons_on(host, ids)
    return found


def resolve(inputs: Mapping[str, Mapping[str, Any]]) -> dict[str, AssetRef]:
    """The records that a job's ``inputs`` name, by key; promises that were kept included.

    Raises:
        InputGone: one of them is not there.
    """
    return {key: _resolve(key, ref) for key, ref in inputs.items()}


def _look_at(host: Host) -> int:
    """Start what can start on ``host``, from the front of its line."""
    room, started, known = room_of(host), 0, _Known(host)
    if room.is_shut:
        return 0
    for one in line_of(host):
        wait = _waits_for(one, room, known)
        begun = _start(one, room) if wait is None else None
        if begun is not None:
            room.take(begun)
            started += 1
        elif wait is None:
            # Somebody was faster, and what we know of the host is old. To go on with it would be
            # to lock the host in vain for each of a line that may be of thousands.
            host.refresh_from_db()
            if _waits_for_host(host) is not None:
                break
            room, known = replace(room_of(host), kept=room.kept), _Known(host, known.overdue)
            if one.id not in {guest.id for guest in room.guests}:
                wait = _waits_for(one, room, known)  # its place is kept as if it had waited before
        if wait and wait.never:
            lifecycle.finish_queued_job(one.id, wait.never, sentence=wait.remark)
        elif wait and wait.ask:
            _ask_preflight(Job.objects.select_related("host", "deployment").get(pk=one.id))
        if room.is_shut:
            break
    return started


def _reasons_on(host: Host, ids: set[int]) -> dict[int, Remark]:
    """Why these of the line of ``host`` wait, as if those ahead of them had started."""
    away = _waits_for_host(host)
    if away is not None:
        return dict.fromkeys(ids, away)
    found: dict[int, Remark] = {}
    room, known, missing = room_of(host), _Known(host), set(ids)
    for one in line_of(host):
        wait = _waits_for(one, room, known)
        if wait is None:
            room.take(one)
        if one.id in missing:
            missing.discard(one.id)
            found[one.id] = wait.remark if wait else Remark("wait:soon")
        if not missing:
            break
    return found


class _Known:
    """What one walk along a line has learned of what jobs work on, for many work on the same, and
    of what their host was asked. ``overdue``: jobs for which it has owed an answer for long.
    """

    def __init__(self, host: Host, overdue: int = 0) -> None:
        self._of: dict[str, _Wait | None] = {}
        self._host = host
        self.overdue = overdue

    @cached_property
    def looks(self) -> Mapping[int, preflights.Look]:
        """What the host was asked for each job of its line, where it was."""
        return preflights.looks(self._host)

    def waits_for_inputs(self, one: Waiter) -> _Wait | None:
        """See :func:`_waits_for_inputs`."""
        inputs = dict(one.inputs)
        key = repr(sorted((name, sorted(ref.items())) for name, ref in inputs.items()))
        if key not in self._of:
            self._of[key] = _waits_for_inputs(inputs)
        return self._of[key]


def _waits_for(one: Waiter, room: Room, known: _Known) -> _Wait | None:
    """What keeps a job of the line from starting; what is kept for it is told to ``room``."""
    wait = _wait_of(one, room, known)
    if wait is not None and not wait.never:
        room.stay(one)
    return wait


def _wait_of(one: Waiter, room: Room, known: _Known) -> _Wait | None:
    """The same; what it reads is not kept yet.

    Something is kept only for a job that lacks nothing else: not for one whose input is not there,
    nor for one that waits for a person.
    """
    full = room.blocks(one)
    if full is not None and one.asks:
        return _waits_for_person(one, one.asks)
    if full is not None and not room.keeps(one):
        room.pass_by(one)
        return _Wait(full)
    inputs = known.waits_for_inputs(one)
    if inputs is not None:
        return inputs
    seen = known.looks.get(one.id) if one.is_checked else None
    if full is not None and seen is not None and seen.is_overdue:
        return _Wait(full, ask=preflights.is_stale(seen))  # asked, lest it be passed for ever
    if full is not None:
        room.keep(one)
        return _Wait(full)
    wait = _waits_for_preflight(one, room.host, seen) if one.is_checked else None
    if wait is None or wait.never or wait.person:
        return wait
    if seen is not None and seen.is_overdue:
        known.overdue += 1  # it may never be answered: nothing is kept for it meanwhile
    elif seen is None and known.overdue >= _MOST_OVERDUE:
        return _Wait(wait.remark)  # the host answers none: one question more would be lost too
    else:
        room.keep(one, slot=True)
    return wait


def _start(one: Waiter, room: Room) -> Waiter | None:
    """Lease the job what it needs, if that is there still: under the host's lock.

    The job as it started; None: it did not. Its row counts, not ``one``: it may want the host
    quiet since.
    """
    with transaction.atomic():
        host = lifecycle.lock_host(Job.objects.values_list("host_id", flat=True).get(pk=one.id))
        job = Job.objects.select_related("deployment").get(pk=one.id)
        now_there, fresh = room_of(host), waiter_of(job)
        now_there.kept = room.kept
        if _waits_for_host(host) or now_there.blocks(fresh) or _waits_for_inputs(job.inputs):
            return None  # somebody was faster
        if gone := secrets.missing(from_json(job.plan)):
            remark = Remark("job:secret_gone", {"name": gone[0]})
            lifecycle.finish_queued_job(job.pk, Job.State.FAILED, sentence=remark)
            return None
        try:
            values = _values(job, host)
        except PlanError as error:
            remark = Remark("job:plan", {"reason": str(error)})
            lifecycle.finish_queued_job(job.pk, Job.State.ERRORED, sentence=remark)
            return None
        if not lifecycle.lease_job(job.pk, values=values):
            return None
        _name_inputs(job)
        transaction.on_commit(partial(agent_tasks.send_start, host.name, job.pk))
    return fresh


def _waits_for_host(host: Host) -> Remark | None:
    """Why a host takes no job at all: it is not there, or people do not want it to."""
    if host.heartbeat_at is None:
        return Remark("wait:never_seen", {"host": host.name})
    if is_away(host):
        seconds = round(silent_s(host) or 0)
        return Remark("wait:away", {"host": host.name, "seconds": seconds})
    if host.draining:
        return Remark("wait:draining", {"host": host.name})
    if lacks_room(host):
        sizes = {name: host.load[f"disk_{name}_bytes"] for name in ("free", "reserve")}
        told = {name: size(count) for name, count in sizes.items()}
        return Remark("wait:disk", {"host": host.name, **told})
    return None


def _waits_for_inputs(inputs: Mapping[str, Mapping[str, Any]]) -> _Wait | None:
    try:
        refs = resolve(inputs)
    except InputGone as error:
        return _Wait(Remark("job:input_gone", {"input": error.args[0]}), never=_CANCELLED)
    deployment = refs.get("deployment")
    if deployment is None:
        return None
    state = deployment.data["state"]
    args = {"name": deployment.data["name"], "state": state}
    if state in GONE:
        return _Wait(Remark("job:deployment_gone", args), never=_CANCELLED)
    return None if state == Deployment.State.READY else _Wait(Remark("wait:deployment", args))


def _waits_for_preflight(one: Waiter, host: str, seen: preflights.Look | None) -> _Wait | None:
    """Its host looks first whether all is there; what it finds missing fails the job."""
    looks = Remark("wait:preflight", {"host": host})
    if seen is None or preflights.is_stale(seen):
        # What a person was asked for may be mended: then the job starts without them.
        return _waits_for_person(one, one.asks, ask=True) or _Wait(looks, ask=True)
    if seen.done_at is None:
        return _waits_for_person(one, one.asks) or _Wait(looks)
    stops = [item for item in seen.findings if item["level"] == "failed"]
    if stops:
        first = Remark(stops[0]["sentence_id"], stops[0]["sentence_args"])
        return _Wait(first, never=Job.State.FAILED)
    return _waits_for_person(one, confirmations.open_of(seen.ambers, one.confirmed))


def _waits_for_person(
    one: Waiter, found: Sequence[Mapping[str, Any]], *, ask: bool = False
) -> _Wait | None:
    """Its host ``found`` what somebody must confirm."""
    if not found:
        return None
    args: dict[str, Any] = {"found": list(found)}
    if not one.by:
        return _Wait(Remark("wait:confirm_admin", args), ask=ask, person=True)
    return _Wait(Remark("wait:confirm", {**args, "by": one.by}), ask=ask, person=True)


def _ask_preflight(job: Job) -> None:
    """Have the host check the plan with the values that it would get now."""
    try:
        values = _values(job, job.host)
    except PlanError:
        values = {}  # told when it is dispatched
    asked = preflights.ask(job.host, job.plan, values, job=job)
    agent_tasks.send_check(job.host.name, asked.pk)


def _resolve(key: str, ref: Mapping[str, Any]) -> AssetRef:
    """The record by its id, or by the job that promised it."""
    if key == "deployment":
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
    """Every slot of the plan that the dashboard fills.

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
    """Write down which records the inputs turned out to be; a deployment hears of its artifact."""
    refs = resolve(job.inputs)
    inputs = {key: {**job.inputs[key], "id": ref.id} for key, ref in refs.items()}
    Job.objects.filter(pk=job.pk).update(inputs=inputs)
    deployment = getattr(job, "deployment", None)
    if deployment is not None and "artifact" in refs:
        Deployment.objects.filter(pk=deployment.pk).update(artifact=refs["artifact"].id)
