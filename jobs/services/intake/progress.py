"""How far a running job is, or a server that loads, from the end of its log.

A picture for people: nothing relies on it.
"""

from __future__ import annotations

import re
import time
from typing import Any

from django.db.models import QuerySet

from jobs import logstore, notifications
from jobs.kinds import progress_of
from jobs.models import Deployment, Job
from jobs.parsers.progress import TAIL_BYTES

EVERY_S = 1.0
DRAWN_EVERY_S = 20.0  # how exactly it is kept when figures were last drawn
_KEPT = 1000
# key of the log -> when it was looked at (monotonic), and how many bytes it had; one a process
_looked_at: dict[str, tuple[float, int]] = {}
_LINE_ENDS = (b"\n", b"\r")
# A row drawn over another, or a bar of tqdm or aria2, also where it tells no figures of its own.
_BAR = re.compile(rb"\r[^\r\n]|\d%\||\[#\w+ ")


def look_at(owner: Job | Deployment, size: int) -> None:
    """Read the end of the owner's log, which has ``size`` bytes, once a second at most.

    ``since`` of what is kept: when the figures came to be what they are (seconds since the epoch);
    ``drawn``: when the log last told them, the same or others, or drew a bar.
    """
    sort = "job" if isinstance(owner, Job) else "deployment"
    key, moment = f"{sort}/{owner.pk}", time.monotonic()
    last, seen = _looked_at.get(key, (-EVERY_S, 0))
    if moment - last < EVERY_S:
        return
    if len(_looked_at) > _KEPT:
        _looked_at.clear()
    _looked_at[key] = (moment, size)
    kind, begin = _begin(owner)
    start = max(begin, size - TAIL_BYTES)
    tail = logstore.store().read(key, start, size)
    found = progress_of(kind, tail)
    if found is None:
        return
    now, known = round(time.time(), 1), owner.progress or {}
    if not found.items() <= known.items():
        if _while_it_works(owner).update(progress={**found, "since": now, "drawn": now}):
            notifications.publish(sort, id=owner.pk, state=owner.state)
    elif now - known.get("drawn", 0) >= DRAWN_EVERY_S and _draws(kind, tail, seen - start):
        _while_it_works(owner).update(progress={**known, "drawn": now})


def _draws(kind: str, tail: bytes, seen: int) -> bool:
    """Whether what came after ``seen`` bytes of the tail tells figures or draws a bar."""
    begun = max(tail.rfind(end, 0, max(0, seen)) for end in _LINE_ENDS) + 1
    fresh = tail[begun:]
    return progress_of(kind, fresh) is not None or _BAR.search(fresh) is not None


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
