"""Queries of the pages about deployments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.timezone import now

from jobs.models import Deployment, DeploymentEvent, Job, Result

_BROKE_WITHIN = timedelta(days=1)
_DOWN = (Deployment.State.STOPPED, Deployment.State.FAILED, Deployment.State.LOST)
_ID = re.compile(r"[0-9]{1,18}")
LISTED = 100
_EVENTS = 50
_RESULTS = 20


@dataclass(frozen=True, slots=True)
class DeploymentPage:
    """One deployment: its history, and what was measured on it, newest first."""

    deployment: Deployment
    events: Sequence[DeploymentEvent]
    results: Sequence[Result]


def deployments(*, only_live: bool) -> Sequence[Deployment]:
    """Deployments, newest first, at most ``LISTED``.

    With ``only_live`` those that ended are left out, but for what broke since yesterday.
    """
    rows = _all()
    if only_live:
        live = Q(state__in=(Deployment.State.WAITING, *Deployment.LIVE_STATES))
        rows = rows.filter(live | broken_since(now() - _BROKE_WITHIN))
    return list(rows[:LISTED])


def deployment_down(host: str, number: str) -> Deployment | None:
    """The deployment of ``host`` with that id, where it serves no more; else None."""
    down = (*_DOWN, Deployment.State.STOPPING)
    rows = Deployment.objects.filter(host__name=host, state__in=down).select_related("job")
    return rows.filter(pk=int(number)).first() if _ID.fullmatch(number) else None


def broken_since(moment: datetime) -> Q:
    """Return failed or lost servers, without those whose job itself failed."""
    states = (Deployment.State.FAILED, Deployment.State.LOST)
    return Q(state__in=states, stopped_at__gte=moment, job__state=Job.State.SUCCEEDED)


def deployment_page(deployment_id: int) -> DeploymentPage:
    """Everything on the page of one. Raises ``Deployment.DoesNotExist``."""
    deployment = _all().get(pk=deployment_id)
    return DeploymentPage(
        deployment,
        list(DeploymentEvent.objects.filter(deployment=deployment)[:_EVENTS]),
        list(Result.objects.filter(deployment=deployment).select_related("host")[:_RESULTS]),
    )


def needing(servers: Iterable[tuple[int, int]]) -> dict[int, list[Job]]:
    """Open jobs that work against these servers, by the id of the job that started each.

    ``servers``: (deployment, job that started it). A job of a chain that has not started yet names
    what it will ask by that job only.
    """
    started_by = dict(servers)
    named = Q(inputs__deployment__id__in=list(started_by))
    named |= Q(inputs__deployment__job__in=list(started_by.values()))
    dependents: dict[int, list[Job]] = {job: [] for job in started_by.values()}
    for job in Job.objects.filter(named, state__in=Job.OPEN_STATES).order_by("pk"):
        ref = job.inputs["deployment"]
        maker = started_by.get(ref.get("id") or 0) or ref.get("job")
        if maker in dependents:
            dependents[maker].append(job)
    return dependents


def _all() -> QuerySet[Deployment]:
    """All, each with ``changed_at``, since when it is in its state, and ``first_ready_at`` of its
    run; None if unknown."""
    events = DeploymentEvent.objects.filter(deployment=OuterRef("pk"))
    changes = events.filter(state=OuterRef("state"))
    ready = events.filter(state=Deployment.State.READY, run=OuterRef("run")).order_by("at", "id")
    return Deployment.objects.select_related("host", "artifact", "job", "created_by").annotate(
        changed_at=Subquery(changes.values("at")[:1]),
        first_ready_at=Subquery(ready.values("at")[:1]),
    )
