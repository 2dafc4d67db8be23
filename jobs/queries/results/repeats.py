"""Results that belong together: repeats with their points, and which run stands for a model."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import models
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Cast, Coalesce, Greatest, RowNumber
from pydantic_core import from_json

from jobs.base import grouped
from jobs.models import Baseline, Deployment, Result, ResultPoint, SignOff
from jobs.queries import sorting

MOST = 50
Point = tuple[int, Mapping[str, Any]]  # concurrency, metrics
# Main and second metric: the first measured one counts. An offline batch has only a latency.
_FIRST: dict[str, Sequence[str]] = {
    Result.Type.BENCHMARK: ("output_tokens_per_s", "total_tokens_per_s", "batch_latency_mean_s"),
    Result.Type.EVALUATION: ("accuracy", "accuracy_macro"),
}
SECONDARY: dict[str, Sequence[str]] = {
    Result.Type.BENCHMARK: ("ttft_p50_ms", "batch_latency_p99_s", "requests_per_s"),
    Result.Type.EVALUATION: ("questions",),
}


def headline(
    result_type: str, metrics: Mapping[str, Any], of: Mapping[str, Sequence[str]] = _FIRST
) -> str:
    return next((name for name in of[result_type] if name in metrics), of[result_type][0])


def repeats_of(result: Result, *, uncounted: bool = False) -> QuerySet[Result]:
    """Return other runs of the measurement, those of ``Result.UNCOUNTED`` if ``uncounted``."""
    if not result.fingerprint:
        return Result.objects.none()
    rows = Result.objects.filter(fingerprint=result.fingerprint).exclude(pk=result.pk)
    return rows if uncounted else rows.filter(Result.COUNTED)


def counted_with(result: Result) -> list[Result]:
    """Return ``result`` and its counted repeats, oldest first, at most ``MOST``."""
    others = repeats_of(result).order_by("created_at", "pk")
    others = others.prefetch_related("points")[: MOST - 1]
    return sorted([result, *others], key=lambda run: (run.created_at, run.pk))


def other_runs(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the runs of each identity of ``results`` that are not among these, oldest first,
    without large fields: at most ``MOST`` counted ones, and of each mark that keeps a run from
    counting."""
    others = Result.objects.filter(fingerprint__in={one.fingerprint for one in results} - {""})
    others = others.exclude(pk__in=[one.pk for one in results])
    parts, by = ("fingerprint", *Result.UNCOUNTED), ("created_at", "pk")
    rows = first_of_each(others, parts, [F(name).asc() for name in by]).order_by(*by)
    light = rows.only(*parts, "created_at", "job_id", "imported_id")
    return grouped((run.fingerprint, run) for run in light)


def first_of_each(
    rows: QuerySet[Result], parts: Sequence[str], by: Sequence[models.OrderBy], most: int = MOST
) -> QuerySet[Result]:
    """Return the first ``most`` rows of each combination of ``parts``; ``place`` is the rank."""
    place = models.Window(RowNumber(), partition_by=[F(name) for name in parts], order_by=[*by])
    return rows.annotate(place=place).filter(place__lte=most)


def read_points(
    results: Iterable[int], concurrencies: Iterable[int] | None = None
) -> Mapping[int, Sequence[Point]]:
    """Return the points of each result by its id, in order; at these concurrencies, else all.
    Prefetched rows of hundreds of runs would take most of a page's time, and Django's reading of
    their JSON a fifth."""
    rows = ResultPoint.objects.filter(result__in=set(results))
    if concurrencies is not None:
        rows = rows.filter(concurrency__in=set(concurrencies))
    texts = Cast("metrics", models.TextField())
    points = rows.values_list("result_id", "concurrency", texts)
    return grouped((result, (at, from_json(metrics))) for result, at, metrics in points)


def metrics_at(points: Iterable[Point], concurrency: int | None) -> Mapping[str, Any]:
    return next((metrics for at, metrics in points if at == concurrency), {})


def values_at(
    points: Mapping[int, Sequence[Point]], runs: Iterable[int], metric: str, concurrency: int
) -> list[float]:
    return [
        float(metrics[metric])
        for run in runs
        for at, metrics in points.get(run, ())
        if at == concurrency and metric in metrics
    ]


def best_concurrency(result: Result, metric: str, points: Iterable[Point]) -> int | None:
    """Return the concurrency of the point that has the result's own value of ``metric``."""
    value = result.metrics.get(metric)
    if value is None:
        return None
    return next((at for at, metrics in points if metrics.get(metric) == value), None)


def best_concurrencies(results: Iterable[Result]) -> dict[int, int]:
    """Return :func:`best_concurrency` of each result by its id, where it has one. The database
    compares the values: parsing all points takes longer than the rest of a list."""
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


def disturbers(results: Iterable[Result]) -> dict[int, list[Deployment]]:
    """Return, by result id, the other deployments running on its host now, which would disturb a
    new run; none for endpoints. Results without any are left out."""
    rows = [result for result in results if result.endpoint_id is None]
    hosts = {result.host_id for result in rows}
    up = Deployment.objects.filter(state__in=Deployment.LIVE_STATES, host__in=hosts).order_by("pk")
    return grouped(
        (row.pk, one)
        for one in up
        for row in rows
        if one.host_id == row.host_id and one.pk != row.deployment_id
    )


def best_first(rows: QuerySet[Result]) -> QuerySet[Result]:
    """Return ``rows``, what stands for them first.

    1. A real result, then a simulated one.
    2. A sign-off or a current baseline.
    3. A run that counts: neither disturbed nor incomplete nor of a loaded host.
    4. Of sign-offs and baselines the latest choice; of others the most requests or questions.
    5. The newest.

    Evaluations that stopped early are left out: the answers chose which questions they cover.
    """
    return _rated(rows).order_by(*_BEST_FIRST)


def first_of(rows: QuerySet[Result], parts: tuple[str, ...]) -> list[int]:
    """Return the ids of what stands for each combination of ``parts``."""
    ranked = first_of_each(_rated(rows).order_by(), parts, _BEST_FIRST, 1)
    return list(ranked.values_list("pk", flat=True))


_BEST_FIRST = (
    F("simulated").asc(),
    F("is_chosen").desc(),
    F("is_counted").desc(),
    F("chosen_at").desc(nulls_last=True),
    F("sample").desc(),
    F("created_at").desc(),
    F("pk").desc(),
)
# Requests of all points, of a single point, or questions.
_SAMPLES = ("requests_all", "requests", "questions")


def _rated(rows: QuerySet[Result]) -> QuerySet[Result]:
    """Add the terms of ``_BEST_FIRST``; leave out what stopped early."""
    own = {"result": models.OuterRef("pk")}
    choices = (
        SignOff.objects.filter(withdrawn_at=None, **own),
        Baseline.objects.filter(ended_at=None, **own),
    )
    signed, base = (
        models.Subquery(rows.order_by("-created_at").values("created_at")[:1]) for rows in choices
    )
    planned, asked = (sorting.metric(name).value for name in ("planned_questions", "questions"))
    sample = Coalesce(sorting.metric(*_SAMPLES).value, models.Value(0.0))
    rated = rows.annotate(planned=planned, asked_of_them=asked).filter(
        Q(planned=None) | Q(planned__lte=F("asked_of_them"))
    )
    return rated.annotate(
        # The later of both, where there are both: a database may not compare with NULL.
        chosen_at=Coalesce(Greatest(signed, base), signed, base),
        is_chosen=true_where(Q(chosen_at__isnull=False)),
        is_counted=true_where(Result.COUNTED),
        sample=models.Case(models.When(is_chosen=True, then=models.Value(0.0)), default=sample),
    )


def true_where(condition: Q) -> models.Case:
    return models.Case(
        models.When(condition, then=True), default=False, output_field=models.BooleanField()
    )
