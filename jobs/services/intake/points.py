"""Intake of scraped points: a job's are kept, a deployment's for a day; live counts.

``Job.scores`` has the live counts of an evaluation, ``{part: counts}`` with the whole under "": the
six counts of a point; ``since`` and ``at``, the first and last time of an answer or error (seconds
since the epoch, the host's clock); and ``base``, the questions asked at ``since``. A pace is
``(answered + errors - base) / (at - since)``.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction

from jobs import notifications
from jobs.base.errors import OffsetMismatch
from jobs.models import Deployment, Job, PointBlock, ServedBlock
from jobs.plans import ACCURACY
from jobs.protocol import BadMessage, Rows, parse_points
from jobs.services.intake import limits

KEPT = timedelta(days=1)
# A server is scraped every few seconds: a block is filled before the next begins.
BLOCK_ROWS = 60
COUNTS = ("answered", "scored", "right", "cut", "errors", "total")
MOST_PARTS = 500
_MOST = 1e9


def append_points(owner: Job | Deployment, *, offset: int, data: bytes) -> int:
    """Append the complete lines of ``data``; return the new size. Raises ``BadMessage``: a point
    breaks the protocol. None is taken, and the host sends no more; ``LimitReached, DiskReserved``:
    no more is stored, or not now (:mod:`limits`); ``OffsetMismatch``: the points do not end at
    ``offset``."""
    limits.check_disk()
    limits.check_host(owner.host_id)
    if isinstance(owner, Deployment):
        return _append_to_deployment(owner, offset, data)
    try:
        return _append_to_job(owner, offset, data)
    except BadMessage:
        # The verdict does not wait for them, and the job's page says so.
        Job.objects.filter(pk=owner.pk).update(points_refused=True)
        raise


def forget_old_points(moment: datetime) -> None:
    ServedBlock.objects.filter(until__lt=moment - KEPT).delete()


def _append_to_job(job: Job, offset: int, data: bytes) -> int:
    whole = data[: data.rfind(b"\n") + 1]
    rows = parse_points(whole)
    with transaction.atomic():
        row = Job.objects.select_for_update().get(pk=job.pk)
        if row.points_bytes != offset:
            raise OffsetMismatch(row.points_bytes)
        if row.removed_at is None and limits.keeps_points(row):
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
            transaction.on_commit(partial(notifications.notify, "points", job=job.pk))
    return offset + len(whole)


def _append_to_deployment(deployment: Deployment, offset: int, data: bytes) -> int:
    # Zero bytes are disk space freed by the host: see jobs.host.run.scraper.
    whole = data[: max(data.rfind(b"\n"), data.rfind(b"\0")) + 1]
    rows = parse_points(whole.replace(b"\0", b""))
    with transaction.atomic():
        deployments = Deployment.objects.select_for_update(of=("self",)).select_related("host")
        row = deployments.get(pk=deployment.pk)
        if row.points_bytes != offset:
            raise OffsetMismatch(row.points_bytes)
        for watch, block in rows.items():
            _add_to_blocks(row, watch, block)
        size = offset + len(whole)
        Deployment.objects.filter(pk=deployment.pk).update(points_bytes=size)
        if rows:
            transaction.on_commit(partial(notifications.notify, "rates", id=deployment.pk))
    return size


def _add_to_blocks(deployment: Deployment, watch: str, rows: Rows) -> None:
    last = ServedBlock.objects.filter(deployment=deployment, watch=watch).last()
    if last is not None and len(last.rows) < BLOCK_ROWS:
        room = BLOCK_ROWS - len(last.rows)
        last.rows, rows = last.rows + rows[:room], rows[room:]
        last.until = _until(deployment, last.rows)
        last.save(update_fields=["rows", "until"])
    ServedBlock.objects.bulk_create(
        ServedBlock(deployment=deployment, watch=watch, rows=block, until=_until(deployment, block))
        for block in (rows[at : at + BLOCK_ROWS] for at in range(0, len(rows), BLOCK_ROWS))
    )


def _until(deployment: Deployment, rows: Rows) -> datetime:
    """The time of the last scraped row, by the dashboard's clock."""
    at = datetime.fromtimestamp(float(rows[-1][0]), tz=UTC)
    return at - timedelta(seconds=deployment.host.clock_skew_s)


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
    counts = {name: _count(values.get(name)) for name in COUNTS}
    counts["scored"] = float(int(counts["scored"]))
    counts["right"] = min(counts["right"], counts["scored"])
    return counts


def _count(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return float(min(_MOST, max(0.0, value)))
