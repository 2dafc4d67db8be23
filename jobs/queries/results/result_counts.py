"""Counts of results for the facets and the total of the list.

Counting each facet alone scanned all results nine times per page. Here one scan counts all
results by every combination of facets and flags. A process caches the counts and adds new results,
because results do not change; only imported ones are removed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.cache import caches
from django.db.models import BooleanField, Case, Count, Q, QuerySet, When

from jobs.models import Result

# Facet -> filtered field, in display order.
FACETS = {
    "type": "type",
    "model": "model_id",
    "precision": "label",
    "host": "host__name",
    "person": "created_by__username",
    "stack": "stack",
    "parallelism": "parallelism",
}
# Remarks are searched in the JSON as text: databases differ in searching JSON lists.
STAMPS = {
    "external": Q(endpoint__isnull=False),
    "imported": Q(imported__isnull=False),
    "simulated": Q(simulated=True),
    "incomplete": Q(incomplete=True),
    "disturbed": Q(disturbed=True),
    "loaded": Q(loaded=True),
    "few": Q(remarks__icontains=":few_"),  # requests of a benchmark, questions of an evaluation
    "cut": Q(remarks__icontains='"evaluate:cut'),  # reported or guessed
    "quiet": Q(simulated=False, endpoint=None, imported=None, remarks=[]),
}
# Seconds until other changes, such as a deleted person, become visible.
KEPT_S = 60
_PLACES = {name: place for place, name in enumerate((*FACETS, *STAMPS))}
_KEY = "result-counts"

# (values of the facets, value of each flag) -> number of results.
Counts = Counter[tuple[Any, ...]]


def count(results: QuerySet[Result]) -> Counts:
    """Count these results in one scan."""
    flags = {
        f"is_{name}": Case(When(stamp, then=True), default=False, output_field=BooleanField())
        for name, stamp in STAMPS.items()
    }
    rows = results.order_by().annotate(**flags).values_list(*FACETS.values(), *flags)
    return Counter({tuple(row[:-1]): row[-1] for row in rows.annotate(n=Count("pk"))})


def count_all() -> Counts:
    """Return the counts of all results. New results are added to the cached counts."""
    cache, moment = caches["process"], time.monotonic()
    known: tuple[Counts, int, float] | None = cache.get(_KEY)
    counts, last, until = known or (Counts(), 0, moment + KEPT_S)
    newest = Result.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    if newest != last:
        counts.update(count(Result.objects.filter(pk__gt=last, pk__lte=newest)))
        cache.set(_KEY, (counts, newest, until), until - moment)
    return counts


def forget() -> None:
    """Count anew in this process: an import was removed. Others do within ``KEPT_S``."""
    caches["process"].delete(_KEY)


def passing(counts: Counts, facets: Mapping[str, Sequence[str]], stamps: Sequence[str]) -> Counts:
    """Return the counts that match any value per facet and any flag; empty selections match all."""
    wanted = {_PLACES[name]: set(values) for name, values in facets.items() if values}
    marks = [_PLACES[name] for name in stamps]
    return Counter(
        {
            key: n
            for key, n in counts.items()
            if all(key[place] in values for place, values in wanted.items())
            and (not marks or any(key[place] for place in marks))
        }
    )


def by(counts: Counts, name: str) -> Counter[Any]:
    """Return the counts by a single facet or flag."""
    totals: Counter[Any] = Counter()
    for key, n in counts.items():
        totals[key[_PLACES[name]]] += n
    return totals
