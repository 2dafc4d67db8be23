"""Retention: removal of old logs, output files and points, by age and total size; kept jobs. The
record stays: the row with its plan, steps, verdict, sizes and checksums, and its result with every
number. A removal is written into the row before the first file goes, so that no page shows half of
a log; ``stored_bytes`` is None until the last file has gone, and the next round goes on where a
killed one ended. Two rounds at once are safe."""

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils.timezone import now

from jobs import logstore, notifications
from jobs.base.errors import DamagedLog
from jobs.models import ChatShare, Deployment, Instance, Job, PointBlock, Turn
from jobs.models.jobs import Retained
from jobs.queries import storage
from jobs.queries.hosts import instance_id
from jobs.queries.storage import Bulk
from jobs.services.outputs import outputs_folder
from jobs.services.upkeep import RETENTION_S
from jobs.services.upkeep.reaper import claim_round

# A round ends after so long, wherever it is; the next one goes on.
LONGEST_S = 60.0
_BATCH = 200
_ROWS_READ = 1000  # of each index: it takes 0.1 s with 100,000 jobs
_BLOCKS = 500  # of points, deleted in one statement: others write between two
log = logging.getLogger(__name__)


def claim_run(moment: datetime | None = None) -> bool:
    return claim_round("tidied_at", RETENTION_S, moment)


def apply_retention(moment: datetime | None = None, *, longest_s: float = LONGEST_S) -> int:
    moment, ends_at = moment or now(), time.monotonic() + longest_s
    _settle(ends_at - longest_s / 2)
    removed = _remove_old(moment, ends_at) + _remove_over(moment, ends_at)
    ChatShare.objects.filter(expires_at__lte=moment).delete()
    aside = folder_bytes(Path(settings.DATA_DIR, "logs", "aside"))
    instance_id()  # the row is there
    Instance.objects.update(storage=asdict(storage.count(moment, aside=aside)))
    return removed


def remove_now(job_id: int, user: AbstractBaseUser) -> bool:
    """Irreversible. False: running, kept, its server is in use, or nothing is left."""
    measure_job(job_id)
    args = {"user": user.get_username()}
    return _remove_job(storage.may_be_removed(now()), job_id, Retained.Why.PERSON, args)


def folder_bytes(folder: Path) -> int:
    """Total size of a folder, subfolders included; 0 if missing."""
    sizes = 0
    for root, _folders, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # it may go while we look
                sizes += Path(root, name).lstat().st_size
    return sizes


def measure_job(job_id: int) -> None:
    def measure() -> int:
        return folder_bytes(outputs_folder(job_id)) + logstore.store().disk_bytes(f"job/{job_id}")

    rows = Job.objects.filter(pk=job_id, finished_at__isnull=False, removed_at=None)
    _keep_size(rows, measure, more=F("points_bytes"))


def _keep_size(rows: QuerySet[Any], measure: Callable[[], int], *, more: Any = 0) -> None:
    """A log packed or completed while it is measured is measured again in the next round."""
    size = measure()
    rows.update(stored_bytes=size + more)
    if measure() != size:
        rows.update(stored_bytes=None)


def _settle(ends_at: float) -> None:
    jobs = Job.objects.filter(stored_bytes=None, finished_at__isnull=False)
    # Removals that a killed round left come first: their bytes are on a disk that may be full.
    for pk in _each(jobs.filter(removed_at__isnull=False), ends_at):
        _erase_job(pk)
    for pk in _each(jobs.filter(removed_at=None), ends_at):
        measure_job(pk)
    ended = Deployment.objects.filter(state__in=Deployment.ENDED_STATES)
    servers, there = ended.filter(stored_bytes=None), ended.filter(removed_at=None)
    for pk in _each(servers.filter(removed_at__isnull=False), ends_at):
        _erase_deployment(pk)
    for pk in _each(servers.filter(removed_at=None), ends_at):
        _keep_size(there.filter(pk=pk), partial(logstore.store().disk_bytes, f"deployment/{pk}"))
    turns = Turn.objects.filter(stored_bytes=None).exclude(state=Turn.State.STREAMING)
    for pk in _each(turns, ends_at):
        _keep_size(Turn.objects.filter(pk=pk), partial(logstore.store().disk_bytes, f"turn/{pk}"))


def _each(rows: QuerySet[Any], ends_at: float) -> Iterator[int]:
    """Yield the id of every row, while there is time: one failure does not block others."""
    last, some = 0, rows.order_by("pk").values_list("pk", flat=True)
    while batch := list(some.filter(pk__gt=last)[:_BATCH]):
        for last in batch:
            if time.monotonic() >= ends_at:
                return
            yield last


def _remove_old(moment: datetime, ends_at: float) -> int:
    retention_age, removed = storage.limits().retention_age, 0
    if retention_age is not None:
        args = {"retention_age_s": retention_age.total_seconds()}
        for bulk in _oldest(moment, ends_at):
            if bulk.ended_at > moment - retention_age:
                break
            removed += _remove(bulk, moment, Retained.Why.AGE, args)
    return removed


def _remove_over(moment: datetime, ends_at: float) -> int:
    limit, removed = storage.limits().retention_size_bytes, 0
    if limit is not None:
        over = storage.count(moment, aside=0).within - limit
        for bulk in _oldest(moment, ends_at) if over > 0 else ():
            if _remove(bulk, moment, Retained.Why.SIZE, {"retention_size_bytes": limit}):
                removed, over = removed + 1, over - bulk.bytes
            if over <= 0:
                break
    return removed


def _oldest(moment: datetime, ends_at: float) -> Iterator[Bulk]:
    """Yield records to remove, each once, oldest end first, while there is time. Removed records
    are not repeated. Others (pinned at that moment, or a disk error) stay first from then on."""
    yielded, stuck = set[Bulk](), 0
    while time.monotonic() < ends_at:
        bulks = storage.oldest(moment, _BATCH + stuck)
        fresh = [bulk for bulk in bulks if bulk not in yielded]
        if len(bulks) < _BATCH + stuck and not fresh:
            return
        stuck = len(bulks) - len(fresh)
        for bulk in fresh:
            if time.monotonic() >= ends_at:
                return
            yielded.add(bulk)
            yield bulk


def _remove(bulk: Bulk, moment: datetime, why: str, args: dict[str, Any]) -> bool:
    if bulk.type == "job":
        return _remove_job(storage.removable_jobs(moment), bulk.id, why, args)
    if bulk.type == "deployment":
        rows = storage.removable_deployments(moment).filter(pk=bulk.id)
        return _mark(rows, f"deployment/{bulk.id}", why, args) and _erase_deployment(bulk.id)
    return _erased(f"turn/{bulk.id}") and Turn.objects.filter(pk=bulk.id).update(stored_bytes=0) > 0


def _remove_job(rows: QuerySet[Job], job_id: int, why: str, args: dict[str, Any]) -> bool:
    return _mark(rows.filter(pk=job_id), f"job/{job_id}", why, args) and _erase_job(job_id)


def _mark(rows: QuerySet[Any], key: str, why: str, args: dict[str, Any]) -> bool:
    """Record the removal: a concurrent pin or start comes either before or too late. From now on
    ``log_bytes`` is where the log's host goes on, see ``jobs.services.intake.streams``."""
    with transaction.atomic():
        row = rows.select_for_update(of=("self",)).first()
        if row is None:
            return False
        type(row)._default_manager.filter(pk=row.pk).update(
            removed_at=now(),
            removed_why=why,
            removed_args=args,
            removed_bytes=row.stored_bytes,
            stored_bytes=None,
            log_bytes=max(row.log_bytes, _log_size(key)),
        )
    return True


def _log_size(key: str) -> int:
    try:
        return logstore.store().size(key)
    except (DamagedLog, OSError) as error:
        log.warning("how long the log %s was is not known: %s", key, error)
        return 0


def _erase_job(job_id: int) -> bool:
    """Delete the files of a removed job; True if nothing is left. Safe to repeat."""
    if not _erased(f"job/{job_id}", outputs_folder(job_id)):
        return False
    blocks = PointBlock.objects.filter(job=job_id).order_by("pk").values_list("pk", flat=True)
    while some := list(blocks[:_BLOCKS]):
        PointBlock.objects.filter(pk__in=some).delete()
    Job.objects.filter(pk=job_id, removed_at__isnull=False).update(stored_bytes=0)
    notifications.notify("job", id=job_id)
    return True


def _erase_deployment(deployment_id: int) -> bool:
    """Delete a removed server's log. A server restarted meanwhile keeps its log."""
    rows = Deployment.objects.filter(pk=deployment_id, removed_at__isnull=False)
    if not rows.exists() or not _erased(f"deployment/{deployment_id}"):
        return False
    rows.update(stored_bytes=0)
    notifications.notify("deployment", id=deployment_id)
    return True


def _erased(key: str, folder: Path | None = None) -> bool:
    """Delete files; False: a disk error, retried in the next round."""
    try:
        logstore.store().remove(key)
        if folder is not None and folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        log.error("what is kept of %s cannot be removed: %s", key, error)
        return False
    return True


class Pin(NamedTuple):
    """A pinned job and who pinned it; None: nobody, or a deleted account."""

    job_id: int
    user_id: int | None


def pins_of(job_ids: Iterable[int]) -> list[Pin]:
    rows = Job.objects.filter(pk__in=job_ids, pinned_at__isnull=False)
    return [Pin(*row) for row in rows.values_list("pk", "pinned_by_id")]


def pin(job_id: int, user: AbstractBaseUser | None) -> bool:
    """Keep the files of a job and of its server. True also if already kept; the first person's name
    stays. False: log and files were already removed."""
    kept = Job.objects.filter(pk=job_id, removed_at=None)
    by = {"pinned_at": now(), "pinned_by_id": user.pk if user else None, "unpinned_at": None}
    if kept.filter(pinned_at=None).update(**by):
        notifications.notify("job", id=job_id)
        return True
    return kept.exists()


def unpin(job_id: int) -> bool:
    """Return to retention by age and size, after a day. False: it was not kept."""
    pinned = Job.objects.filter(pk=job_id, pinned_at__isnull=False)
    if not pinned.update(pinned_at=None, pinned_by=None, unpinned_at=now()):
        return False
    notifications.notify("job", id=job_id)
    return True


def count_rows() -> None:
    """Count how many rows share a value, which PostgreSQL does by itself. Without, SQLite's planner
    may walk all jobs of a host to find one group."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA analysis_limit = {_ROWS_READ}")
            cursor.execute("ANALYZE")
