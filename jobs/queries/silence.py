"""Jobs that run and say nothing new: a download that stalls, a server that hangs. Not dead ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils.timezone import now

from jobs import logstore
from jobs.models import Job


def last_arrival(key: str) -> datetime | None:
    """When the last bytes of a log came; None for an empty one."""
    store = logstore.store()
    size = store.size(key)
    found = store.arrivals(key, size, size, limit=1) if size else []
    return datetime.fromtimestamp(found[-1][1] / 1000, UTC) if found else None


def silent_since(job: Job, moment: datetime | None = None) -> datetime | None:
    """Since when a running job has told nothing new; None within ``settings.SILENT_AFTER_S`` of it.

    Where it tells figures, these count: a tool may draw the same bar again and again.
    """
    if job.state != Job.State.RUNNING or job.started_at is None:
        return None
    since = (job.progress or {}).get("since")
    if since:
        heard = datetime.fromtimestamp(since, UTC)
    else:
        heard = last_arrival(f"job/{job.pk}") or job.started_at
    is_silent = (moment or now()) - heard > timedelta(seconds=settings.SILENT_AFTER_S)
    return heard if is_silent else None
