"""Ends of jobs and servers: complete first, then judged by confined workers, because verdicts read
what tools wrote; what limits these, and what becomes of outputs that exceed them."""

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.cache import caches

from jobs import logstore
from jobs.base.errors import Incomplete, JobsError
from jobs.base.messages import Message
from jobs.base.numbers import GB, MB
from jobs.confined import Busy, Exceeded, Failed, Pool, Task, WorkerLimits
from jobs.host_protocol import EndedEvent
from jobs.models import Deployment, Job
from jobs.schedule import lifecycle
from jobs.services import outputs

logger = logging.getLogger(__name__)

# The largest honest report, of 10,000 requests with 1,024 token times each, takes half of it.
READERS = Pool(WorkerLimits(memory=2 * GB, answer=MB, cpu_s=120, wall_s=300.0), most=2, runs=1)
_CLOSE = Task("jobs.services.outcomes.outcomes:close", int, READERS)
# Nobody asks for a cause again, so that the pool does.
_CAUSES = Pool(READERS.limits, most=1)
_CAUSE = Task("jobs.services.outcomes.outcomes:cause_of_server", dict[str, Any], _CAUSES)
# A verdict is final: a reader that was killed, or met an error of the machine, is asked again when
# the host sends the end once more, after a rising wait.
_MOST_ASKED = 3
_ASKED_KEPT_S = 3600
# Well below the timeouts of a host (30 s) and of a proxy (usually 60 s).
BUDGET_S = 5.0
# Unfinished logs, some hundred bytes each; the least recently used one is dropped. The limit
# exceeds the jobs that end at once on all hosts: otherwise logs evict each other and never finish.
_MOST_BEGUN = 10_000

_judged: set[int] = set()
_choosing = threading.Lock()


class Unread(JobsError):
    """Outputs that nobody can read. ``message`` says why."""

    id = "job:unreadable"

    def __init__(self, message: Message) -> None:
        super().__init__(message.id)
        self.message = message


def check_whole(job: Job, ended: Mapping[str, Any]) -> str:
    """SHA-256 of a job's log, in hex digits. Raises ``Incomplete``: log, points, outputs or
    checksum are not complete. A job with removed log and files is always complete."""
    if job.removed_at is None:
        log_bytes = logstore.store().size(job.log_key)
        arrived = outputs.received(job)
        if (
            log_bytes < ended["log_bytes"]
            or (job.points_bytes < ended.get("points_bytes", 0) and not job.points_refused)
            or any(arrived.get(one["path"]) != one["bytes"] for one in ended["outputs"])
        ):
            raise Incomplete({"log": log_bytes, "points": job.points_bytes, "outputs": arrived})
    if not job.is_open or ended["verdict"] == "lost":
        return ""
    return sha256_of_log(job.log_key, job.claim_token)


def close(job: Job, offset: int, data: bytes, log_sha256: str) -> int:
    """Judge an open job by the ``ended`` event in ``data``; return the size of events. Raises
    ``OffsetMismatch``; ``Busy``: no worker is free, or it died; ``Unread``: beyond a limit."""
    with _choosing:
        if job.pk in _judged:
            raise Busy("its verdict is under way")
        _judged.add(job.pk)
    try:
        return _CLOSE(job.pk, offset, data, log_sha256)
    except (Exceeded, Failed) as error:
        if not isinstance(error, Exceeded) or error.reason == "ended":
            key = f"verdict:{job.pk}"
            caches["process"].add(key, 0, _ASKED_KEPT_S)
            if int(caches["process"].incr(key)) < _MOST_ASKED:
                raise Busy(str(error)) from error
        if isinstance(error, Exceeded):
            raise Unread(error.message) from error
        raise Unread(Message(Unread.id, {"reason": str(error)})) from error
    finally:
        with _choosing:
            _judged.discard(job.pk)


def end(job: Job, ended: Mapping[str, Any], *, state: str, message: Message) -> bool:
    """Store the end of a job and close it. False: it was closed already."""
    named = {name: ended[name] for name in ("log_bytes", "log_sha256")}
    Job.objects.filter(pk=job.pk).update(ended=dict(ended), **named)
    return lifecycle.finish_job(job.pk, state, message=message, duration_s=ended.get("duration_s"))


def cause_of_server(deployment: Deployment, log_from: int, ended: EndedEvent) -> dict[str, Any]:
    """See :func:`jobs.services.outcomes.outcomes.cause_of_server`. Empty if it takes too long.
    Raises ``Busy``: no worker is free."""
    try:
        return _CAUSE(deployment.pk, log_from, ended.exit_code, dict(ended.message_args))
    except (Exceeded, Failed) as error:
        logger.warning("no cause of the end of %s is found: %s", deployment.log_key, error)
        return {}


@dataclass
class _Begun:
    digest: Any = field(default_factory=hashlib.sha256)
    bytes: int = 0
    working: threading.Lock = field(default_factory=threading.Lock)


_begun: OrderedDict[Hashable, _Begun] = OrderedDict()


def sha256_of_log(key: str, owner: Hashable) -> str:
    """Hex digest of the ended log ``key``, in parts: 20 GB take longer than a host's timeout.
    ``owner`` tells successive logs apart. Each web process has its own state. Raises
    ``Incomplete``: ``BUDGET_S`` is over; the next call continues."""
    deadline = time.monotonic() + BUDGET_S
    with _choosing:
        begun = _begun.setdefault((key, owner), _Begun())
        _begun.move_to_end((key, owner))
        if len(_begun) > _MOST_BEGUN:
            _begun.popitem(last=False)
    # A request after its host's timeout may still be running.
    if not begun.working.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise Incomplete({"hashed": begun.bytes})
    try:
        store = logstore.store()
        for piece in store.chunks(key, begun.bytes, store.size(key)):
            begun.digest.update(piece)
            begun.bytes += len(piece)
            if time.monotonic() >= deadline and begun.bytes < store.size(key):
                raise Incomplete({"hashed": begun.bytes})
        checksum = str(begun.digest.hexdigest())
    finally:
        begun.working.release()
    with _choosing:
        _begun.pop((key, owner), None)
    return checksum
