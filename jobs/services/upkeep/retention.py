"""Retention: removal of old logs, output files and points, by age and total size.

What was found stays for good: the row with its plan, steps, verdict, sizes and checksums, and its
result with every number. A removal is written into the row before the first file goes, so that no
page shows half of a log; ``kept_bytes`` is None until the last file has gone, and the next round
goes on with what a killed one left. Nothing is harmed by two rounds at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.timezone import now

from jobs import logstore, notifications
from jobs.errors import DamagedLog
from jobs.models import Deployment, Instance, Job, PointBlock, Turn
from jobs.models.kept import Kept
from jobs.queries.instance import instance_id
from jobs.queries.storage import (
    Bulk,
    count,
    limits,
    may_be_removed,
    oldest,
    removable_deployments,
    removable_jobs,
)
from jobs.services.outputs import outputs_folder

ROUND_S = 300.0
# A round ends after so long, wherever it is; the next one goes on.
LONGEST_S = 60.0
_BATCH = 200
_BLOCKS = 500  # of points, deleted in one statement: others write between two
log = logging.getLogger(__name__)


def its_my_round(moment: datetime | None = None) -> bool:
    """Return True for one caller per round."""
    moment = moment or now()
    instance_id()  # the row is there
    due = Q(tidied_at=None) | Q(tidied_at__lt=moment - timedelta(seconds=ROUND_S * 0.8))
    due |= Q(tidied_at__gt=moment + timedelta(seconds=ROUND_S))  # the clock was put back
    return Instance.objects.filter(due).update(tidied_at=moment) > 0


def tidy(moment: datetime | None = None, *, longest_s: float = LONGEST_S) -> int:
    """Run one round; return the number of records with removals."""
    moment, ends_at = moment or now(), time.monotonic() + longest_s
    _settle(ends_at - longest_s / 2)
    removed = _remove_old(moment, ends_at) + _remove_over(moment, ends_at)
    aside = folder_bytes(Path(settings.DATA_DIR, "logs", "aside"))
    instance_id()  # the row is there
    Instance.objects.update(storage=count(moment, aside=aside).to_json())
    return removed


def remove_now(job_id: int, user: AbstractBaseUser) -> bool:
    """Remove a job's log, files and points on request. Irreversible.

    False: running, kept, its server is in use, or nothing is left.
    """
    measure_job(job_id)
    return _remove_job(
        may_be_removed(now()), job_id, Kept.Why.PERSON, {"user": user.get_username()}
    )


def folder_bytes(folder: Path) -> int:
    """What the files in a folder take, those in folders of it too; 0 where there is none."""
    sizes = 0
    for root, _folders, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # it may go while we look
                sizes += Path(root, name).lstat().st_size
    return sizes


def measure_job(job_id: int) -> None:
    """Write down what lies here of a job that is over."""

    def measure() -> int:
        files = folder_bytes(outputs_folder(job_id))
        return files + logstore.store().disk_bytes(f"job/{job_id}")

    rows = Job.objects.filter(pk=job_id, finished_at__isnull=False, removed_at=None)
    _keep_size(rows, measure, more=F("points_bytes"))


def _keep_size(rows: QuerySet[Any], measure: Callable[[], int], *, more: Any = 0) -> None:
    """Write down what was measured; not what has changed meanwhile: a log that was packed, or had
    its end at that moment, is measured at the next round."""
    size = measure()
    rows.update(kept_bytes=size + more)
    if measure() != size:
        rows.update(kept_bytes=None)


def _settle(ends_at: float) -> None:
    """Finish what was begun, and measure what is over and was not measured yet."""
    jobs = Job.objects.filter(kept_bytes=None, finished_at__isnull=False)
    for pk, removed_at in _each(jobs, ends_at):
        if removed_at is None:
            measure_job(pk)
        else:
            _erase_job(pk)
    servers = Deployment.objects.filter(kept_bytes=None, state__in=Deployment.ENDED_STATES)
    for pk, removed_at in _each(servers, ends_at):
        if removed_at is None:
            rows = Deployment.objects.filter(
                pk=pk, removed_at=None, state__in=Deployment.ENDED_STATES
            )
            _keep_size(rows, partial(logstore.store().disk_bytes, f"deployment/{pk}"))
        else:
            _erase_deployment(pk)
    turns = Turn.objects.filter(kept_bytes=None).exclude(state=Turn.State.STREAMING)
    for (pk,) in _each(turns, ends_at, marks=()):
        turn = Turn.objects.filter(pk=pk)
        _keep_size(turn, partial(logstore.store().disk_bytes, f"turn/{pk}"))


def _each(
    rows: QuerySet[Any], ends_at: float, *, marks: tuple[str, ...] = ("removed_at",)
) -> Iterator[tuple[Any, ...]]:
    """Every row in the order of numbers, while there is time: one that fails holds up no other."""
    last = 0
    while time.monotonic() < ends_at:
        found = list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", *marks)[:_BATCH])
        if not found:
            return
        for row in found:
            if time.monotonic() >= ends_at:
                return
            yield row
        last = found[-1][0]


def _remove_old(moment: datetime, ends_at: float) -> int:
    keep_for, removed = limits().keep_for, 0
    if keep_for is None:
        return 0
    args = {"keep_for_s": keep_for.total_seconds()}
    for bulk in _oldest(moment, ends_at):
        if bulk.ended_at > moment - keep_for:
            break
        removed += _remove(bulk, moment, Kept.Why.AGE, args)
    return removed


def _remove_over(moment: datetime, ends_at: float) -> int:
    limit, removed = limits().keep_within_bytes, 0
    if limit is None:
        return 0
    over = count(moment, aside=0).within - limit
    for bulk in _oldest(moment, ends_at) if over > 0 else ():
        if _remove(bulk, moment, Kept.Why.SIZE, {"keep_within_bytes": limit}):
            removed, over = removed + 1, over - bulk.bytes
        if over <= 0:
            break
    return removed


def _oldest(moment: datetime, ends_at: float) -> Iterator[Bulk]:
    """What may be removed, each once, what ended first coming first, while there is time.

    What has been removed meanwhile comes no more. What has not (it was pinned at that very moment,
    or the disk does not let it go) stands before all others from then on.
    """
    seen, stuck = set[Bulk](), 0
    while time.monotonic() < ends_at:
        found = oldest(moment, _BATCH + stuck)
        fresh = [bulk for bulk in found if bulk not in seen]
        if len(found) < _BATCH + stuck and not fresh:
            return
        stuck = len(found) - len(fresh)
        for bulk in fresh:
            if time.monotonic() >= ends_at:
                return
            seen.add(bulk)
            yield bulk


def _remove(bulk: Bulk, moment: datetime, why: str, args: dict[str, Any]) -> bool:
    if bulk.sort == "job":
        return _remove_job(removable_jobs(moment), bulk.id, why, args)
    if bulk.sort == "deployment":
        rows = removable_deployments(moment).filter(pk=bulk.id)
        return _mark(rows, f"deployment/{bulk.id}", why, args) and _erase_deployment(bulk.id)
    return _erased(f"turn/{bulk.id}") and Turn.objects.filter(pk=bulk.id).update(kept_bytes=0) > 0


def _remove_job(rows: QuerySet[Job], job_id: int, why: str, args: dict[str, Any]) -> bool:
    return _mark(rows.filter(pk=job_id), f"job/{job_id}", why, args) and _erase_job(job_id)


def _mark(rows: QuerySet[Any], key: str, why: str, args: dict[str, Any]) -> bool:
    """Write the removal down: who pins it or starts it at this moment comes first or too late.

    From now on ``log_bytes`` is where the log's host goes on, see ``jobs.services.intake.intake``.
    """
    with transaction.atomic():
        row = rows.select_for_update(of=("self",)).first()
        if row is None:
            return False
        type(row)._default_manager.filter(pk=row.pk).update(
            removed_at=now(),
            removed_why=why,
            removed_args=args,
            removed_bytes=row.kept_bytes,
            kept_bytes=None,
            log_bytes=max(row.log_bytes, _log_size(key)),
        )
    return True


def _log_size(key: str) -> int:
    """Bytes that have arrived; 0 of what can be read no more, which is no reason to keep it."""
    try:
        return logstore.store().size(key)
    except (DamagedLog, OSError) as error:
        log.warning("how long the log %s was is not known: %s", key, error)
        return 0


def _erase_job(job_id: int) -> bool:
    """Delete what a removed job has left here; True when nothing is left. Twice is safe."""
    if not _erased(f"job/{job_id}", outputs_folder(job_id)):
        return False
    blocks = PointBlock.objects.filter(job=job_id).order_by("pk").values_list("pk", flat=True)
    while some := list(blocks[:_BLOCKS]):
        PointBlock.objects.filter(pk__in=some).delete()
    Job.objects.filter(pk=job_id, removed_at__isnull=False).update(kept_bytes=0)
    notifications.publish("job", id=job_id)
    return True


def _erase_deployment(deployment_id: int) -> bool:
    """The same for a server's log. One that was started again meanwhile keeps its own."""
    rows = Deployment.objects.filter(pk=deployment_id, removed_at__isnull=False)
    if not rows.exists() or not _erased(f"deployment/{deployment_id}"):
        return False
    rows.update(kept_bytes=0)
    notifications.publish("deployment", id=deployment_id)
    return True


def _erased(key: str, folder: Path | None = None) -> bool:
    """Delete files; False: the disk does not let them go, which the next round tries again."""
    try:
        logstore.store().remove(key)
        if folder is not None and folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        log.error("what is kept of %s cannot be removed: %s", key, error)
        return False
    return True
