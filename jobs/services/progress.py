"""How far a running job is, or a server that loads, from the end of its log.

A picture for people: nothing relies on it.
"""

from __future__ import annotations

import time
from typing import Any

from django.db.models import QuerySet

from jobs import hints, logstore
from jobs.models import Deployment, Job
from jobs.parsers.progress import TAIL_BYTES, progress_of

EVERY_S = 1.0
_KEPT = 1000
_looked_at: dict[str, float] = {}  # key of the log -> monotonic time; one a process


def look_at(owner: Job | Deployment, size: int) -> None:
    """Read the end of the owner's log, which has ``size`` bytes, once a second at most.

    ``since`` of what is kept: when the figures came to be what they are (seconds since the epoch).
    """
    sort = "job" if isinstance(owner, Job) else "deployment"
    key, moment = f"{sort}/{owner.pk}", time.monotonic()
    if moment - _looked_at.get(key, -EVERY_S) < EVERY_S:
        return
    if len(_looked_at) > _KEPT:
        _looked_at.clear()
    _looked_at[key] = moment
    kind, begin = _begin(owner)
    tail = logstore.store().read(key, max(begin, size - TAIL_BYTES), size)
    found = progress_of(kind, tail)
    if found is None or found.items() <= (owner.progress or {}).items():
        return
    if _while_it_works(owner).update(progress={**found, "since": round(time.time(), 1)}):
        hints.publish(sort, id=owner.pk, state=owner.state)


def _begin(owner: Job | Deployment) -> tuple[str, int]:
    """The kind of job that wrote the log, and from where on: what was before is not of this."""
    if isinstance(owner, Deployment):
        return owner.job.kind, owner.log_from
    begun = owner.steps.filter(log_from__isnull=False).order_by("-index").first()
    return owner.kind, (begun and begun.log_from) or 0


def _while_it_works(owner: Job | Deployment) -> QuerySet[Any]:
    """The owner's row, unless it is over."""
    if isinstance(owner, Deployment):
        return Deployment.objects.filter(pk=owner.pk, state=Deployment.State.LOADING)
    return Job.objects.filter(pk=owner.pk, state__in=Job.ON_HOST_STATES)
