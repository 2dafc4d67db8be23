"""Intake of streams, each append at an offset: logs, events, points; progress and live counts.

A stream grows only at its end: another offset is answered with the size (``OffsetMismatch``).
Changes by an event share the transaction of the events' new size, so a repeated chunk has no
effect. A job without news in its progress counts as stalled (``jobs.queries.jobs.progress``).

``Job.scores`` has the live counts of an evaluation, ``{part: counts}`` with the whole under "": the
six counts of a point; ``since`` and ``at``, the first and last time of an answer or error (seconds
since the epoch, the host's clock); and ``base``, the questions asked at ``since``. A pace is
``(answered + errors - base) / (at - since)``.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias, TypeGuard, TypeVar, cast

from django.core.cache import caches
from django.db import transaction
from django.db.models import QuerySet

from jobs import logstore, notifications
from jobs.base import bounds
from jobs.base.errors import DamagedLog, Incomplete, OffsetMismatch
from jobs.base.numbers import GB, MB
from jobs.confined import Busy, NotDone, Pool, Task, WorkerLimits
from jobs.host_protocol import (
    BadMessage,
    EndedEvent,
    Event,
    Rows,
    ServeStarted,
    Started,
    StepEnded,
    StepEvent,
    StepStarted,
    parse_events,
    parse_points,
)
from jobs.metrics.measured import Glance
from jobs.models import Deployment, Job, JobStep, PointBlock, ServedBlock
from jobs.plans import ACCURACY
from jobs.schedule import deployments, lifecycle
from jobs.services import outputs
from jobs.services.intake import quotas, verdicts

logger = logging.getLogger(__name__)

Owner = Job | Deployment
Events: TypeAlias = Sequence[tuple[bytes, Event | None]]  # each with its line
Close: TypeAlias = Callable[[Job, Mapping[str, Any]], object]
Taken = TypeVar("Taken")
NOTE_EVERY_S = 1.0
EVERY_S = 1.0
# Enough of a log's end: a redrawn pip bar has 0.6 kB, EvalScope's tables 8 kB.
TAIL_BYTES = 32 * 1024
REST_S = 10.0  # after a tail that exceeds the limits
DRAWN_EVERY_S = 20.0  # resolution of the last drawing time
_KEPT = 1000
# key of the log -> time of the last look (monotonic) and its size; one per process
_looked_at: dict[str, tuple[float, int]] = {}
# The host waits meanwhile: with a worker at work, a later chunk brings the progress.
_GLANCES = Pool(WorkerLimits(memory=GB, answer=MB, cpu_s=2, wall_s=5.0), most=1, patience_s=0.0)
_GLANCE = Task("jobs.readings:glance", Glance, _GLANCES)
SERVED_KEPT = timedelta(days=1)  # points of servers
# A server is scraped every few seconds: a block is filled before the next begins.
BLOCK_ROWS = 60
COUNTS = ("answered", "scored", "right", "cut", "errors", "total")
MOST_PARTS = 500
_MOST_COUNT = 1e9


def sizes(owner: Owner) -> dict[str, Any]:
    log_bytes = _log_size(owner)
    return {
        "log": log_bytes,
        "events": owner.events_bytes,
        "points": owner.points_bytes,
        "outputs": outputs.received(owner) if isinstance(owner, Job) else {},
        "log_chunk": bounds.CHUNK_BYTES,  # hosts receive the limit, because older ones send less
    }


def append_log(owner: Owner, *, offset: int, data: bytes) -> int:
    """Append to the log; return the new size. Raises ``OffsetMismatch``: the log does not end at
    ``offset``; ``LimitReached, DiskReserved``: no more is stored, or not now (:mod:`quotas`)."""
    quotas.check_disk()
    quotas.check_log(owner.host_id, offset + len(data))
    if not owner.is_open:
        return _append_late(owner, offset, data)
    key = owner.log_key
    size = _append(key, offset, data)
    # Once a second: a transaction costs as much as the append. The file has the exact size, and the
    # verdict stores it finally.
    if caches["process"].add(f"noted:{key}", True, NOTE_EVERY_S):
        type(owner)._default_manager.filter(pk=owner.pk, log_bytes__lt=size).update(log_bytes=size)
    notifications.notify("log", key=key, size=size)
    note_progress(owner, size)
    return size


def _log_size(owner: Owner) -> int:
    """The received size of a log; for a removed log, from the row."""
    if owner.removed_at is not None:
        return owner.log_bytes
    try:
        return _readable(owner.log_key, partial(logstore.store().size, owner.log_key))
    except OffsetMismatch as begins_anew:
        return begins_anew.size


def _append(key: str, offset: int, data: bytes) -> int:
    return _readable(key, partial(logstore.store().append, key, offset, data))


def _readable(key: str, read: Callable[[], Taken]) -> Taken:
    """What ``read`` returns. A corrupt packed log is set aside, because its host still has it.
    Raises ``OffsetMismatch``: as ``read``, or because it has to be sent from its beginning."""
    try:
        return read()
    except DamagedLog as damaged:
        logger.error("%s; it is in %s now", damaged, logstore.store().set_aside(key))
        raise OffsetMismatch(0) from damaged


def _append_late(owner: Owner, offset: int, data: bytes) -> int:
    """Append to the log of an ended job or server whose lost host is back. The row is locked: data
    for a log removed meanwhile is counted but not stored, so that the host can finish."""
    rows, key = type(owner)._default_manager, owner.log_key
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


def append_events(owner: Owner, *, offset: int, data: bytes) -> int:
    """Apply the complete lines of ``data`` in order; return the new size. Raises ``BadMessage``:
    none is taken; ``OffsetMismatch``; ``Incomplete``: those before ``ended`` are taken."""
    events = events_of(data)
    if isinstance(owner, Deployment):
        return _deployment_events(owner, offset, events)
    for number, (_line, event) in enumerate(events):
        if isinstance(event, EndedEvent):
            return _end_of_job(owner, offset, events, number)
    return apply_to_job(owner, offset, events)


def events_of(data: bytes) -> Events:
    """The events in the complete lines of ``data``. Raises ``BadMessage``."""
    lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
    return list(zip(lines, parse_events(lines), strict=True))


def _end_of_job(job: Job, offset: int, events: Events, number: int) -> int:
    try:
        log_sha256 = verdicts.check_whole(job, cast("EndedEvent", events[number][1]).model_dump())
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
    """Apply events to a job; return their new size. ``close``: what to do at its end. Raises
    ``OffsetMismatch``: the events do not end at ``offset``."""
    with transaction.atomic():
        rows = Job.objects.select_for_update(of=("self",)).select_related("host")
        if close is None:
            rows = rows.only("host", "events_bytes", "host__clock_skew_s")
        row = rows.get(pk=job.pk)
        if row.events_bytes != offset:
            raise OffsetMismatch(row.events_bytes)
        for _line, event in events:
            if event is not None:
                _apply_to_job(row, event, close)
        size = offset + sum(len(line) for line, _event in events)
        Job.objects.filter(pk=job.pk).update(events_bytes=size)
        notifications.notify("job", id=job.pk)
    return size


def _apply_to_job(job: Job, event: Event, close: Close | None) -> None:
    match event:
        case Started():
            lifecycle.start_job(job.pk, values=event.values, at=_moment(job, event))
        case StepEnded():
            _step(job, event).update(
                duration_s=event.duration_s, exit_code=event.exit_code, log_to=event.log_offset
            )
        case StepStarted():
            _step(job, event).update(started_at=_moment(job, event), log_from=event.log_offset)
            Job.objects.filter(pk=job.pk).update(progress=None)  # it was that of the step before
        case ServeStarted():
            deployment = Deployment.objects.select_related("host", "job").filter(job=job).first()
            if deployment is not None:
                port = deployment.job.values.get("port")
                deployments.note_started(deployment, run=event.run, port=port)
        case EndedEvent() if close is not None:
            job.refresh_from_db()
            close(job, event.model_dump())


def _step(job: Job, event: StepEvent) -> QuerySet[JobStep]:
    return JobStep.objects.filter(job=job, index=event.index)


def _moment(job: Job, event: Event) -> datetime:
    """The event's time by the dashboard's clock."""
    return datetime.fromtimestamp(event.at - job.host.clock_skew_s, tz=UTC)


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
            if isinstance(event, EndedEvent) and log_bytes < event.log_bytes:
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
    """The cause of the server's end; None if running or successful."""
    log_from = deployment.log_from
    for _line, event in events:
        if _is_first_step(event):
            log_from = event.log_offset
        if not isinstance(event, EndedEvent) or event.run != deployment.run:
            continue
        if event.verdict == "failed" and log_bytes >= event.log_bytes:
            return verdicts.cause_of_server(deployment, log_from, event)
    return None


def _apply_to_deployment(deployment_id: int, event: Event, cause: Mapping[str, Any] | None) -> None:
    deployment = Deployment.objects.select_related("host", "job").get(pk=deployment_id)
    if isinstance(event, Started):
        deployments.note_started(deployment, run=event.run, port=event.values.get("port"))
    elif _is_first_step(event):
        begins = {"log_from": event.log_offset, "progress": None}
        Deployment.objects.filter(pk=deployment_id).update(**begins)
    elif isinstance(event, EndedEvent):
        deployments.note_ended(deployment, event.model_dump(), cause)


def _is_first_step(event: Event | None) -> TypeGuard[StepStarted]:
    return isinstance(event, StepStarted) and event.index == 0


def note_progress(owner: Owner, size: int) -> None:
    """Read the end of the owner's log, at most once a second. ``since``: last change of the figures
    (seconds since the epoch); ``drawn``: when the log last had figures or a bar."""
    key, moment = owner.log_key, time.monotonic()
    last, previous_size = _looked_at.get(key, (-EVERY_S, 0))
    if moment - last < EVERY_S:
        return
    if len(_looked_at) > _KEPT:
        _looked_at.clear()
    _looked_at[key] = (moment, previous_size)
    if isinstance(owner, Deployment):
        topic, kind, begin = "deployment", owner.job.kind, owner.log_from
        working: QuerySet[Any] = Deployment.objects.filter(state=Deployment.State.LOADING)
    else:
        begun = owner.steps.filter(log_from__isnull=False).order_by("-index").first()
        topic, kind, begin = "job", owner.kind, (begun and begun.log_from) or 0
        working = Job.objects.filter(state__in=Job.ON_HOST_STATES)
    start = max(begin, size - TAIL_BYTES)
    try:
        seen = _GLANCE(kind, logstore.store().read(key, start, size), previous_size - start)
    except NotDone as error:
        if not isinstance(error, Busy):
            logger.warning("no progress is read from %s for %g s: %s", key, REST_S, error)
            _looked_at[key] = (moment + REST_S, size)
        return
    _looked_at[key] = (moment, size)
    if seen.figures is None:
        return
    now, known = round(time.time(), 1), owner.progress or {}
    if not seen.figures.items() <= known.items():
        progress = {**seen.figures, "since": now, "drawn": now}
        if working.filter(pk=owner.pk).update(progress=progress):
            notifications.notify(topic, id=owner.pk, state=owner.state)
    elif now - known.get("drawn", 0) >= DRAWN_EVERY_S and seen.has_drawn:
        working.filter(pk=owner.pk).update(progress={**known, "drawn": now})


def append_points(owner: Owner, *, offset: int, data: bytes) -> int:
    """Append the complete lines of ``data``; return the new size. Raises ``BadMessage``: none is
    taken, and the host sends no more; ``LimitReached, DiskReserved, OffsetMismatch``."""
    quotas.check_disk()
    quotas.check_host(owner.host_id)
    if isinstance(owner, Deployment):
        return _append_to_deployment(owner, offset, data)
    try:
        return _append_to_job(owner, offset, data)
    except BadMessage:
        # The verdict does not wait for them, and the job's page says so.
        Job.objects.filter(pk=owner.pk).update(points_refused=True)
        raise


def _append_to_job(job: Job, offset: int, data: bytes) -> int:
    whole = data[: data.rfind(b"\n") + 1]
    rows = parse_points(whole)
    with transaction.atomic():
        row = Job.objects.select_for_update().get(pk=job.pk)
        if row.points_bytes != offset:
            raise OffsetMismatch(row.points_bytes)
        if row.removed_at is None and quotas.keeps_points(row):
            PointBlock.objects.bulk_create(
                PointBlock(job=job, offset=offset, watch=watch, rows=block)
                for watch, block in rows.items()
            )
        changes: dict[str, Any] = {"points_bytes": offset + len(whole)}
        scores = with_points(row.scores, rows)
        if scores is not None:
            changes["scores"] = scores
        if row.removed_at is None and row.stored_bytes is not None:
            changes["stored_bytes"] = None  # to be measured again
        Job.objects.filter(pk=job.pk).update(**changes)
        if rows:
            notifications.notify("points", job=job.pk)
    return offset + len(whole)


def _append_to_deployment(deployment: Deployment, offset: int, data: bytes) -> int:
    # Zero bytes are disk space freed by the host: see jobs.host.run.scraper.
    whole = data[: max(data.rfind(b"\n"), data.rfind(b"\0")) + 1]
    rows = parse_points(whole.replace(b"\0", b""))
    with transaction.atomic():
        locked = Deployment.objects.select_for_update(of=("self",)).select_related("host")
        row = locked.get(pk=deployment.pk)
        if row.points_bytes != offset:
            raise OffsetMismatch(row.points_bytes)
        for watch, block in rows.items():
            _add_to_blocks(row, watch, block)
        size = offset + len(whole)
        Deployment.objects.filter(pk=deployment.pk).update(points_bytes=size)
        if rows:
            notifications.notify("rates", id=deployment.pk)
    return size


def _add_to_blocks(deployment: Deployment, watch: str, rows: Rows) -> None:
    def until(block: Rows) -> datetime:
        """The time of the last scraped row, by the dashboard's clock."""
        return datetime.fromtimestamp(float(block[-1][0]) - deployment.host.clock_skew_s, tz=UTC)

    last = ServedBlock.objects.filter(deployment=deployment, watch=watch).last()
    if last is not None and len(last.rows) < BLOCK_ROWS:
        room = BLOCK_ROWS - len(last.rows)
        last.rows, rows = last.rows + rows[:room], rows[room:]
        last.until = until(last.rows)
        last.save(update_fields=["rows", "until"])
    ServedBlock.objects.bulk_create(
        ServedBlock(deployment=deployment, watch=watch, rows=block, until=until(block))
        for block in (rows[at : at + BLOCK_ROWS] for at in range(0, len(rows), BLOCK_ROWS))
    )


def with_points(
    known: Mapping[str, Any] | None, points: Mapping[str, Sequence[Sequence[Any]]]
) -> dict[str, Any] | None:
    """Scores after ``points`` (watch -> rows ``[t, values]``); None without scores."""
    scores: dict[str, Any] | None = None
    for watch, rows in points.items():
        name, _slash, part = watch.partition("/")
        if name != ACCURACY:
            continue
        scores = dict(known or {}) if scores is None else scores
        if part in scores or len(scores) < MOST_PARTS:
            at, counts = float(rows[-1][0]), counts_of(rows[-1][1])
            begun = {"since": at, "base": counts["answered"] + counts["errors"]}
            before = scores.get(part) or {}
            if before.get("answered") or before.get("errors"):
                begun = {name: before[name] for name in begun}
            scores[part] = {**counts, **begun, "at": at}
    return scores


def counts_of(values: Mapping[str, Any]) -> dict[str, float]:
    """Clamp the counts of a point to valid values, because hosts are untrusted."""
    counts = {}
    for name in COUNTS:
        value = values.get(name)
        if not isinstance(value, int | float) or not math.isfinite(value):
            value = 0.0
        counts[name] = float(min(_MOST_COUNT, max(0.0, value)))
    counts["scored"] = float(int(counts["scored"]))
    counts["right"] = min(counts["right"], counts["scored"])
    return counts


def forget_old_points(moment: datetime) -> None:
    ServedBlock.objects.filter(until__lt=moment - SERVED_KEPT).delete()
