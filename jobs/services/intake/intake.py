"""Intake of logs and events (points: ``points``). Each append is at an offset.

A stream grows only at its end: another offset is answered with the size (``OffsetMismatch``).
Changes by an event share the transaction of the events' new size, so a repeated chunk has no
effect.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias, TypeGuard, TypeVar, cast

from django.core.cache import caches
from django.db import transaction
from django.db.models import QuerySet

from jobs import logstore, notifications
from jobs.base import bounds
from jobs.base.errors import DamagedLog, Incomplete, OffsetMismatch
from jobs.models import Deployment, Job, JobStep
from jobs.protocol import (
    Ended,
    Event,
    ServeStarted,
    Started,
    StepEnded,
    StepEvent,
    StepStarted,
    parse_events,
)
from jobs.schedule import deployments, lifecycle
from jobs.services import outputs
from jobs.services.intake import limits, progress, verdicts

logger = logging.getLogger(__name__)

Owner = Job | Deployment
Events: TypeAlias = Sequence[tuple[bytes, Event | None]]  # each with its line
Close: TypeAlias = Callable[[Job, Mapping[str, Any]], object]
Taken = TypeVar("Taken")
NOTE_EVERY_S = 1.0


def log_key(owner: Owner) -> str:
    """Return the owner's key in the log store."""
    return f"job/{owner.pk}" if isinstance(owner, Job) else f"deployment/{owner.pk}"


def sizes(owner: Owner) -> dict[str, Any]:
    """Return received bytes per stream, and the max append of a log."""
    log_bytes = _log_size(owner)
    received = outputs.received(owner) if isinstance(owner, Job) else {}
    return {
        "log": log_bytes,
        "events": owner.events_bytes,
        "points": owner.points_bytes,
        "outputs": received,
        "log_chunk": bounds.CHUNK_BYTES,  # hosts receive the limit, because older ones send less
    }


def append_log(owner: Owner, *, offset: int, data: bytes) -> int:
    """Append to the log; return the new size.

    Raises:
        OffsetMismatch: the log does not end at ``offset``.
        LimitReached, DiskReserved: no more is stored, or not now (:mod:`limits`).
    """
    limits.check_disk()
    limits.check_log(owner.host_id, offset + len(data))
    if not owner.is_open:
        return _append_late(owner, offset, data)
    key = log_key(owner)
    size = _append(key, offset, data)
    _note_size(owner, key, size)
    notifications.notify("log", key=key, size=size)
    progress.update(owner, size)
    return size


def _log_size(owner: Owner) -> int:
    """Return the received size of a log; for a removed log, from the row."""
    if owner.removed_at is not None:
        return owner.log_bytes
    key = log_key(owner)
    try:
        return _readable(key, partial(logstore.store().size, key))
    except OffsetMismatch as begins_anew:
        return begins_anew.size


def _append(key: str, offset: int, data: bytes) -> int:
    return _readable(key, partial(logstore.store().append, key, offset, data))


def _readable(key: str, read: Callable[[], Taken]) -> Taken:
    """Return what ``read`` returns. A corrupt packed log is set aside, because its host still has
    it.

    Raises:
        OffsetMismatch: as ``read``, or because it has to be sent from its beginning.
    """
    try:
        return read()
    except DamagedLog as damaged:
        aside = logstore.store().set_aside(key)
        logger.error("%s; it is in %s now", damaged, aside)
        raise OffsetMismatch(0) from damaged


def _append_late(owner: Owner, offset: int, data: bytes) -> int:
    """Append to the log of an ended job or server whose lost host is back.

    The log may be removed meanwhile or at this moment: the row is locked, and data for a removed
    log is counted but not stored, so that the host can finish.
    """
    rows, key = type(owner)._default_manager, log_key(owner)
    if owner.removed_at is None:
        _readable(key, partial(logstore.store().unpack, key, offset))
    with transaction.atomic():
        row = rows.select_for_update(of=("self",)).get(pk=owner.pk)
        if row.removed_at is None:
            size = _append(key, offset, data)
            changes = {"log_bytes": max(row.log_bytes, size), "stored_bytes": None}
        elif row.log_bytes != offset:
            raise OffsetMismatch(row.log_bytes)
        else:
            logstore.store().remove(key)  # unpacked during its removal
            size = offset + len(data)
            changes = {"log_bytes": size, "removed_bytes": row.removed_bytes + len(data)}
        rows.filter(pk=owner.pk).update(**changes)
    notifications.notify("log", key=key, size=size)
    return size


def _note_size(owner: Owner, key: str, size: int) -> None:
    """Store the log's size, once a second: a transaction costs as much as the append.

    The file has the exact size, and the verdict stores it finally.
    """
    if caches["process"].add(f"noted:{key}", True, NOTE_EVERY_S):
        type(owner)._default_manager.filter(pk=owner.pk, log_bytes__lt=size).update(log_bytes=size)


def append_events(owner: Owner, *, offset: int, data: bytes) -> int:
    """Apply the complete lines of ``data`` in order; return the new size.

    Raises:
        BadMessage: an event breaks the protocol. No event is taken.
        OffsetMismatch: the events do not end at ``offset``.
        Incomplete: an ``ended`` event came too early. The events before it are taken.
    """
    events = events_of(data)
    return (
        _job_events(owner, offset, events)
        if isinstance(owner, Job)
        else _deployment_events(owner, offset, events)
    )


def events_of(data: bytes) -> Events:
    """Return the events in the complete lines of ``data``.

    Raises:
        BadMessage: an event breaks the protocol.
    """
    lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
    return list(zip(lines, parse_events(lines), strict=True))


def _job_events(job: Job, offset: int, events: Events) -> int:
    for number, (_line, event) in enumerate(events):
        if isinstance(event, Ended):
            return _end_of_job(job, offset, events, number)
    return apply_to_job(job, offset, events)


def _end_of_job(job: Job, offset: int, events: Events, number: int) -> int:
    """Apply events of which that with this ``number`` ends the job."""
    ended = cast("Ended", events[number][1]).model_dump()
    try:
        log_sha256 = verdicts.check_whole(job, ended)
    except Incomplete:
        apply_to_job(job, offset, events[:number])
        raise
    if not job.is_open:
        return apply_to_job(job, offset, events)
    try:
        return verdicts.close(job, offset, b"".join(line for line, _event in events), log_sha256)
    except verdicts.Unread as unread:
        close = partial(verdicts.end, state=Job.State.ERRORED, message=unread.message)
        return apply_to_job(job, offset, events, close)


def apply_to_job(job: Job, offset: int, events: Events, close: Close | None = None) -> int:
    """Apply events to a job; return their new size. ``close``: what to do at its end.

    Raises:
        OffsetMismatch: the events do not end at ``offset``.
    """
    with transaction.atomic():
        row = Job.objects.select_for_update(of=("self",)).select_related("host").get(pk=job.pk)
        if row.events_bytes != offset:
            raise OffsetMismatch(row.events_bytes)
        for _line, event in events:
            if event is not None:
                _apply_to_job(row, event, close)
        size = offset + sum(len(line) for line, _event in events)
        Job.objects.filter(pk=job.pk).update(events_bytes=size)
        transaction.on_commit(partial(notifications.notify, "job", id=job.pk))
    return size


def _apply_to_job(job: Job, event: Event, close: Close | None) -> None:
    match event:
        case Started():
            lifecycle.start_job(job.pk, values=event.values, at=_moment(job, event))
        case StepEnded():
            _step(job, event).update(
                duration_s=event.duration_s,
                exit_code=event.exit_code,
                log_to=event.log_offset,
            )
        case StepStarted():
            _step(job, event).update(started_at=_moment(job, event), log_from=event.log_offset)
            Job.objects.filter(pk=job.pk).update(progress=None)  # it was that of the step before
        case ServeStarted():
            deployment = Deployment.objects.select_related("host", "job").filter(job=job).first()
            if deployment is not None:
                port = deployment.job.values.get("port")
                deployments.note_started(deployment, run=event.run, port=port)
        case Ended() if close is not None:
            job.refresh_from_db()
            close(job, event.model_dump())


def _step(job: Job, event: StepEvent) -> QuerySet[JobStep]:
    return JobStep.objects.filter(job=job, index=event.index)


def _deployment_events(deployment: Deployment, offset: int, events: Events) -> int:
    size, incomplete = offset, None
    log_bytes = _log_size(deployment)
    # Reading a log may take seconds; no lock is held meanwhile.
    cause = _cause_of(deployment, events, log_bytes)
    with transaction.atomic():
        row = Deployment.objects.select_for_update().get(pk=deployment.pk)
        if row.events_bytes != offset:
            raise OffsetMismatch(row.events_bytes)
        for line, event in events:
            if isinstance(event, Ended) and log_bytes < event.log_bytes:
                incomplete = Incomplete({"log": log_bytes})
                break
            size += len(line)
            if event is not None:
                _apply_to_deployment(deployment.pk, event, cause)
        Deployment.objects.filter(pk=deployment.pk).update(events_bytes=size)
    if incomplete is not None:
        raise incomplete
    return size


def _cause_of(deployment: Deployment, events: Events, log_bytes: int) -> Mapping[str, Any] | None:
    """Return the cause of the server's end; None if running or successful."""
    log_from = deployment.log_from
    for _line, event in events:
        if _is_first_step(event):
            log_from = event.log_offset
        if not isinstance(event, Ended) or event.run != deployment.run:
            continue
        if event.verdict == "failed" and log_bytes >= event.log_bytes:
            return verdicts.cause_of_server(
                deployment,
                log_from=log_from,
                exit_code=event.exit_code,
                args=event.message_args,
            )
    return None


def _apply_to_deployment(deployment_id: int, event: Event, cause: Mapping[str, Any] | None) -> None:
    deployment = Deployment.objects.select_related("host", "job").get(pk=deployment_id)
    if isinstance(event, Started):
        port = event.values.get("port")
        deployments.note_started(deployment, run=event.run, port=port)
    elif _is_first_step(event):
        begins = {"log_from": event.log_offset, "progress": None}
        Deployment.objects.filter(pk=deployment_id).update(**begins)
    elif isinstance(event, Ended):
        deployments.note_ended(deployment, event.model_dump(), cause)


def _is_first_step(event: Event | None) -> TypeGuard[StepStarted]:
    return isinstance(event, StepStarted) and event.index == 0


def _moment(job: Job, event: Event) -> datetime:
    """Return the event's time by the dashboard's clock."""
    return datetime.fromtimestamp(event.at - job.host.clock_skew_s, tz=UTC)
