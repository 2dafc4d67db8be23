"""Health checks of the dashboard; offline hosts do not count."""

import shutil
import time
from collections.abc import Callable
from functools import wraps
from tempfile import TemporaryFile
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.urls import reverse

from jobs.catalog import MODELS

TIMEOUT_S = 1.0
LEAST_FREE_BYTES = 200 * 1024 * 1024  # below it logs may soon stand still
# Below both, free space: people are warned before anything stops.
LOW_SHARE, LOW_BYTES = 0.05, 10_000_000_000


def _check(ask: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Make a health check of a function that returns facts or raises: ``{"ok", "ms", …}`` or
    ``{"ok", "error"}``."""

    @wraps(ask)
    def check() -> dict[str, Any]:
        began = time.perf_counter()
        try:
            facts = ask()
        except (DatabaseError, redis.RedisError, OSError) as error:
            return {"ok": False, "error": str(error)}
        return {"ok": True, **facts, "ms": round((time.perf_counter() - began) * 1e3, 2)}

    return check


@_check
def database() -> dict[str, Any]:
    """The database answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return {"engine": connection.vendor}


@_check
def broker() -> dict[str, Any]:
    """Redis or Valkey takes writes. Without it jobs start later; pages poll."""
    if not settings.REDIS_URL:
        raise redis.ConnectionError("no REDIS_URL: the dashboard is not running")
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
    ) as client:
        facts = client.info("server", "memory")
        try:
            client.set("vacc:health", 1, ex=60)
        except redis.OutOfMemoryError as error:
            name = "VALKEY_MEMORY" if settings.VALKEY_USERS_FILE else "maxmemory of your Redis"
            text = (
                f"memory is full: {facts['used_memory']} of {facts['maxmemory']} bytes are used. "
                f"Jobs start up to two seconds later. Raise {name}, then restart"
            )
            raise redis.OutOfMemoryError(text) from error
        return {"version": facts["redis_version"], "used_bytes": facts["used_memory"]}


@_check
def disk() -> dict[str, Any]:
    """``DATA_DIR`` takes writes and has room."""
    with TemporaryFile(dir=settings.DATA_DIR) as file:
        file.write(b"x")
    free = shutil.disk_usage(settings.DATA_DIR).free
    if free < LEAST_FREE_BYTES:
        raise OSError(f"only {free} bytes are free: see {reverse('storage')}")
    return {"free_bytes": free}


@_check
def catalogue() -> dict[str, Any]:
    """Files of the team's own models. An invalid file is reported and harms nothing else."""
    reading = MODELS.reading()
    unread = {problem.file: problem.reason for problem in reading.problems}
    return {"models": len(reading.models), **({"unread": unread} if unread else {})}


def all_checks() -> dict[str, dict[str, Any]]:
    return {"database": database(), "redis": broker(), "disk": disk(), "catalogue": catalogue()}


def low_disk_bytes() -> int | None:
    """Return the free bytes of the disk of ``DATA_DIR`` if they are few; None: there are enough."""
    usage = shutil.disk_usage(settings.DATA_DIR)
    is_low = usage.free < min(usage.total * LOW_SHARE, LOW_BYTES)
    return usage.free if is_low or usage.free < LEAST_FREE_BYTES else None
