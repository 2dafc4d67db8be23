"""Jobs that run and say nothing new: a download that stalls, a server that hangs. Not dead ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils.timezone import now

from jobs import logstore
from jobs.models import Job

# What comes so long after the last figures is no longer of the same bar.
_GOES_ON = timedelta(seconds=60)


def last_arrival(key: str) -> datetime | None:
    """When the last bytes of a log came; None for an empty one."""
    store = logstore.store()
    size = store.size(key)
    found = store.arrivals(key, size, size, limit=1) if size else []
    return datetime.fromtimestamp(found[-1][1] / 1000, UTC) if found else None


def silent_since(job: Job, moment: datetime | None = None) -> datetime | None:
    """Since when a running job has told nothing new; None within ``settings.SILENT_AFTER_S`` of it.

    While it tells figures, these count: a tool may draw the same bar again and again. They do no
    more once the log goes on without them.
    """
    if job.state != Job.State.RUNNING or job.started_at is None:
        return None
    moment, long = moment or now(), timedelta(seconds=settings.SILENT_AFTER_S)
    figures = job.progress or {}
    since = figures.get("since")
    heard = datetime.fromtimestamp(since, UTC) if since else job.started_at
    # The log is looked at only where the figures are no answer: this is asked of every running job.
    if not since or moment - heard > long:
        arrived = last_arrival(f"job/{job.pk}")
        drawn = datetime.fromtimestamp(figures.get("drawn", 0), UTC)
        if arrived and (not since or ("drawn" in figures and arrived - drawn > _GOES_ON)):
            heard = arrived
    return heard if moment - heard > long else None
