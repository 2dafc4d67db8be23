"""Bounds of what is stored on the dashboard: by a job, by a host, on the disk."""

import shutil
from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.core.cache import caches
from django.db.models import F, Sum

from jobs.base.errors import JobsError
from jobs.models import Deployment, Job, OutputFile

# How long a process believes what it has measured (seconds).
_DISK_FRESH_S = 2.0
_HOST_FRESH_S = 60.0


class LimitReached(JobsError):
    """More than a host may store; sending it again will not help."""

    id = "intake:limit"

    def __init__(self, setting: str) -> None:
        limit = getattr(settings, f"{setting}_BYTES")
        super().__init__(f"more than {setting}={limit / 1e9:g}G")


class DiskReserved(JobsError):
    """The dashboard's disk has only its reserve left; a host is to send it later."""

    id = "intake:disk"


def check_disk(wanted: int = 0) -> None:
    """Raise :class:`DiskReserved` if ``wanted`` bytes would leave less than ``DISK_RESERVE``."""
    free = _fresh("free", lambda: shutil.disk_usage(settings.DATA_DIR).free, _DISK_FRESH_S)
    if free - wanted < settings.DISK_RESERVE_BYTES:
        raise DiskReserved(f"{free} bytes are free, DISK_RESERVE is {settings.DISK_RESERVE_BYTES}")


def check_log(host_id: int, size: int) -> None:
    """Raise :class:`LimitReached` if a log may not become ``size`` bytes."""
    if size > settings.JOB_LOG_LIMIT_BYTES:
        raise LimitReached("JOB_LOG_LIMIT")
    check_host(host_id)


def check_host(host_id: int) -> None:
    """Raise :class:`LimitReached` if the host has stored more than ``HOST_STORAGE_LIMIT``."""
    stored = _fresh(f"stored:{host_id}", partial(_stored_bytes, host_id), _HOST_FRESH_S)
    if stored > settings.HOST_STORAGE_LIMIT_BYTES:
        raise LimitReached("HOST_STORAGE_LIMIT")


def _fresh(name: str, measure: Callable[[], int], seconds: float) -> int:
    """What ``measure`` returned at most ``seconds`` ago in this process."""
    return int(caches["process"].get_or_set(f"intake:{name}", measure, seconds) or 0)


def _stored_bytes(host_id: int) -> int:
    """Bytes of logs, live metrics and files that a host's jobs and servers keep here."""
    total = 0
    for model in (Job, Deployment):
        rows = model._default_manager.filter(host=host_id, removed_at=None)
        total += rows.aggregate(sum=Sum(F("log_bytes") + F("points_bytes")))["sum"] or 0
    files = OutputFile.objects.filter(job__host=host_id, job__removed_at=None)
    return total + (files.aggregate(sum=Sum("received_bytes"))["sum"] or 0)


def keeps_points(job: Job) -> bool:
    """False: the job has so many live metrics that further ones are counted, not stored."""
    return job.points_bytes < settings.JOB_POINTS_LIMIT_BYTES
