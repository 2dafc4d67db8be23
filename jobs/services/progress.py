"""How far a running job is, from the end of its log. A picture for people: nothing relies on it."""

from __future__ import annotations

import time

from jobs import hints, logstore
from jobs.models import Job
from jobs.parsers.progress import TAIL_BYTES, progress_of

EVERY_S = 1.0
_KEPT = 1000
_looked_at: dict[int, float] = {}  # job -> monotonic time; one a process


def look_at(job: Job, size: int) -> None:
    """Read the end of the job's log, which has ``size`` bytes, once a second at most."""
    moment = time.monotonic()
    if moment - _looked_at.get(job.pk, -EVERY_S) < EVERY_S:
        return
    if len(_looked_at) > _KEPT:
        _looked_at.clear()
    _looked_at[job.pk] = moment
    begun = job.steps.filter(log_from__isnull=False).order_by("-index").first()
    begin = (begun and begun.log_from) or 0  # what the steps before printed is not of this one
    tail = logstore.store().read(f"job/{job.pk}", max(begin, size - TAIL_BYTES), size)
    found = progress_of(job.kind, tail)
    if found is None or found == job.progress:
        return
    if Job.objects.filter(pk=job.pk, state__in=Job.ON_HOST_STATES).update(progress=found):
        hints.publish("job", id=job.pk, state=job.state)
