"""What a result was measured with: the host and the tools, written down when it is kept.

A host is upgraded and its environments are made anew; a number keeps what it was measured with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.timezone import now

from jobs.models import Deployment, DeploymentEvent, Environment, Job

# Clocks differ a little: what overlaps for less than this came one after the other.
_TOUCH = timedelta(seconds=1)
_UP = (Deployment.State.LOADING, Deployment.State.READY, Deployment.State.UNHEALTHY)
HOST_FACTS = ("os", "kernel", "arch", "cpu", "memory_bytes")


def of_job(job: Job, others: Iterable[Job] = ()) -> dict[str, Any]:
    """``{"host": {fact: value}, "environments": [{"name", "fingerprint", "versions"}]}``.

    The environments are those whose folder the commands of ``job`` or of ``others`` (the job that
    started the server under test) name.
    """
    facts: Mapping[str, Any] = job.host.facts
    named = [arg for one in (job, *others) for arg in _arguments(one)]
    return {
        "host": {name: facts[name] for name in HOST_FACTS if name in facts},
        "environments": [
            {"name": made.name, "fingerprint": made.fingerprint, "versions": made.versions}
            for made in Environment.objects.filter(host=job.host).order_by("name", "pk")
            if any(arg.startswith(made.path.rstrip("/") + "/") for arg in named)
        ],
    }


def beside(
    job: Job, *, under_test: Deployment | None, duration_s: float | None
) -> dict[str, list[Any]] | None:
    """What else ran on the host meanwhile, as far as this dashboard knows it.

    ``{"jobs": [ids], "deployments": [names]}``, both empty on a quiet host; None for a job that
    never started. By the times of the records: what anybody wished for is not asked.
    """
    if job.started_at is None:
        return None
    start = job.started_at
    end = now() if duration_s is None else start + timedelta(seconds=duration_s)
    jobs = Job.objects.filter(Q(finished_at=None) | Q(finished_at__gt=start), host=job.host_id)
    times = jobs.filter(started_at__lt=end).exclude(pk=job.pk).order_by("pk")
    up = DeploymentEvent.objects.filter(state__in=_UP, at__lt=end - _TOUCH)
    servers = Deployment.objects.filter(
        Q(state__in=Deployment.LIVE_STATES) | Q(stopped_at__gt=start + _TOUCH),
        host=job.host_id,
        pk__in=up.values("deployment"),
    )
    return {
        "jobs": [
            pk
            for pk, since, seconds, until in times.values_list(
                "pk", "started_at", "duration_s", "finished_at"
            )
            if since and _overlap(start, end, since, _ended(since, seconds, until)) >= _TOUCH
        ],
        "deployments": list(
            servers.exclude(pk=under_test.pk if under_test else 0)
            .order_by("pk")
            .values_list("name", flat=True)
        ),
    }


def _ended(since: datetime, seconds: float | None, until: datetime | None) -> datetime:
    """When a job ended on its host; what it left may have come much later."""
    if until is None or seconds is None:
        return until or now()
    return since + timedelta(seconds=seconds)


def _overlap(start: datetime, end: datetime, since: datetime, until: datetime) -> timedelta:
    return min(end, until) - max(start, since)


def _arguments(job: Job) -> list[str]:
    return [arg for step in job.plan.get("steps", ()) for arg in step["argv"]]
