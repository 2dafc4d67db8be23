"""Progress of a running job or loading server, from the end of its log.

Pages show it, and a job without news in it counts as stalled (``jobs.queries.jobs.stalled``).
"""

from __future__ import annotations

import time
from typing import Any

from django.db.models import QuerySet

from jobs import logstore, notifications
from jobs.base.numbers import GB, MB
from jobs.confined import Busy, Limits, NotDone, Pool, Task
from jobs.metrics.measured import Glance
from jobs.models import Deployment, Job

EVERY_S = 1.0
# Enough of a log's end: a redrawn pip bar has 0.6 kB, EvalScope's tables 8 kB.
TAIL_BYTES = 32 * 1024
REST_S = 10.0  # after a tail that exceeds the limits
DRAWN_EVERY_S = 20.0  # resolution of the last drawing time
_KEPT = 1000
# key of the log -> time of the last look (monotonic) and its size; one per process
_looked_at: dict[str, tuple[float, int]] = {}
# The host waits meanwhile: with a worker at work, a later chunk brings the progress.
_GLANCES = Pool(Limits(memory=GB, answer=MB, cpu_s=2, wall_s=5.0), most=1, patience_s=0.0)
_GLANCE = Task("jobs.readings:glance", Glance, _GLANCES)


def update(owner: Job | Deployment, size: int) -> None:
    """Read the end of the owner's log of ``size`` bytes, at most once a second.

    Stored ``since``: time of the figures' last change (seconds since the epoch); ``drawn``: time
    the log last printed figures or drew a bar.
    """
    topic = "job" if isinstance(owner, Job) else "deployment"
    key, moment = f"{topic}/{owner.pk}", time.monotonic()
    last, previous_size = _looked_at.get(key, (-EVERY_S, 0))
    if moment - last < EVERY_S:
        return
    if len(_looked_at) > _KEPT:
        _looked_at.clear()
    _looked_at[key] = (moment, previous_size)
    kind, begin = _begin(owner)
    start = max(begin, size - TAIL_BYTES)
    tail = logstore.store().read(key, start, size)
    try:
        seen = _GLANCE(kind, tail, previous_size - start)
    except NotDone as error:
        if not isinstance(error, Busy):
            _looked_at[key] = (moment + REST_S, size)
        return
    _looked_at[key] = (moment, size)
    if seen.figures is None:
        return
    now, known = round(time.time(), 1), owner.progress or {}
    if not seen.figures.items() <= known.items():
        if _while_it_works(owner).update(progress={**seen.figures, "since": now, "drawn": now}):
            notifications.notify(topic, id=owner.pk, state=owner.state)
    elif now - known.get("drawn", 0) >= DRAWN_EVERY_S and seen.has_drawn:
        _while_it_works(owner).update(progress={**known, "drawn": now})


def _begin(owner: Job | Deployment) -> tuple[str, int]:
    """Return the kind that wrote the log, and the offset of the current run."""
    if isinstance(owner, Deployment):
        return owner.job.kind, owner.log_from
    begun = owner.steps.filter(log_from__isnull=False).order_by("-index").first()
    return owner.kind, (begun and begun.log_from) or 0


def _while_it_works(owner: Job | Deployment) -> QuerySet[Any]:
    """Return the owner's row, unless ended."""
    if isinstance(owner, Deployment):
        return Deployment.objects.filter(pk=owner.pk, state=Deployment.State.LOADING)
    return Job.objects.filter(pk=owner.pk, state__in=Job.ON_HOST_STATES)
