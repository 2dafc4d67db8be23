"""Results by identity: one row for all runs of a measurement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import CharField, F, Max, QuerySet, Value, Window
from django.db.models.expressions import Case, When
from django.db.models.functions import Cast, Concat, RowNumber

from jobs.models import Result, ResultPoint
from jobs.queries.results.filters import Filters, matching
from jobs.queries.results.headline import headline
from jobs.queries.results.repeats import MOST, Point, read_points, values_at
from jobs.queries.results.results import accuracy
from jobs.queries.sorting import Column, read_cursor, read_moment
from jobs.statistics import Interval, mean, mean_interval

PAGE = 50
SPARK = 14
# Runs without an identity stand alone.
_KEY = Case(
    When(fingerprint="", then=Concat(Value("#"), Cast("pk", CharField()))),
    default=F("fingerprint"),
    output_field=CharField(),
)


@dataclass(frozen=True, slots=True)
class IdentityRow:
    """Runs of a measurement. ``latest`` is the latest counted run, else the latest.

    ``value`` is the mean of ``runs`` counted runs at ``concurrency``, None without any;
    ``interval`` is its 95 % interval, of an accuracy that of the questions.
    """

    latest: Result
    runs: int
    uncounted: int
    metric: str
    concurrency: int | None
    value: float | None
    interval: Interval | None
    history: Sequence[float]


@dataclass(frozen=True, slots=True)
class IdentityPage:
    """``rows`` by the time of their latest run; ``after`` is the next cursor, "" at the end."""

    rows: Sequence[IdentityRow]
    after: str
    total: int


def identity_list(filters: Filters, after: str = "") -> IdentityPage:
    """Return identities with a run that matches ``filters``, latest first."""
    matches = matching(filters).order_by().annotate(key=_KEY)
    total = matches.values("key").distinct().count()
    groups = matches.values("key").annotate(newest=Max("created_at"), last=Max("pk"))
    cursor = read_cursor(after, Column(F("newest"), read_moment))
    if cursor is not None and cursor.value is not None:
        groups = groups.filter(newest__lte=cursor.value).exclude(
            newest=cursor.value, last__gte=cursor.number
        )
    found = list(groups.order_by("-newest", "-last")[: PAGE + 1])
    more = len(found) > PAGE
    shown = found[:PAGE]
    end = f"{shown[-1]['last']}~{shown[-1]['newest'].isoformat()}" if more else ""
    return IdentityPage(_rows([group["key"] for group in shown]), end, total)


def _rows(keys: Sequence[str]) -> list[IdentityRow]:
    groups: dict[str, list[Result]] = defaultdict(list)
    for run in _runs(keys):
        groups[run.fingerprint or f"#{run.pk}"].append(run)
    latest = {key: _latest(groups[key]) for key in keys if groups[key]}
    whole = Result.objects.select_related("host", "deployment", "endpoint", "created_by")
    rows = whole.in_bulk([run.pk for run in latest.values()])
    best = best_concurrencies(rows.values())
    everyone = [run.pk for runs in groups.values() for run in runs]
    points = read_points(everyone, best.values())
    return [
        _row(rows[run.pk], groups[key], best.get(run.pk), points) for key, run in latest.items()
    ]


def _runs(keys: Sequence[str]) -> QuerySet[Result]:
    """Return the latest counted and uncounted runs of each identity, oldest first, with what a row
    reads of them."""
    named = [key for key in keys if not key.startswith("#")]
    alone = [int(key[1:]) for key in keys if key.startswith("#")]
    rows = Result.objects.filter(fingerprint__in=named) | Result.objects.filter(pk__in=alone)
    place = Window(
        RowNumber(),
        partition_by=[_KEY, *map(F, Result.UNCOUNTED)],
        order_by=[F("created_at").desc(), F("pk").desc()],
    )
    light = rows.only("fingerprint", *Result.UNCOUNTED, "metrics", "created_at")
    return light.annotate(place=place).filter(place__lte=MOST).order_by("created_at", "pk")


def _latest(runs: Sequence[Result]) -> Result:
    return next((run for run in reversed(runs) if run.counts), runs[-1])


def _row(
    latest: Result,
    runs: Sequence[Result],
    concurrency: int | None,
    points: Mapping[int, Sequence[Point]],
) -> IdentityRow:
    metric = headline(latest.type, latest.metrics)
    counted = [run for run in runs if run.counts][-MOST:]
    if concurrency is None:
        values = [float(run.metrics[metric]) for run in counted if metric in run.metrics]
    else:
        values = values_at(points, [run.pk for run in counted], metric, concurrency)
    interval = mean_interval(values)
    if metric == "accuracy" and values:
        interval = accuracy(latest, mean(values))
    return IdentityRow(
        latest=latest,
        runs=len(values),
        uncounted=sum(not run.counts for run in runs),
        metric=metric,
        concurrency=concurrency,
        value=mean(values) if values else None,
        interval=interval,
        history=values[-SPARK:],
    )


def best_concurrency(result: Result, metric: str, points: Sequence[Point]) -> int | None:
    """Return the concurrency of the point that has the result's own value of ``metric``."""
    value = result.metrics.get(metric)
    if value is None:
        return None
    return next((at for at, metrics in points if metrics.get(metric) == value), None)


def best_concurrencies(results: Iterable[Result]) -> dict[int, int]:
    """Return :func:`best_concurrency` of each result by its id, where it has one.

    The database compares the values: parsing all points takes longer than the rest of a list.
    """
    named: dict[str, list[int]] = defaultdict(list)
    for result in results:
        metric = headline(result.type, result.metrics)
        if result.type == Result.Type.BENCHMARK and result.metrics.get(metric) is not None:
            named[metric].append(result.pk)
    found: dict[int, int] = {}
    for metric, numbers in named.items():
        own = {f"metrics__{metric}": F(f"result__metrics__{metric}")}
        points = ResultPoint.objects.filter(result__in=numbers, **own)
        for number, concurrency in points.values_list("result_id", "concurrency"):
            found.setdefault(number, concurrency)
    return found
