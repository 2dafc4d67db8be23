"""Reads about engines: deployments and endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.utils.timezone import now

from jobs.models import Deployment, DeploymentEvent, Endpoint, Job, Result, Secret, Weights
from jobs.plans import ENGINES

_BROKE_WITHIN = timedelta(days=1)
_ID = re.compile(r"[0-9]{1,18}")
LISTED = 100
_EVENTS = 50
_RESULTS, _JOBS = 20, 20
_STARTS = 12
_START_EVENTS = 200


class DeploymentPage(NamedTuple):
    """One deployment: its history, and what was measured on it, newest first."""

    deployment: Deployment
    events: Sequence[DeploymentEvent]
    results: Sequence[Result]
    startups: Sequence[Startup]


class Startup(NamedTuple):
    """Seconds from a server's first command until it answered; ``bytes`` of the loaded weights."""

    deployment: Deployment
    run: int
    at: datetime
    seconds: float
    bytes: int | None

    @property
    def bytes_per_s(self) -> float | None:
        """Return bytes loaded per second: at least, because the engine's own start is included."""
        return self.bytes / self.seconds if self.bytes else None


def deployments(*, only_live: bool) -> Sequence[Deployment]:
    """Newest first, at most ``LISTED``; only live ones and what broke since yesterday, or all."""
    rows = _all()
    if only_live:
        live = Q(state__in=Deployment.UP_STATES)
        rows = rows.filter(live | broken_since(now() - _BROKE_WITHIN))
    return list(rows[:LISTED])


def deployment_down(host: str, number: str) -> Deployment | None:
    """The deployment of ``host`` with that id, where it serves no more; else None."""
    down = (*Deployment.ENDED_STATES, Deployment.State.STOPPING)
    rows = Deployment.objects.filter(host__name=host, state__in=down).select_related("job")
    return rows.filter(pk=int(number)).first() if _ID.fullmatch(number) else None


def broken_since(moment: datetime) -> Q:
    states = (Deployment.State.FAILED, Deployment.State.LOST)
    return Q(state__in=states, stopped_at__gte=moment, job__state=Job.State.SUCCEEDED)


def deployment_page(deployment_id: int) -> DeploymentPage:
    deployment = _all().get(pk=deployment_id)
    events = DeploymentEvent.objects.filter(deployment=deployment)[:_EVENTS]
    results = Result.objects.filter(deployment=deployment).select_related("host")[:_RESULTS]
    return DeploymentPage(deployment, list(events), list(results), startups(deployment))


def startups(deployment: Deployment) -> list[Startup]:
    """Return the latest starts of deployments of the same model that became ready, newest first."""
    if not deployment.model_id:
        return []
    states = (Deployment.State.LOADING, Deployment.State.READY)
    events = DeploymentEvent.objects.filter(
        deployment__model_id=deployment.model_id, state__in=states
    ).select_related("deployment__host", "deployment__artifact", "deployment__job")
    begun: dict[tuple[int, int], DeploymentEvent] = {}
    ready: dict[tuple[int, int], DeploymentEvent] = {}
    for event in events.order_by("-at", "-id")[:_START_EVENTS]:
        key = (event.deployment_id, event.run)
        # Of each run the first of its state, so the last that is read.
        (begun if event.state == Deployment.State.LOADING else ready)[key] = event
    pairs = [(begun[key], event) for key, event in ready.items() if key in begun]
    pairs = [(start, end) for start, end in pairs if end.at > start.at]
    pairs = sorted(pairs, key=lambda pair: pair[1].at, reverse=True)[:_STARTS]
    sizes = _weights_bytes([end.deployment for _start, end in pairs])
    return [
        Startup(
            *(end.deployment, end.run, end.at, (end.at - start.at).total_seconds()),
            sizes.get(end.deployment_id),
        )
        for start, end in pairs
    ]


def _weights_bytes(deployments: Iterable[Deployment]) -> dict[int, int]:
    """Return the bytes that each deployment loads: of its artifact, else of its weights."""
    rows = list(deployments)
    sizes = {one.pk: one.artifact.bytes for one in rows if one.artifact is not None}
    named = {
        one.pk: (one.job.inputs.get("weights") or {}).get("id") or 0
        for one in rows
        if one.artifact is None
    }
    known = dict(Weights.objects.filter(pk__in=named.values()).values_list("pk", "bytes"))
    sizes |= {pk: known[weights] for pk, weights in named.items() if weights in known}
    return {pk: count for pk, count in sizes.items() if count}


def needing(servers: Iterable[tuple[int, int]]) -> dict[int, list[Job]]:
    """Open jobs against these servers (deployment, job that started it), by the id of that job: a
    job of a chain that has not started yet names only that one."""
    started_by = dict(servers)
    named = Q()
    for name in ENGINES:
        named |= Q(**{f"inputs__{name}__id__in": list(started_by)})
        named |= Q(**{f"inputs__{name}__job__in": list(started_by.values())})
    dependents: dict[int, list[Job]] = {job: [] for job in started_by.values()}
    for job in Job.objects.filter(named, Job.in_states(Job.OPEN_STATES)).order_by("pk"):
        refs = [job.inputs[name] for name in ENGINES if name in job.inputs]
        makers = {started_by.get(ref.get("id") or 0) or ref.get("job") for ref in refs}
        for maker in makers & dependents.keys():
            dependents[maker].append(job)
    return dependents


def _all() -> QuerySet[Deployment]:
    """Return all, each with the time of its state and of its first ready; None if unknown."""
    events = DeploymentEvent.objects.filter(deployment=OuterRef("pk"))
    changes = events.filter(state=OuterRef("state"))
    ready = events.filter(state=Deployment.State.READY, run=OuterRef("run")).order_by("at", "id")
    return Deployment.objects.select_related("host", "artifact", "job", "created_by").annotate(
        changed_at=Subquery(changes.values("at")[:1]),
        first_ready_at=Subquery(ready.values("at")[:1]),
    )


class EndpointPage(NamedTuple):
    """One endpoint: what was measured on it, newest first, and active jobs against it."""

    endpoint: Endpoint
    results: Sequence[Result]
    jobs: Sequence[Job]


def endpoints(*, with_archived: bool) -> Sequence[Endpoint]:
    """Return endpoints by name, each with ``measured``, its number of results."""
    rows = Endpoint.objects.select_related("created_by").annotate(measured=Count("results"))
    rows = rows.order_by("name", "pk")  # a sum by group ignores the model's own order
    return list(rows if with_archived else rows.filter(archived_at=None))


def endpoint_page(endpoint_id: int) -> EndpointPage:
    endpoint = Endpoint.objects.select_related("created_by").get(pk=endpoint_id)
    results = Result.objects.filter(endpoint=endpoint).select_related("host", "created_by")
    return EndpointPage(endpoint, list(results[:_RESULTS]), jobs_against(endpoint))


def jobs_against(endpoint: Endpoint) -> list[Job]:
    named = Q()
    for name in ENGINES:
        named |= Q(**{f"inputs__{name}__endpoint": endpoint.pk})
    jobs = Job.objects.filter(named, Job.in_states(Job.OPEN_STATES)).select_related("host")
    return list(jobs.order_by("pk")[:_JOBS])


def engine_keys(user: AbstractBaseUser | None) -> list[str]:
    person = user.pk if user else None
    rows = Secret.objects.filter(purpose=Secret.Purpose.ENGINE)
    return list(
        rows.filter(Q(everyone=True) | Q(people=person)).distinct().values_list("name", flat=True)
    )
