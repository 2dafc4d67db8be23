"""Compression of closed logs, a bounded amount per round and at low priority. A log is packed when
its record is closed, nothing was added for ``settings.COMPRESS_LOGS_AFTER_S``, and the gain is
worth it. A job's log is *closed* only once its host has reported size and checksum. Later data,
from a lost host or a restarted server, unpacks the log."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import QuerySet
from django.utils.timezone import now

from jobs.base.errors import DISK_FULL
from jobs.base.files import locked
from jobs.logstore import store
from jobs.models import Deployment, Job, Turn

logger = logging.getLogger(__name__)

# No log is started after this time. A started one is finished: 20 GB take a minute or two.
WORK_S = 30.0
# A smaller file takes one or a few blocks of the disk either way; most logs are such.
SMALL_BYTES = 64 * 1024
ASKED_AT_ONCE = 500  # records in one query
# A tenth of what others get, where a processor is short. Not less: a thread that waits for a
# processor with Python's lock blocks the worker's other threads.
NICENESS = 10
# Disk space that stays free beside a packed log in any case.
SPARE_BYTES = 500_000_000
LEAST_PACKED = 3  # even logs of figures become this much smaller

# Unpacked logs with the time of their last write: not tried again before that changes, or in a new
# process. Their errors are in the process's own log.
_left: dict[str, int] = {}
# Records whose log gets no more data, unless their host was lost or they start again.
_CLOSED: Mapping[str, QuerySet[Any]] = {
    "job": Job.objects.exclude(state__in=Job.OPEN_STATES).exclude(log_sha256=""),
    "deployment": Deployment.objects.filter(state__in=Deployment.ENDED_STATES),
    "turn": Turn.objects.exclude(state=Turn.State.STREAMING),
}
_ENDED_AT = {"job": "finished_at", "deployment": "stopped_at"}


class _Candidate(NamedTuple):
    """A raw log unchanged for long enough; the oldest sorts first."""

    written_ns: int
    kind: str
    record_id: int

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.record_id}"


def pack_some(moment: datetime | None = None) -> int:
    """Run one round; return the number of packed logs. Does nothing while another process packs."""
    before = (moment or now()) - timedelta(seconds=settings.COMPRESS_LOGS_AFTER_S)
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    with locked(settings.DATA_DIR / "packing.lock", waits=False) as is_alone:
        if not is_alone:
            return 0
        closed = [
            (candidate, sha256)
            for kind in _CLOSED
            for candidate, sha256 in _closed(kind, before)
            if _left.get(candidate.key) != candidate.written_ns
        ]
        packed, until = 0, time.monotonic() + WORK_S
        with ThreadPoolExecutor(1, "packing", _be_humble) as humble:
            for number, (candidate, sha256) in enumerate(sorted(closed)):
                if number and time.monotonic() >= until:
                    break
                # For the packed log and for concurrent writes; smaller logs make some.
                wanted = store().size(candidate.key) / LEAST_PACKED + SPARE_BYTES
                if shutil.disk_usage(settings.DATA_DIR).free < wanted:
                    continue
                done = False
                try:
                    done = humble.submit(store().pack, candidate.key, sha256=sha256).result()
                except OSError as error:
                    logger.warning("log %s cannot be packed: %s", candidate.key, error)
                    if error.errno in DISK_FULL:
                        continue  # at the next round
                packed += done
                if done:  # have retention measure the smaller size
                    rows = _CLOSED[candidate.kind].model._default_manager
                    measured = rows.filter(pk=candidate.record_id, stored_bytes__gt=0)
                    measured.update(stored_bytes=None)
                else:
                    _left[candidate.key] = candidate.written_ns
        return packed


def _be_humble() -> None:
    """Lower the priority of this thread; on Linux, of this thread alone."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _closed(kind: str, before: datetime) -> Iterator[tuple[_Candidate, str]]:
    """Raw logs of this kind that nothing was added to since ``before`` and that are closed. Each
    comes with its expected SHA-256; "" if unknown."""
    candidates = {one.record_id: one for one in _still(kind, before)}
    numbers, closed = list(candidates), _CLOSED[kind]
    if kind in _ENDED_AT:
        closed = closed.filter(**{f"{_ENDED_AT[kind]}__lte": before})
    columns = ("log_sha256", "state", "message_id") if kind == "job" else ()
    for start in range(0, len(numbers), ASKED_AT_ONCE):
        rows = closed.filter(pk__in=numbers[start : start + ASKED_AT_ONCE])
        for row in rows.values("pk", *columns):
            is_lost = row.get("state") == Job.State.LOST
            is_known = not is_lost and row.get("message_id") != "job:log_differs"
            yield candidates[row["pk"]], row.get("log_sha256", "") if is_known else ""


def _still(kind: str, before: datetime) -> Iterator[_Candidate]:
    """Raw logs large enough and unchanged since ``before``: from the folder, without a query."""
    newest_ns = int(before.timestamp() * 1e9)
    try:
        entries = os.scandir(store().path(f"{kind}/0").parent)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            stem, _dot, suffix = entry.name.partition(".")
            if suffix == "log" and stem.isdecimal():
                stat = entry.stat()
                if stat.st_size >= SMALL_BYTES and stat.st_mtime_ns <= newest_ns:
                    yield _Candidate(stat.st_mtime_ns, kind, int(stem))
