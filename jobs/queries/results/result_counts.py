"""How many results there are of each sort: what the facets of the list and its total show.

Each facet counted by itself is a walk over all results, and there were nine of them a page. Here
all are counted at once, by everything that facets and stamps tell apart; a process keeps what it
counted, for what has been measured stays as it is, and goes on with the results that are new.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.cache import caches
from django.db.models import BooleanField, Case, Count, Q, QuerySet, When

from jobs.models import Result

# Facet -> the field that it filters. In the order in which they are shown.
FACETS = {
    "sort": "sort",
    "model": "model_id",
    "precision": "label",
    "host": "host__name",
    "person": "created_by__username",
}
# A remark is looked for in the JSON as text: databases do not agree on how to look into a list.
STAMPS = {
    "simulated": Q(simulated=True),
    "incomplete": Q(incomplete=True),
    "disturbed": Q(disturbed=True),
    "few": Q(remarks__icontains='"result:few_samples"'),
    "cut": Q(remarks__icontains='"evaluate:cut'),  # told or guessed
    "quiet": Q(simulated=False, remarks=[]),
}
# What changes in other ways, a person that is gone, is seen after this long (seconds).
KEPT_S = 60
_PLACES = {name: place for place, name in enumerate((*FACETS, *STAMPS))}
_KEY = "result-counts"

# (values of the facets, whether each stamp holds) -> results.
Counts = Counter[tuple[Any, ...]]


def count(results: QuerySet[Result]) -> Counts:
    """Count these results, in one walk."""
    flags = {
        f"is_{name}": Case(When(stamp, then=True), default=False, output_field=BooleanField())
        for name, stamp in STAMPS.items()
    }
    rows = results.order_by().annotate(**flags).values_list(*FACETS.values(), *flags)
    return Counter({tuple(row[:-1]): row[-1] for row in rows.annotate(n=Count("pk"))})


def count_all() -> Counts:
    """All results. Those that came since the last call are added to what this process knows."""
    cache, moment = caches["process"], time.monotonic()
    known: tuple[Counts, int, float] | None = cache.get(_KEY)
    counts, last, until = known or (Counts(), 0, moment + KEPT_S)
    newest = Result.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    if newest != last:
        counts.update(count(Result.objects.filter(pk__gt=last, pk__lte=newest)))
        cache.set(_KEY, (counts, newest, until), until - moment)
    return counts


def passing(counts: Counts, facets: Mapping[str, Sequence[str]], stamps: Sequence[str]) -> Counts:
    """What is let through: any of a facet's values, any of the stamps; all when none is named."""
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
    """The same, told apart by one facet or stamp alone."""
    found: Counter[Any] = Counter()
    for key, n in counts.items():
        found[key[_PLACES[name]]] += n
    return found
