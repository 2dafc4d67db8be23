"""Progress of a running job or loading server, from the end of its log.

For display only: no logic depends on it.
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
DRAWN_EVERY_S = 20.0  # resolution of the last drawing time
_KEPT = 1000
# key of the log -> time of the last look (monotonic) and its size; one per process
_looked_at: dict[str, tuple[float, int]] = {}
_LINE_ENDS = (b"\n", b"\r")
# An overwritten row, or a progress bar of tqdm or aria2, even without figures.
_BAR = re.compile(rb"\r[^\r\n]|\d%\||\[#\w+ ")


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
    _looked_at[key] = (moment, size)
    kind, begin = _begin(owner)
    start = max(begin, size - TAIL_BYTES)
    tail = logstore.store().read(key, start, size)
    figures = progress_of(kind, tail)
    if figures is None:
        return
    now, known = round(time.time(), 1), owner.progress or {}
    if not figures.items() <= known.items():
        if _while_it_works(owner).update(progress={**figures, "since": now, "drawn": now}):
            notifications.notify(topic, id=owner.pk, state=owner.state)
    elif now - known.get("drawn", 0) >= DRAWN_EVERY_S and _draws(kind, tail, previous_size - start):
        _while_it_works(owner).update(progress={**known, "drawn": now})


def _draws(kind: str, tail: bytes, offset: int) -> bool:
    """Return True if the tail after ``offset`` bytes has figures or a progress bar."""
    begun = max(tail.rfind(end, 0, max(0, offset)) for end in _LINE_ENDS) + 1
    fresh = tail[begun:]
    return progress_of(kind, fresh) is not None or _BAR.search(fresh) is not None


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
