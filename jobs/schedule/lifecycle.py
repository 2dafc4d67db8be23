"""States of jobs: every change of one after its row was created, as one conditional UPDATE with a
message and a notification after commit. The first verdict on a job stands."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from django.utils.timezone import now

from jobs import notifications
from jobs.base.errors import JobsError
from jobs.base.messages import Message
from jobs.base.sanitize import sanitize
from jobs.models import Host, Job
from jobs.schedule import deployments

State = Job.State


class ClaimRefused(JobsError):
    """The claim is refused; ``state`` is the job's."""

    id = "host:claim"

    def __init__(self, state: str) -> None:
        super().__init__(f"the job is {state}")
        self.state = state


def lock_host(host_id: int) -> Host:
    """Lock the host's row until the transaction ends: required for leases. SQLite has no row locks
    and needs none: its transactions begin IMMEDIATE, one writer at a time."""
    # no_key: rows that refer to the host may still be written meanwhile.
    return Host.objects.select_for_update(no_key=True).get(pk=host_id)


def lock_waiting(ids: Iterable[int]) -> None:
    """Lock rows of queued jobs until the transaction ends, oldest first: code that changes several
    must, or two transactions may deadlock, because not all of them lock the host."""
    rows = Job.objects.select_for_update(no_key=True).filter(pk__in=ids, state=State.QUEUED)
    list(rows.order_by("pk").values_list("pk", flat=True))


def lease_job(
    job_id: int, *, values: Mapping[str, str], host: Host | None = None, **fields: Any
) -> bool:
    """queued → starting, with the slots that the dashboard fills, and more ``fields``. False: the
    job is no longer queued, was cancelled, or its host is paused or at its job limit. ``host``: the
    caller has locked it and checked the same."""
    with transaction.atomic():
        if host is None:
            host = lock_host(Job.objects.values_list("host_id", flat=True).get(pk=job_id))
            busy = Job.on([host], Job.ON_HOST_STATES).count()
            if host.draining or busy >= host.slots:
                return False
        return _change(
            job_id,
            Q(state=State.QUEUED, cancel_asked_at=None),
            State.STARTING,
            message=Message("job:sent", {"host": host.name}),
            values=dict(values),
            dispatched_at=now(),
            **fields,
        )


def claim_job(job_id: int, *, host: Host, claim_id: str) -> Job:
    """Claim a job for its host. The same ``claim_id`` returns the same job again. Raises
    ``Job.DoesNotExist``; ``ClaimRefused``: it is not starting, or another claim was first."""
    if claim_id:
        is_free = Q(host=host, state=State.STARTING, claim_id="")
        message = Message("job:taken", {"host": host.name})
        fields = {"claim_id": claim_id, "claimed_at": now(), "seen_at": now()}
        _change(job_id, is_free, State.STARTING, message=message, **fields)
    job = Job.objects.select_related("deployment").get(pk=job_id, host=host)
    job.host = host
    if not claim_id or job.claim_id != claim_id or job.state not in Job.ON_HOST_STATES:
        raise ClaimRefused(job.state)
    return job


def start_job(job_id: int, *, values: Mapping[str, Any], at: datetime) -> bool:
    """starting → running, with all slots filled. ``at``: by the dashboard's clock."""
    job = Job.objects.select_related("host").only("host", "values", "host__name").get(pk=job_id)
    return _change(
        job_id,
        Q(state=State.STARTING),
        State.RUNNING,
        message=Message("job:running", {"host": job.host.name}),
        values={**job.values, **values},
        started_at=at,
    )


def finish_job(
    job_id: int, state: str, *, message: Message, duration_s: float | None = None
) -> bool:
    """Close an active job; False if already closed: the first verdict stands. Queued jobs that
    depend on an unsuccessful one are cancelled too."""
    still_open = Q(state__in=Job.OPEN_STATES)
    return _close(job_id, still_open, state, message=message, duration_s=duration_s)


def finish_queued_job(job_id: int, state: str, *, message: Message) -> bool:
    """Close a job that is still queued: one sent meanwhile has its resources."""
    return _close(job_id, Q(state=State.QUEUED), state, message=message)


def finish_unclaimed_job(job_id: int, state: str, *, message: Message) -> bool:
    return _close(job_id, Q(state=State.STARTING, claim_id=""), state, message=message)


def ask_cancel(job_id: int, user: AbstractBaseUser | None) -> bool:
    """Cancel a job, at once if no host has it, else by its host. False: already closed."""
    by = {"cancel_asked_at": now(), "cancelled_by_id": user.pk if user else None}
    name = {"user": user.get_username() if user else "manage.py"}
    unclaimed = Q(state=State.QUEUED) | Q(state=State.STARTING, claim_id="")
    message = Message("job:cancelled_in_queue", name)
    with transaction.atomic():
        if _close(job_id, unclaimed, State.CANCELLED, message=message, **by):
            return True
        on_host = Job.objects.filter(pk=job_id, state__in=Job.ON_HOST_STATES)
        if on_host.filter(cancel_asked_at=None).update(**by):
            notifications.notify("job", id=job_id)
        return on_host.exists()


def _close(job_id: int, which: Q, state: str, *, message: Message, **fields: Any) -> bool:
    if state in Job.OPEN_STATES:
        raise ValueError(f"{state} does not finish a job")
    with transaction.atomic():
        if not _change(job_id, which, state, message=message, finished_at=now(), **fields):
            return False
        deployments.follow_job(job_id, state)
        if state != State.SUCCEEDED:
            _cancel_successors(job_id, state)
    return True


def cancel_orphans() -> int:
    """Cancel queued jobs whose predecessor did not succeed; return the count. :func:`finish_job`
    does so too, except for a job launched at the same moment."""
    closed = [state for state in State if state not in (*Job.OPEN_STATES, State.SUCCEEDED)]
    orphans = Job.objects.filter(
        state=State.QUEUED, after__state__in=closed, after__product__isnull=False
    )
    pairs = list(orphans.values_list("after", "after__state").distinct())
    for predecessor, state in pairs:
        with transaction.atomic():
            _cancel_successors(predecessor, state)
    return len(pairs)


def _cancel_successors(job_id: int, state: str) -> None:
    message = Message("job:predecessor", {"job": job_id, "state": state})
    behind = waiting = _waiting_after([job_id])
    all_waiting = set[int]()
    while behind:
        all_waiting.update(behind)
        behind = [pk for pk in _waiting_after(behind) if pk not in all_waiting]
    if len(all_waiting) > 1:
        lock_waiting(all_waiting)
    for successor in waiting:
        finish_queued_job(successor, State.CANCELLED, message=message)


def _waiting_after(ids: Sequence[int]) -> list[int]:
    """Queued jobs that directly depend on the product of one of these."""
    makers = Job.objects.filter(pk__in=ids).exclude(product__isnull=True)
    after = Job.objects.filter(after__in=makers, state=State.QUEUED).order_by("pk").distinct()
    return list(after.values_list("pk", flat=True))


def _change(job_id: int, which: Q, state: str, *, message: Message, **fields: Any) -> bool:
    with transaction.atomic():
        changed = Job.objects.filter(which, pk=job_id).update(
            state=state,
            message_id=message.id,
            message_args=sanitize(dict(message.args)),  # some contain tool output
            **fields,
        )
        if changed:
            notifications.notify("job", id=job_id, state=state)
    return changed == 1
