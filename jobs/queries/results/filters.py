"""Filters of the result list: facets, flags, tags, marks, dates, text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from jobs.base.numbers import number_from, result_pk
from jobs.models import Baseline, Host, Job, Note, Result, SignOff, Tag
from jobs.queries.results.result_counts import FACETS, STAMPS

# What people added, as a filter: name -> ids of the results that have it.
MARKS: Mapping[str, Callable[[], QuerySet[Any, Any]]] = {
    "released": lambda: SignOff.objects.filter(withdrawn_at=None).order_by().values("result"),
    "baseline": lambda: Baseline.objects.filter(ended_at=None).order_by().values("result"),
    "noted": lambda: Note.objects.order_by().values("result"),
}


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters of the list. Each facet has its selected values.

    ``stamp_words``: words in ``text`` that select a flag of ``STAMPS``, in lower case.
    """

    facets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    stamps: Sequence[str] = ()
    text: str = ""
    stamp_words: Mapping[str, str] = field(default_factory=dict)
    deployment: int | None = None
    endpoint: int | None = None
    pinned: bool = False  # only results of pinned jobs
    tags: Sequence[str] = ()
    marks: Sequence[str] = ()  # of MARKS
    since: datetime | None = None
    until: datetime | None = None  # exclusive

    def without(self, facet: str) -> Filters:
        """Return these filters without one facet, tag and mark included."""
        if facet == "stamp":
            return replace(self, stamps=())
        if facet == "tag":
            return replace(self, tags=())
        if facet == "mark":
            return replace(self, marks=())
        return replace(self, facets={k: v for k, v in self.facets.items() if k != facet})

    @property
    def are_cached(self) -> bool:
        """Return True if the cached counts have all that these filters ask for."""
        is_numbered = self.deployment is not None or self.endpoint is not None
        is_dated = self.since is not None or self.until is not None
        return not (self.text or is_numbered or self.pinned or self.tags or self.marks or is_dated)

    @property
    def are_empty(self) -> bool:
        """Return True if every result matches."""
        return self.are_cached and not self.stamps and not any(self.facets.values())


def matching(filters: Filters) -> QuerySet[Result]:
    """Return the results that match ``filters``, newest first."""
    rows = Result.objects.all()
    for facet, values in filters.facets.items():
        if values:
            rows = rows.filter(_has_any(facet, values))
    if filters.stamps:
        wanted = Q()
        for stamp in filters.stamps:
            wanted |= STAMPS[stamp]
        rows = rows.filter(wanted)
    if filters.deployment is not None:
        rows = rows.filter(deployment_id=filters.deployment)
    if filters.endpoint is not None:
        rows = rows.filter(endpoint_id=filters.endpoint)
    if filters.pinned:
        # No join: the database may scan all results for a join.
        rows = rows.filter(job_id__in=Job.objects.filter(pinned_at__isnull=False).values("pk"))
    if filters.tags:
        rows = rows.filter(pk__in=Tag.objects.filter(name__in=filters.tags).values("result"))
    if filters.marks:
        rows = rows.filter(reduce(or_, (Q(pk__in=MARKS[mark]()) for mark in filters.marks)))
    if filters.since is not None:
        rows = rows.filter(created_at__gte=filters.since)
    if filters.until is not None:
        rows = rows.filter(created_at__lt=filters.until)
    for word in filters.text.split():
        rows = rows.filter(_matches(word, filters.stamp_words))
    return rows


def _has_any(facet: str, values: Sequence[str]) -> Q:
    """Return a filter by ids of hosts and people: an index keeps the order; a join would sort."""
    if facet == "host":
        hosts = Host.objects.filter(name__in=values)
        return Q(host_id__in=list(hosts.values_list("pk", flat=True)))
    if facet == "person":
        people = User.objects.filter(username__in=values)
        return Q(created_by_id__in=list(people.values_list("pk", flat=True)))
    return Q(**{f"{FACETS[facet]}__in": list(values)})


def _matches(word: str, stamp_words: Mapping[str, str]) -> Q:
    job, pk = number_from(word.removeprefix("#")), result_pk(word)
    matches = (
        Q(model_id__icontains=word)
        | Q(label__icontains=word)
        | Q(what__icontains=word)
        | Q(tool__icontains=word)
        | Q(stack__icontains=word)
        | Q(deployment__name__icontains=word)
        | Q(endpoint__name__icontains=word)
        | Q(host__name__icontains=word)
        | Q(imported__name__icontains=word)
        | Q(imported__device__icontains=word)
    )
    stamp = stamp_words.get(word.casefold())
    if stamp is not None:
        matches |= STAMPS[stamp]
    if job is not None:
        matches |= Q(job_id=job)
    return matches if pk is None else matches | Q(pk=pk)
