"""Repeats of a measurement: results with the same identity, at the same concurrency."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, OrderBy, Prefetch, QuerySet, Window
from django.db.models.functions import RowNumber

from jobs.models import Deployment, Result, ResultPoint
from jobs.statistics import Interval

MOST = 50
Point = tuple[int, Mapping[str, Any]]  # concurrency, metrics


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric over repeats at one concurrency; ``interval`` is None with fewer than three."""

    runs: int
    mean: float
    interval: Interval | None


def repeats_of(result: Result, *, uncounted: bool = False) -> QuerySet[Result]:
    """Return other runs of the measurement. ``uncounted``: with those of ``Result.UNCOUNTED``."""
    if not result.fingerprint:
        return Result.objects.none()
    rows = Result.objects.filter(fingerprint=result.fingerprint).exclude(pk=result.pk)
    return rows if uncounted else rows.filter(Result.COUNTED)


def counted_with(result: Result, *, uncounted: bool = False) -> list[Result]:
    """Return ``result`` and its repeats, oldest first, at most ``MOST``."""
    others = repeats_of(result, uncounted=uncounted).order_by("created_at", "pk")
    others = others.prefetch_related("points")[: MOST - 1]
    return sorted([result, *others], key=lambda run: (run.created_at, run.pk))


def other_runs(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the runs of each identity of ``results`` that are not among these, oldest first: at
    most ``MOST`` counted ones, and of each mark that keeps a run from counting. They have no large
    fields."""
    others = Result.objects.filter(fingerprint__in={one.fingerprint for one in results} - {""})
    others = others.exclude(pk__in=[one.pk for one in results])
    parts, by = ("fingerprint", *Result.UNCOUNTED), ("created_at", "pk")
    rows = first_of_each(others, parts, [F(name).asc() for name in by]).order_by(*by)
    found: dict[str, list[Result]] = defaultdict(list)
    for run in rows.only(*parts, "created_at", "job_id", "imported_id"):
        found[run.fingerprint].append(run)
    return found


def first_of_each(
    rows: QuerySet[Result], parts: Sequence[str], by: Sequence[OrderBy], most: int = MOST
) -> QuerySet[Result]:
    """Return the first ``most`` rows of each combination of ``parts``; ``place`` is the rank."""
    place = Window(RowNumber(), partition_by=[F(name) for name in parts], order_by=[*by])
    return rows.annotate(place=place).filter(place__lte=most)


def read_points(
    results: Iterable[int], concurrencies: Iterable[int] | None = None
) -> Mapping[int, Sequence[Point]]:
    """Return the points of each result by its id, in order; at these concurrencies, else all.

    Prefetched rows of hundreds of runs would take most of a page's time.
    """
    rows = ResultPoint.objects.filter(result__in=set(results))
    if concurrencies is not None:
        rows = rows.filter(concurrency__in=set(concurrencies))
    found: dict[int, list[Point]] = defaultdict(list)
    for result, concurrency, metrics in rows.values_list("result_id", "concurrency", "metrics"):
        found[result].append((concurrency, metrics))
    return found


def values_at(
    points: Mapping[int, Sequence[Point]], runs: Iterable[int], metric: str, concurrency: int
) -> list[float]:
    """Return the metric of each run measured at ``concurrency``, in order."""
    return [
        float(metrics[metric])
        for run in runs
        for at, metrics in points.get(run, ())
        if at == concurrency and metric in metrics
    ]


def points_at(concurrencies: Iterable[int]) -> Prefetch[str]:
    """Return the prefetch of the points at these concurrencies, for :func:`at_concurrency`."""
    return Prefetch("points", ResultPoint.objects.filter(concurrency__in=set(concurrencies)))


def at_concurrency(results: Sequence[Result], metric: str, concurrency: int) -> list[float]:
    """Return the metric of each result measured at ``concurrency``, in order."""
    return [
        float(point.metrics[metric])
        for result in results
        for point in result.points.all()
        if point.concurrency == concurrency and metric in point.metrics
    ]


def disturbers(results: Iterable[Result]) -> dict[int, list[Deployment]]:
    """Return, by result id, the other deployments running on its host now: these would disturb a
    new run. Results without other deployments are left out, as are those of endpoints, which no
    deployment of the host disturbs."""
    rows = [result for result in results if result.endpoint_id is None]
    up = list(
        Deployment.objects.filter(
            state__in=Deployment.LIVE_STATES, host__in={result.host_id for result in rows}
        ).order_by("pk")
    )
    beside = {
        result.pk: [
            one for one in up if one.host_id == result.host_id and one.pk != result.deployment_id
        ]
        for result in rows
    }
    return {pk: those for pk, those in beside.items() if those}
