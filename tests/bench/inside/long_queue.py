"""Queues jobs for dies that This computer has not, and times the cost of a long queue.

``launched`` jobs through the service, then ``copied`` copies of the last of them. Answer:
``{"jobs": [the first, the last], "seconds": {what: seconds}, "peak_mb", "refused", "waiting"}``.
"""

import resource
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib.auth import get_user_model
from django.utils.timezone import now

from jobs.base.errors import LaunchError
from jobs.kinds import KINDS
from jobs.launch import launch
from jobs.models import Host, Job, JobStep
from jobs.schedule import dispatch
from jobs.services.intake import heartbeats
from tests.bench.inside import client_of

KIND, PARAMS = "prepare", {"what": "weights"}
AT_ONCE = 1000


def fill(*, launched: int, copied: int) -> dict[str, Any]:
    """Fill the line, then take times at its end."""
    host = Host.objects.get(name="this-computer")
    module = KINDS[KIND]
    plan = module.plan
    module.plan = lambda *about: replace(plan(*about), dies=1)  # type: ignore[method-assign]
    try:
        jobs = [_launch(host) for _ in range(launched - 1)]
        _copy(jobs[-1], copied)
        took: dict[str, float] = {}
        last = _timed(took, "launch", lambda: _launch(host))
        _time_all(took, host, jobs[0], last)
        refused = _is_refused(host)
    finally:
        module.plan = plan  # type: ignore[method-assign]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {
        "jobs": [jobs[0].pk, last.pk],
        "seconds": took,
        "peak_mb": peak_mb,
        "refused": refused,
        "waiting": Job.objects.filter(host=host, state=Job.State.QUEUED).count(),
    }


def _launch(host: Host) -> Job:
    return launch.launch(KIND, PARAMS, host=host, user=None)


def _copy(job: Job, count: int) -> None:
    names = [step.name for step in job.steps.all()]
    for start in range(0, count, AT_ONCE):
        made = Job.objects.bulk_create(_like(job) for _ in range(min(AT_ONCE, count - start)))
        JobStep.objects.bulk_create(
            JobStep(job=one, index=index, name=name)
            for one in made
            for index, name in enumerate(names)
        )


def _like(job: Job) -> Job:
    """Another such job, not stored yet."""
    own = ("id", "claim_token", "created_at", "place")
    fields = [field.attname for field in Job._meta.concrete_fields]
    return Job(**{name: getattr(job, name) for name in fields if name not in own})


def _time_all(took: dict[str, float], host: Host, first: Job, last: Job) -> None:
    """Time the queries of a host and a page while the queue is long."""
    body = {
        **{"boot_id": host.boot_id, "now": now().timestamp(), "load": host.load, "facts": None},
        **{"agent_started_at": host.agent_started_at.timestamp(), "jobs": [], "serves": []},
    }
    _timed(took, "look", dispatch.run)
    _timed(took, "heartbeat", lambda: heartbeats.heartbeat(host, body))
    client = client_of(get_user_model().objects.get(username="admin"))
    pages = {
        "overview": "/",
        "jobs": "/jobs/",
        "host": f"/hosts/{host.name}/",
        "queue": f"/hosts/{host.name}/queue/?from=9950",
        "first job": f"/jobs/{first.pk}/",
        "last job": f"/jobs/{last.pk}/",
        "form": f"/launch/{KIND}/",
    }
    for name, path in pages.items():
        client.get(path)  # loads what the others find loaded
        answer = _timed(took, name, lambda path=path: client.get(path))
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code}")


def _is_refused(host: Host) -> bool:
    """Return true if the limit refuses one job more by its name."""
    try:
        _launch(host)
    except LaunchError as error:
        return "QUEUE_LIMIT" in str(error)
    return False


def _timed(took: dict[str, float], name: str, work: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    answer = work()
    took[name] = round(time.perf_counter() - began, 3)
    return answer
