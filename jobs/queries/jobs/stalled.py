"""Stalled jobs: running without new output, such as a hanging download. Not dead ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils.timezone import now

from jobs import logstore
from jobs.models import Job

# Output this long after the last figures no longer belongs to the same progress bar.
_GOES_ON = timedelta(seconds=60)


def last_arrival(key: str) -> datetime | None:
    """Return the time of the last log data; None for an empty log."""
    store = logstore.store()
    size = store.size(key)
    arrivals = store.arrivals(key, size, size, limit=1) if size else []
    return datetime.fromtimestamp(arrivals[-1][1] / 1000, UTC) if arrivals else None


def stalled_since(job: Job, moment: datetime | None = None) -> datetime | None:
    """Return since when a running job is stalled; None within ``settings.STALLED_AFTER_S``.

    Progress figures count while printed, because a tool may print the same bar again. They no
    longer count once the log continues without them.
    """
    if job.state != Job.State.RUNNING or job.started_at is None:
        return None
    moment, long = moment or now(), timedelta(seconds=settings.STALLED_AFTER_S)
    figures = job.progress or {}
    since = figures.get("since")
    heard = datetime.fromtimestamp(since, UTC) if since else job.started_at
    # The log is read only if figures do not decide: this runs for every running job.
    if not since or moment - heard > long:
        arrived = last_arrival(f"job/{job.pk}")
        drawn = datetime.fromtimestamp(figures.get("drawn", 0), UTC)
        if arrived and (not since or ("drawn" in figures and arrived - drawn > _GOES_ON)):
            heard = arrived
    return heard if moment - heard > long else None
