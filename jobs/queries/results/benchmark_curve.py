"""Curve of a benchmark with its repeats, and the concurrency limits of what served it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from jobs.base.numbers import number_from
from jobs.catalog import STACKS
from jobs.metrics.measured import RequestRow
from jobs.models import Deployment, PointRequests, Result
from jobs.queries.results.conclusion import Limit
from jobs.queries.results.curve import CurvePoint, curve
from jobs.queries.results.repeats import Point
from jobs.queries.results.results import ResultPage, point_rows

WARM_UP = "--warmup-num"  # of EvalScope; vLLM's engine counts requests itself
# Requests read for one page: 12 points of 4,000 are far more than intervals need.
MOST_REQUESTS = 50_000


def runs_of(page: ResultPage) -> list[Result]:
    """Return the result with its counted repeats; one that does not count alone."""
    others = [run for run in page.repeats if run.counts] if page.result.counts else []
    return [page.result, *others]


def curve_of(page: ResultPage) -> list[CurvePoint]:
    """Return the curve of a benchmark at its own concurrencies, each over its runs
    (:func:`runs_of`)."""
    runs = runs_of(page)
    requests = _requests([run.pk for run in runs])
    return curve([own_points(page, run) for run in runs], requests)


def own_points(page: ResultPage, run: Result) -> list[Point]:
    """Return the points of ``run`` at the concurrencies that the page's result measured."""
    own = {point.concurrency for point in page.points}
    return [row for row in point_rows(run) if row[0] in own]


def further_points(page: ResultPage) -> list[tuple[Result, list[Point]]]:
    """Return other runs with their points at concurrencies that the page's result did not measure,
    latest first; runs without such a point are left out."""
    own = {0, *(point.concurrency for point in page.points)}
    rows = (
        (run, [row for row in point_rows(run) if row[0] not in own]) for run in runs_of(page)[1:]
    )
    return [(run, points) for run, points in rows if points]


def point_curve(runs: Sequence[Result], concurrency: int) -> CurvePoint:
    """Return one concurrency of a curve over runs that measured it; it may be 0, no limit."""
    requests = _requests([run.pk for run in runs], concurrency).get(concurrency, [])
    rows = [metrics for run in runs for c, metrics in point_rows(run) if c == concurrency]
    return CurvePoint(concurrency, rows, requests)


def limits_of(deployment: Deployment | None) -> list[Limit]:
    """Return the known concurrency limits of a deployment: its own setting, and that of its
    stack."""
    if deployment is None:
        return []
    params: Mapping[str, Any] = deployment.job.params or {}
    limits = []
    for field in LIMIT_FIELDS:
        most = params.get(field)
        if isinstance(most, int) and most > 0:
            limits.append(Limit(most, "deployment"))
    stack = STACKS.get(str(deployment.details.get("stack") or ""))
    # Of vLLM; a Build_In server has its batch size.
    if stack is not None and not limits and stack.vllm.max_concurrency:
        limits.append(Limit(stack.vllm.max_concurrency, "stack"))
    return limits


# Fields of deploy kinds with the highest concurrency.
LIMIT_FIELDS = ("parallel", "batch_size")


def warm_ups_of(result: Result) -> int:
    """Return the warm-up requests before each point, as the command of the tool says; 0: none, or
    unknown."""
    plan = result.job.plan if result.job else {}
    for step in plan.get("steps", ()):
        argv = [str(arg) for arg in step.get("argv", ())]
        for option, value in pairwise(argv):
            if option == WARM_UP:
                return min(number_from(value) or 0, MOST_REQUESTS)
    return 0


def _requests(
    results: Sequence[int], concurrency: int | None = None
) -> dict[int, list[RequestRow]]:
    """Return the stored requests by concurrency, of the first results up to ``MOST_REQUESTS``."""
    rows = PointRequests.objects.filter(point__result__in=results).order_by("point__result_id")
    if concurrency is not None:
        rows = rows.filter(point__concurrency=concurrency)
    by_concurrency: dict[int, list[RequestRow]] = {}
    left = MOST_REQUESTS
    for concurrency, stored in rows.values_list("point__concurrency", "rows").iterator(20):
        if left <= 0:
            break
        by_concurrency.setdefault(concurrency, []).extend(map(tuple, stored))
        left -= len(stored)
    return by_concurrency
