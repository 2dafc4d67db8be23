"""Which queued job starts now, and why the others wait.

:func:`look` may be called by anyone at any time: each start is one conditional UPDATE under the
host's lock, so that two of them do no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from jobs import hostqueue
from jobs.errors import PlanError
from jobs.kinds.base import AssetRef, Remark, asset_values
from jobs.models import Artifact, Dataset, Deployment, Host, Job, Weights
from jobs.plans import SECRET, from_json, slots
from jobs.queries.hosts import dies, free_dies, is_away, silent_s
from jobs.queries.targets import artifact_ref, dataset_ref, deployment_ref, weights_ref
from jobs.services import confirmations, lifecycle, preflights, secrets
from jobs.services.assets import made_by

_CANCELLED = Job.State.CANCELLED
GONE = (Deployment.State.STOPPED, Deployment.State.FAILED, Deployment.State.LOST)


@dataclass(frozen=True, slots=True)
class _Wait:
    """The job cannot start yet. ``never``: not any more, it closes in that state.

    ``ask``: its host is to be asked first whether all is as the plan needs it.
    """

    remark: Remark
    never: str = ""
    ask: bool = False


class InputGone(Exception):
    """What a job needs was never made, or is gone. ``args[0]`` is the slot's prefix."""


def look() -> int:
    """Start every queued job that can start now, oldest first; how many were started."""
    if (settings.DATA_DIR / settings.STOPPING_FILE).exists():
        return 0  # what runs is being stopped: nothing takes its place
    started, closed_hosts = 0, set()
    for job in _candidates():
        # A host with a hundred queued jobs is asked once whether it has room, not a hundred times.
        if job.host_id in closed_hosts:
            continue
        if _waits_for_host(job.host):
            closed_hosts.add(job.host_id)
        else:
            started += _try(job)
    return started


def why_waiting(job: Job) -> Remark:
    """Why a queued job has not started. Always an answer."""
    before = job.after.exclude(state=Job.State.SUCCEEDED).order_by("pk").first()
    if before is not None:
        return Remark("wait:after", {"job": before.pk, "title": before.title})
    wait = _waits_for_person(job, job.asks) or _waits_for(job, job.host)
    return wait.remark if wait else Remark("wait:soon")


def resolve(inputs: Mapping[str, Mapping[str, Any]]) -> dict[str, AssetRef]:
    """The records that a job's ``inputs`` name, by key; promises that were kept included.

    Raises:
        InputGone: one of them is not there.
    """
    return {key: _resolve(key, ref) for key, ref in inputs.items()}


def _candidates() -> Iterable[Job]:
    unfinished = Job.objects.filter(before=OuterRef("pk")).exclude(state=Job.State.SUCCEEDED)
    return (
        Job.objects.filter(~Exists(unfinished), state=Job.State.QUEUED, cancel_asked_at=None)
        .select_related("host", "deployment")
        .order_by("created_at", "pk")
    )


def _try(job: Job) -> bool:
    wait = _waits_for(job, job.host)
    if wait and wait.never:
        lifecycle.finish_queued_job(job.pk, wait.never, sentence=wait.remark)
    if wait:
        if wait.ask:
            _ask_preflight(job)
        return False
    with transaction.atomic():
        host = lifecycle.lock_host(job.host_id)
        if _waits_for(job, host):
            return False  # somebody was faster
        try:
            values = _values(job, host)
        except PlanError as error:
            remark = Remark("job:plan", {"reason": str(error)})
            lifecycle.finish_queued_job(job.pk, Job.State.ERRORED, sentence=remark)
            return False
        if not lifecycle.lease_job(job.pk, values=values):
            return False
        _name_inputs(job)
        transaction.on_commit(partial(hostqueue.send_start, host.name, job.pk))
    return True


def _waits_for(job: Job, host: Host) -> _Wait | None:
    """What keeps the job, whose predecessors have succeeded, from starting on its host."""
    return (
        _waits_for_host(host)
        or _waits_for_dies(job, host)
        or _waits_for_inputs(job)
        or _waits_for_preflight(job, host)
    )


def _waits_for_host(host: Host) -> _Wait | None:
    if host.heartbeat_at is None:
        return _Wait(Remark("wait:never_seen", {"host": host.name}))
    if is_away(host):
        seconds = round(silent_s(host) or 0)
        return _Wait(Remark("wait:away", {"host": host.name, "seconds": seconds}))
    if host.draining:
        return _Wait(Remark("wait:draining", {"host": host.name}))
    busy = list(Job.objects.filter(host=host, state__in=Job.ON_HOST_STATES).order_by("pk"))
    if len(busy) >= host.slots:
        args = {"host": host.name, "job": busy[0].pk, "title": busy[0].title}
        return _Wait(Remark("wait:slots", args))
    return None


def _waits_for_dies(job: Job, host: Host) -> _Wait | None:
    wanted = int(job.plan.get("dies", 0))
    free = len(free_dies(host)) if wanted else 0
    if wanted > free:
        return _Wait(Remark("wait:dies", {"host": host.name, "wanted": wanted, "free": free}))
    return None


def _waits_for_inputs(job: Job) -> _Wait | None:
    try:
        refs = resolve(job.inputs)
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


def _waits_for_preflight(job: Job, host: Host) -> _Wait | None:
    """Its host looks first whether all is there; what it finds missing fails the job."""
    if not job.plan.get("checks"):
        return None
    seen = preflights.latest(job)
    looks = Remark("wait:preflight", {"host": host.name})
    if seen is None or preflights.is_stale(seen):
        # What a person was asked for may be mended: then the job starts without them.
        return _waits_for_person(job, job.asks, ask=True) or _Wait(looks, ask=True)
    if seen.done_at is None:
        return _waits_for_person(job, job.asks) or _Wait(looks)
    stops = [item for item in seen.findings if item["level"] == "failed"]
    if stops:
        first = Remark(stops[0]["sentence_id"], stops[0]["sentence_args"])
        return _Wait(first, never=Job.State.FAILED)
    found = confirmations.ambers(seen.plan, seen.findings)
    return _waits_for_person(job, confirmations.open_of(found, job.confirmed))


def _waits_for_person(
    job: Job, found: Sequence[Mapping[str, Any]], *, ask: bool = False
) -> _Wait | None:
    """Its host ``found`` what somebody must confirm."""
    if not found:
        return None
    args = {"found": list(found)}
    if job.created_by is None:
        return _Wait(Remark("wait:confirm_admin", args), ask=ask)
    return _Wait(Remark("wait:confirm", {**args, "by": job.created_by.get_username()}), ask=ask)


def _ask_preflight(job: Job) -> None:
    """Have the host check the plan with the values that it would get now."""
    try:
        values = _values(job, job.host)
    except PlanError:
        values = {}  # told when it is dispatched
    asked = preflights.ask(job.host, job.plan, values, job=job)
    hostqueue.send_check(job.host.name, asked.pk)


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
    kept = {f"{SECRET}{name}" for name in secrets.names()}
    names += [name for name in slots(plan) if name.startswith(SECRET)]
    missing = [name for name in names if name not in values and name not in kept]
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
