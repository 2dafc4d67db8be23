"""Reads a host's capacity and its queue, for the rule of ``jobs.schedule.capacity``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from django.db.models import Exists, F, IntegerField, OuterRef, Q, TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from jobs.base import engine_addresses
from jobs.models import Deployment, Host, Job
from jobs.queries.hosts.hosts import dies, held_dies, holding_deployments
from jobs.schedule.capacity import HostCapacity, QueuedJob, RunningJob, Server
from jobs.schedule.loads import load_of
from jobs.schedule.places import places_of, read_by, reads_of

_AT_ONCE = 500
_SERVED = "deployment"
_SERVES_FROM = KeyTextTransform("path", "details")
_COLUMNS = ("pk", "kind", "title", "exclusive", "priority", "place", "created_by__username")
# The database extracts the needed JSON; the texts mostly repeat.
_READ: Mapping[str, Any] = {
    "dies": Cast(KeyTextTransform("dies", "plan"), IntegerField()),
    "is_checked": Q(plan__checks__0__isnull=False),
    "type": KeyTextTransform("type", "product"),
    **{
        f"{name}_text": Cast(name, TextField())
        for name in ("inputs", "needs_confirmation", "confirmed")
    },
    "path": KeyTextTransform("path", "product"),
    "serves_from": KeyTextTransform("path", KeyTextTransform("details", "product")),
    "writes_text": KeyTextTransform("writes", "plan"),
    "overlaps": Q(params__overlap=True),
}


def capacity_of(host: Host) -> HostCapacity:
    """Return the free capacity of ``host``, in two queries.

    Only needed columns: this runs at each start, and Django takes longer to build all columns of
    four tables than the database to find them.
    """
    on_host = Job.objects.filter(host=host, state__in=Job.ON_HOST_STATES).order_by("pk")
    columns = {name: _READ[name] for name in ("writes_text", "overlaps")}
    jobs = on_host.annotate(**columns).only(
        *("kind", "title", "state", "values", "exclusive", "product", "inputs")
    )
    held = holding_deployments([host]).defer(None).select_related(None).select_related("job")
    held = held.annotate(serves_from=_SERVES_FROM, made_at=F("artifact__path"))
    return capacity_from(host, jobs, held.only("name", "host_url", "job", "job__values"))


def capacity_from(
    host: Host, jobs: Iterable[Job], deployments: Iterable[Deployment]
) -> HostCapacity:
    """Return the free capacity from given jobs and deployments on the host."""
    jobs, deployments = list(jobs), list(deployments)
    held = held_dies(jobs, deployments)
    there = [die for die in dies(host) if die in held]
    jobs_hold = [holder.pk for die in there if isinstance(holder := held[die], Job)]
    servers_hold = [holder.pk for die in there if isinstance(holder := held[die], Deployment)]
    return HostCapacity(
        host=host.name,
        slots=host.slots,
        free=len(dies(host)) - len(there),
        running=[
            RunningJob(
                *(job.pk, job.title, jobs_hold.count(job.pk), job.exclusive, _serves(job.product)),
                places=places_of((job.product or {}).get("path"), _writes(job)),
                load=load_of(job.kind, job.inputs, overlaps=_overlaps(job)),
                reads=reads_of(job.product),
            )
            for job in jobs
        ],
        servers=[
            Server(
                *(one.pk, one.job_id, one.name, servers_hold.count(one.pk), _port(one)),
                reads=read_by(one),
            )
            for one in deployments
        ],
    )


def _port(deployment: Deployment) -> int:
    at = engine_addresses.parse(deployment.host_url)
    return at.port if at else 0


def startable_jobs(host: Host) -> Iterator[QueuedJob]:
    """Return jobs that may start on ``host`` once capacity is free, in queue order.

    Jobs with unfinished predecessors are excluded. Read lazily in parts of ``_AT_ONCE`` and
    without plans: a queue may have ten thousand jobs, and the first few fill the host.
    """
    unfinished = Job.objects.filter(~Job.released(), before=OuterRef("pk"))
    queued = Job.objects.filter(
        ~Exists(unfinished), host=host, state=Job.State.QUEUED, cancel_asked_at=None
    )
    rows = queued.annotate(**_READ).order_by(*Job.QUEUE_ORDER).values(*_COLUMNS, *_READ)
    part = list(rows[:_AT_ONCE])
    while part:
        yield from map(_queued_job_of_row, part)
        part = list(rows.filter(_behind(part[-1]))[:_AT_ONCE]) if len(part) == _AT_ONCE else []


def _behind(row: Mapping[str, Any]) -> Q:
    """Return the filter of jobs behind a job, by ``Job.QUEUE_ORDER``."""
    level = Q(priority=row["priority"])
    return (
        Q(priority__gt=row["priority"])
        | level & Q(place__gt=row["place"])
        | level & Q(place=row["place"], pk__gt=row["pk"])
    )


def _queued_job_of_row(row: Mapping[str, Any]) -> QueuedJob:
    inputs = _parsed(row["inputs_text"])
    return QueuedJob(
        row["pk"],
        row["title"],
        row["dies"] or 0,
        row["exclusive"],
        row["type"] == _SERVED,
        inputs,
        is_checked=row["is_checked"],
        needs_confirmation=_parsed(row["needs_confirmation_text"]),
        confirmed=_parsed(row["confirmed_text"]),
        by=row["created_by__username"] or "",
        places=places_of(row["path"], _parsed(row["writes_text"] or "[]")),
        load=load_of(row["kind"], inputs, overlaps=bool(row["overlaps"])),
        reads=(row["serves_from"],) if row["type"] == _SERVED and row["serves_from"] else (),
    )


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Any:
    """Parse JSON of a queued job; cached, because most jobs of a queue have the same."""
    return json.loads(text)


def queued_job_of(job: Job) -> QueuedJob:
    """Return a queued job from its record."""
    return QueuedJob(
        job.pk or 0,
        job.title,
        int(job.plan.get("dies", 0)),
        job.exclusive,
        _serves(job.product),
        job.inputs,
        is_checked=bool(job.plan.get("checks")),
        needs_confirmation=job.open_confirmations,
        confirmed=job.confirmed,
        places=places_of((job.product or {}).get("path"), _writes(job)),
        load=load_of(job.kind, job.inputs, overlaps=_overlaps(job)),
        reads=reads_of(job.product),
    )


def _writes(job: Job) -> list[str]:
    """Return the plan's declared writes; a separate query if the row has no plan."""
    if "plan" in job.get_deferred_fields():
        return list(json.loads(getattr(job, "writes_text", None) or "[]"))
    return list(job.plan.get("writes", ()))


def _overlaps(job: Job) -> bool:
    """Return True if a benchmark allows overlap; a separate column if the row has no params."""
    if "params" in job.get_deferred_fields():
        return bool(getattr(job, "overlaps", False))
    return bool(job.params.get("overlap"))


def _serves(product: Mapping[str, Any] | None) -> bool:
    return product is not None and product.get("type") == _SERVED
