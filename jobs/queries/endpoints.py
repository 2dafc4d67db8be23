"""Queries of the pages about endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Count, Q

from jobs.models import Endpoint, Job, Result, Secret
from jobs.plans import ENGINES

_RESULTS, _JOBS = 20, 20


@dataclass(frozen=True, slots=True)
class EndpointPage:
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
    """Return everything on the page of one. Raises ``Endpoint.DoesNotExist``."""
    endpoint = Endpoint.objects.select_related("created_by").get(pk=endpoint_id)
    results = Result.objects.filter(endpoint=endpoint).select_related("host", "created_by")
    return EndpointPage(endpoint, list(results[:_RESULTS]), jobs_against(endpoint))


def jobs_against(endpoint: Endpoint) -> list[Job]:
    """Return active jobs that name the endpoint, oldest first."""
    named = Q()
    for name in ENGINES:
        named |= Q(**{f"inputs__{name}__endpoint": endpoint.pk})
    jobs = Job.objects.filter(named, state__in=Job.OPEN_STATES).select_related("host")
    return list(jobs.order_by("pk")[:_JOBS])


def engine_keys(user: AbstractBaseUser | None) -> list[str]:
    """Return names of engine keys that ``user`` may choose, sorted."""
    person = user.pk if user else None
    rows = Secret.objects.filter(purpose=Secret.Purpose.ENGINE)
    return list(
        rows.filter(Q(everyone=True) | Q(people=person)).distinct().values_list("name", flat=True)
    )
