"""Result list: filters, counts of facets, sort orders, pages of results and of identities.

Counting each facet alone scanned all results nine times per page. Here one scan counts all
results by every combination of facets and flags. A process caches the counts and adds new results,
because results do not change; only imported ones are removed.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, reduce
from operator import or_
from typing import Any, NamedTuple

from django.contrib.auth.models import AbstractBaseUser, User
from django.core.cache import caches
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Cast, Concat, RowNumber

from jobs.base import grouped
from jobs.base.numbers import number_from, result_pk
from jobs.metrics import METRICS
from jobs.models import (
    Baseline,
    Deployment,
    Endpoint,
    Host,
    Import,
    Job,
    Note,
    Result,
    SavedView,
    SignOff,
    Tag,
)
from jobs.queries import sorting
from jobs.queries.results import repeats
from jobs.queries.results.answer_flags import DOUBTFUL, UNSWITCHED
from jobs.queries.results.results import Mean, mean_of
from jobs.queries.sorting import MADE, NEWEST, Order, SortKey, metric, text
from jobs.queries.text_search import has_word, meets

PAGE = 50
MOST_TAGS, MOST_SUGGESTED = 40, 200  # in the facet; for a field
MOST_WORKLOADS = 50
SPARK = 14
# Sort orders, named as in the address: ``?order=-output``.
COLUMNS: dict[str, SortKey] = {
    "job": SortKey(F("job_id"), sorting.read_whole),
    "model": text("model_id", always=True),
    "precision": text("label", always=True),
    "workload": text("what", always=True),
    "host": text("host__name"),
    "person": text("created_by__username"),
    "stack": text("stack", always=True),
    "done": metric("requests", "questions", "iterations"),
    "made": MADE,
    **{name: metric(name) for name in METRICS},
}
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
    "clients": Q(remarks__icontains='"result:other_clients'),
    "faulty": DOUBTFUL,
    "thinking": UNSWITCHED,
    "few": Q(remarks__icontains=":few_"),  # requests of a benchmark, questions of an evaluation
    "cut": Q(remarks__icontains='"evaluate:cut'),  # reported or guessed
    "quiet": Q(simulated=False, endpoint=None, imported=None, remarks=[]) & ~DOUBTFUL & ~UNSWITCHED,
}
# What people added, as a filter: name -> ids of the results that have it.
MARKS: Mapping[str, Callable[[], models.QuerySet[Any, Any]]] = {
    "released": lambda: SignOff.objects.filter(withdrawn_at=None).order_by().values("result"),
    "baseline": lambda: Baseline.objects.filter(ended_at=None).order_by().values("result"),
    "noted": lambda: Note.objects.order_by().values("result"),
}
# Seconds until other changes, such as a deleted person, become visible.
KEPT_S = 60
_PLACES = {name: place for place, name in enumerate((*FACETS, *STAMPS))}
_CACHE_KEY = "result-counts"

# (values of the facets, value of each flag) -> number of results.
Counts = Counter[tuple[Any, ...]]


def count(results: models.QuerySet[Result]) -> Counts:
    flags = {f"is_{name}": repeats.true_where(stamp) for name, stamp in STAMPS.items()}
    rows = results.order_by().annotate(**flags).values_list(*FACETS.values(), *flags)
    return Counter({tuple(row[:-1]): row[-1] for row in rows.annotate(n=models.Count("pk"))})


def count_all() -> Counts:
    """Return the counts of all results. New results are added to the cached counts."""
    cache, moment = caches["process"], time.monotonic()
    known: tuple[Counts, int, float] | None = cache.get(_CACHE_KEY)
    counts, last, until = known or (Counts(), 0, moment + KEPT_S)
    newest = Result.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    if newest != last:
        counts.update(count(Result.objects.filter(pk__gt=last, pk__lte=newest)))
        cache.set(_CACHE_KEY, (counts, newest, until), until - moment)
    return counts


def forget() -> None:
    """Count anew in this process: an import was removed. Others do within ``KEPT_S``."""
    caches["process"].delete(_CACHE_KEY)


def by(counts: Counts, name: str) -> Counter[Any]:
    totals: Counter[Any] = Counter()
    for key, n in counts.items():
        totals[key[_PLACES[name]]] += n
    return totals


@dataclass(frozen=True)
class Words:
    """Words of which a result has each. ``stamps``: what selects a flag of ``STAMPS``: "loaded
    host", in lower case. Filters that are made from others keep the same object, whose ``filter``
    is found once."""

    text: str = ""
    stamps: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.text)

    @cached_property
    def filter(self) -> Q:
        flags = sorted(map(re.escape, self.stamps), key=len, reverse=True)
        whole = rf"(?:{'|'.join(flags)})(?!\S)|" if flags else ""
        words = re.findall(rf"{whole}\S+", self.text, re.IGNORECASE)
        return meets(Result.objects, [_matches(word, self.stamps) for word in words])


@dataclass(frozen=True, slots=True)
class ResultFilters:
    """Filters of the list. Each facet has its selected values."""

    facets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    stamps: Sequence[str] = ()
    words: Words = field(default_factory=Words)
    deployment: int | None = None
    endpoint: int | None = None
    pinned: bool = False  # only results of pinned jobs
    tags: Sequence[str] = ()
    marks: Sequence[str] = ()  # of MARKS
    since: datetime | None = None
    until: datetime | None = None  # exclusive

    def without(self, facet: str) -> ResultFilters:
        """Return these filters without one facet, tag and mark included."""
        own = {"stamp": "stamps", "tag": "tags", "mark": "marks"}.get(facet)
        return replace(self, **{own: ()} if own else {"facets": {**self.facets, facet: ()}})

    @property
    def are_cached(self) -> bool:
        """Return True if the cached counts have all that these filters ask for."""
        others = (self.words, self.pinned, self.tags, self.marks, self.since, self.until)
        return not any(others) and self.deployment is self.endpoint is None

    @property
    def are_empty(self) -> bool:
        return self.are_cached and not self.stamps and not any(self.facets.values())


def matching(filters: ResultFilters) -> models.QuerySet[Result]:
    """Return the results that match ``filters``, newest first."""
    rows = Result.objects.all()
    for facet, values in filters.facets.items():
        if values:
            rows = rows.filter(_has_any(facet, values))
    if filters.stamps:
        rows = rows.filter(reduce(or_, (STAMPS[stamp] for stamp in filters.stamps)))
    if filters.pinned:
        # No join: the database may scan all results for a join.
        rows = rows.filter(job_id__in=Job.objects.filter(pinned_at__isnull=False).values("pk"))
    if filters.tags:
        rows = rows.filter(pk__in=Tag.objects.filter(name__in=filters.tags).values("result"))
    if filters.marks:
        rows = rows.filter(reduce(or_, (Q(pk__in=MARKS[mark]()) for mark in filters.marks)))
    bounds = {
        "deployment_id": filters.deployment,
        "endpoint_id": filters.endpoint,
        "created_at__gte": filters.since,
        "created_at__lt": filters.until,
    }
    rows = rows.filter(**{name: value for name, value in bounds.items() if value is not None})
    return rows.filter(filters.words.filter)


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
    imports = Import.objects.filter(Q(name__icontains=word) | Q(device__icontains=word))
    matches = (
        has_word(word)
        | Q(host__in=Host.objects.filter(name__icontains=word))
        | Q(deployment__in=Deployment.objects.filter(name__icontains=word))
        | Q(endpoint__in=Endpoint.objects.filter(name__icontains=word))
        | Q(imported__in=imports)
    )
    job, pk = number_from(word.removeprefix("#")), result_pk(word)
    if stamp := stamp_words.get(word.casefold()):
        matches |= STAMPS[stamp]
    if job is not None:
        matches |= Q(job_id=job)
    return matches if pk is None else matches | Q(pk=pk)


class ListedResults(NamedTuple):
    """``after``: cursor of the next page, "" at the end. ``pinned``, ``removed``: ids of jobs that
    are pinned, and whose log and files are removed."""

    results: Sequence[Result]
    after: str
    total: int
    pinned: frozenset[int]
    removed: frozenset[int]


def result_list(
    filters: ResultFilters,
    hosts: Callable[[], Iterable[Host]] = Host.objects.all,
    *,
    after: str = "",
    order: Order = NEWEST,
    counts: Counts | None = None,
) -> ListedResults:
    """Return a page of the list. ``hosts`` returns all hosts. ``counts``: of :func:`counts_of`, if
    known. A concurrency that only the points know is among the metrics."""
    total = _passing(counts_of(filters) if counts is None else counts, filters).total()
    # Read after the results: a join would make a host of each row anew.
    matches = matching(filters).prefetch_related("endpoint", "created_by", "imported")
    rows, following = sorting.sorted_page(matches, COLUMNS[order.name], order, after, PAGE)
    # Plans of jobs are large.
    kept = Job.objects.only("kind", "pinned_at", "removed_at")
    jobs = kept.in_bulk([row.job_id for row in rows if row.job_id is not None])
    by_id = {host.pk: host for host in hosts()}
    for row in rows:
        row.job, row.host = jobs.get(row.job_id), by_id.get(row.host_id or 0)
    unknown = {row.pk: row for row in rows if "concurrency" not in row.metrics}
    for pk, at in repeats.best_concurrencies(unknown.values()).items():
        if at:  # 0: without a limit
            unknown[pk].metrics["concurrency"] = at
    pinned = frozenset(pk for pk, job in jobs.items() if job.pinned_at is not None)
    removed = frozenset(pk for pk, job in jobs.items() if job.removed_at is not None)
    return ListedResults(rows, following, total, pinned, removed)


def counts_of(filters: ResultFilters) -> Counts:
    """Return the counts of results that match all filters but facets and flags."""
    if filters.are_cached:
        return count_all()
    return count(matching(replace(filters, facets={}, stamps=())))


def _passing(counts: Counts, filters: ResultFilters) -> Counts:
    """Return the counts that match any value per facet and any flag; empty selections match all."""
    wanted = {_PLACES[name]: set(values) for name, values in filters.facets.items() if values}
    marks = [_PLACES[name] for name in filters.stamps]
    chosen = {
        key: n
        for key, n in counts.items()
        if all(key[place] in values for place, values in wanted.items())
        and (not marks or any(key[place] for place in marks))
    }
    return Counter(chosen)


def facet_counts(
    filters: ResultFilters, counts: Counts | None = None
) -> dict[str, list[tuple[str, int]]]:
    """Return the values of each facet with result counts, highest first. An empty value is no
    choice: external results have no precision. ``counts``: of :func:`counts_of`, if known."""
    counts, facets = counts_of(filters) if counts is None else counts, {}
    for facet in FACETS:
        by_value = by(_passing(counts, filters.without(facet)), facet)
        values = [(str(value), n) for value, n in by_value.items() if value not in (None, "")]
        facets[facet] = sorted(values, key=lambda value: (-value[1], value[0]))
    open_counts = _passing(counts, filters.without("stamp"))
    stamps = [(name, by(open_counts, name)[True]) for name in STAMPS]
    facets["stamp"] = [(name, n) for name, n in stamps if n]
    return facets


def tag_counts(filters: ResultFilters) -> list[tuple[str, int]]:
    """Return the tags of the results that match the other filters, highest count first. Read each
    time, because tags change: the query walks tagged results only."""
    rows, others = Tag.objects.order_by(), filters.without("tag")
    if not others.are_empty:
        same = matching(others).order_by().filter(pk=models.OuterRef("result_id"))
        rows = rows.filter(models.Exists(same))
    counted = rows.values_list("name").annotate(n=models.Count("pk")).order_by("-n", "name")
    return list(counted[:MOST_SUGGESTED])


def mark_counts(filters: ResultFilters) -> dict[str, int]:
    """Return how many results have each mark, and "pinned", and match the other filters, where
    there are any."""
    wanted = {mark: replace(filters, marks=(mark,)) for mark in MARKS}
    queries = [
        matching(asked).order_by().annotate(mark=models.Value(mark)).values_list("mark")
        for mark, asked in {**wanted, "pinned": replace(filters, pinned=True)}.items()
    ]
    counted = [query.annotate(n=models.Count("pk")) for query in queries]
    return {mark: n for mark, n in counted[0].union(*counted[1:], all=True) if n}


def own_workloads() -> list[str]:
    """Return the latest workloads of own results, to declare an import equal to one."""
    rows = Result.objects.filter(imported=None).exclude(what="").order_by()
    found = rows.values("what").annotate(newest=models.Max("created_at")).order_by("-newest")
    return [row["what"] for row in found[:MOST_WORKLOADS]]


class IdentityRow(NamedTuple):
    """Runs of a measurement. ``latest``: a counted run if any. ``mean``: of the counted runs at
    ``concurrency``; ``history``: values of the latest."""

    latest: Result
    mean: Mean
    uncounted: int
    metric: str
    concurrency: int | None
    history: Sequence[float]


class IdentityPage(NamedTuple):
    """``rows`` by the time of their latest run; ``after`` is the next cursor, "" at the end;
    ``repeated``: how many of the ``total`` have more than one matching run."""

    rows: Sequence[IdentityRow]
    after: str
    total: int
    repeated: int


# Runs without an identity stand alone.
_KEY = models.Case(
    models.When(fingerprint="", then=Concat(models.Value("#"), Cast("pk", models.CharField()))),
    default=F("fingerprint"),
    output_field=models.CharField(),
)


def identity_list(filters: ResultFilters, after: str = "") -> IdentityPage:
    """Return identities with a run that matches ``filters``, latest first."""
    matches = matching(filters).order_by().annotate(key=_KEY)
    sizes = matches.values("key").annotate(runs=models.Count("pk"))
    twice = models.Count("key", filter=Q(runs__gt=1))
    counts = sizes.aggregate(total=models.Count("key"), repeated=twice)
    groups = matches.values("key").annotate(newest=models.Max("created_at"), last=models.Max("pk"))
    cursor = sorting.read_cursor(after, SortKey(F("newest"), sorting.read_moment))
    if cursor is not None and cursor.value is not None:
        groups = groups.filter(newest__lte=cursor.value).exclude(
            newest=cursor.value, last__gte=cursor.number
        )
    found = list(groups.order_by("-newest", "-last")[: PAGE + 1])
    more = len(found) > PAGE
    shown = found[:PAGE]
    end = f"{shown[-1]['last']}~{shown[-1]['newest'].isoformat()}" if more else ""
    return IdentityPage(_identities([group["key"] for group in shown]), end, **counts)


def _identities(keys: Sequence[str]) -> list[IdentityRow]:
    alone = [int(key[1:]) for key in keys if key.startswith("#")]
    rows = Result.objects.filter(Q(fingerprint__in=[*keys]) | Q(pk__in=alone))
    place = models.Window(
        RowNumber(),
        partition_by=[_KEY, *map(F, Result.UNCOUNTED)],
        order_by=[F("created_at").desc(), F("pk").desc()],
    )
    light = rows.only("fingerprint", *Result.UNCOUNTED, "metrics", "created_at")
    light = light.annotate(place=place).filter(place__lte=repeats.MOST).order_by("created_at", "pk")
    groups = grouped((run.fingerprint or f"#{run.pk}", run) for run in light)
    numbers = {
        key: next((run for run in reversed(groups[key]) if run.counts), groups[key][-1]).pk
        for key in keys
        if key in groups
    }
    whole = Result.objects.select_related("host", "deployment", "endpoint", "created_by")
    whole = whole.prefetch_related("imported")
    latest = whole.in_bulk(numbers.values())
    best = repeats.best_concurrencies(latest.values())
    points = repeats.read_points(
        (run.pk for runs in groups.values() for run in runs), best.values()
    )
    found = []
    for key, pk in numbers.items():
        head, runs, concurrency = latest[pk], groups[key], best.get(pk)
        metric = repeats.headline(head.type, head.metrics)
        counted = [run for run in runs if run.counts][-repeats.MOST :]
        if concurrency is None:
            values = [float(run.metrics[metric]) for run in counted if metric in run.metrics]
        else:
            values = repeats.values_at(points, [run.pk for run in counted], metric, concurrency)
        uncounted = sum(not run.counts for run in runs)
        mean = mean_of(head, metric, values)
        found.append(IdentityRow(head, mean, uncounted, metric, concurrency, values[-SPARK:]))
    return found


AT_ONCE = 1000
MOST_BASELINES = 20  # shown of a subject


class Organised(NamedTuple):
    """Names of tags, purposes of valid sign-offs, newest first, and number of notes of a result;
    ``is_baseline``: the current one."""

    tags: Sequence[str] = ()
    released: Sequence[str] = ()
    notes: int = 0
    is_baseline: bool = False


NONE = Organised()


def organised(results: Iterable[Result]) -> dict[int, Organised]:
    """Return what people added, by result id. One query for each ``AT_ONCE`` results."""
    numbers = [result.pk for result in results]
    found: dict[tuple[int, str], list[str]] = defaultdict(list)
    nothing = models.Value("")
    parts = (
        ("tag", Tag.objects, F("name"), models.Value(0)),
        ("released", SignOff.objects.filter(withdrawn_at=None), F("purpose"), -F("pk")),
        ("note", Note.objects, nothing, models.Value(0)),
        ("baseline", Baseline.objects.filter(ended_at=None), nothing, models.Value(0)),
    )
    for start in range(0, len(numbers), AT_ONCE):
        some = numbers[start : start + AT_ONCE]
        queries = [
            rows.filter(result__in=some)
            .order_by()
            .values_list("result_id")
            .annotate(part=models.Value(part), place=place, word=word)
            for part, rows, word, place in parts
        ]
        rows = queries[0].union(*queries[1:], all=True).order_by("place", "word")
        for pk, part, _place, word in rows:
            found[pk, part].append(word)
    return {
        pk: Organised(
            *(found[pk, "tag"], found[pk, "released"], len(found[pk, "note"])),
            bool(found[pk, "baseline"]),
        )
        for pk in numbers
    }


def tags_of(result: Result) -> list[Tag]:
    return list(result.tags.select_related("created_by"))


def notes_of(result: Result) -> list[Note]:
    return list(result.notes.select_related("created_by", "edited_by"))


def sign_offs_of(result: Result) -> list[SignOff]:
    return list(result.sign_offs.select_related("created_by", "withdrawn_by"))


class BaselineHistory(NamedTuple):
    """Baselines of a subject, newest first. ``undo``: result of the state before the last change;
    ``undo_sets``: as baseline, else it would be none."""

    rows: Sequence[Baseline]
    current: Baseline | None
    undo: Result | None
    undo_sets: bool


def baseline_history(result: Result) -> BaselineHistory:
    if not result.subject:
        return BaselineHistory((), None, None, undo_sets=False)
    found = Baseline.objects.filter(subject=result.subject)
    rows = list(found.select_related("result", "created_by", "ended_by")[:MOST_BASELINES])
    if not rows:
        return BaselineHistory((), None, None, undo_sets=False)
    last = rows[0]
    if last.ended_at is not None:
        return BaselineHistory(rows, None, last.result, undo_sets=True)
    replaced = next((row for row in rows[1:] if row.ended_at == last.created_at), None)
    return BaselineHistory(rows, last, (replaced or last).result, undo_sets=replaced is not None)


def tag_names() -> list[str]:
    return [name for name, _n in tag_counts(ResultFilters())]


def views_for(user: AbstractBaseUser) -> list[SavedView]:
    """Return the saved views of ``user``, then shared ones, by name."""
    visible = SavedView.objects.filter(Q(created_by_id=user.pk) | Q(is_shared=True))
    rows = list(visible.select_related("created_by"))
    return sorted(rows, key=lambda view: (view.created_by_id != user.pk, view.name, view.pk))
