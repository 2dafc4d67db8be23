"""Curve of a benchmark: a point per concurrency over its runs; its limits; one point alone."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, pairwise
from operator import itemgetter
from typing import Any, Literal, NamedTuple, Self, cast

from django.db.models import TextField
from django.db.models.functions import Cast
from pydantic_core import from_json

from jobs import logstore
from jobs.base import grouped
from jobs.base.errors import PlanError
from jobs.base.numbers import number_from, result_number
from jobs.catalog import STACKS
from jobs.kinds.lib.common import holds_load
from jobs.metrics.measured import RequestRow, RequestTimes
from jobs.models import Deployment, JobStep, PointRequests, Result
from jobs.plans import Step
from jobs.plans import from_json as plan_from_json
from jobs.queries.results.repeats import Point, counted_with
from jobs.queries.results.results import ResultPage, point_rows
from jobs.statistics import Interval, mean, mean_interval, quantile_interval, relative_difference

WARM_UP = "--warmup-num"  # of EvalScope; vLLM's engine counts requests itself
# Requests read for one page: 12 points of 4,000 are far more than intervals need.
MOST_REQUESTS = 50_000
RATE = "output_tokens_per_s"
# The knee: a rate this close to the best is as good as the best. Runs of one measurement differ by
# a few per cent, and 5 % of throughput never pays for a doubled latency.
CLOSE = 0.05
# Three or more runs of both may show that a larger gap is noise, but only up to here.
CLOSE_IF_NOISE = 0.10
# Percentiles of a latency that tools report.
PERCENTILES = (50, 90, 95, 99)
Column = Sequence[float | None]


@dataclass(frozen=True, eq=False)
class Requests:
    """Completed requests of a point, a column for each field of :class:`RequestTimes`; none where
    the tool did not write them."""

    columns: Sequence[Column] = ()

    @classmethod
    def of(cls, rows: Iterable[RequestRow]) -> Self:
        return cls(tuple(zip(*rows, strict=True)))

    @cached_property
    def times(self) -> Mapping[str, Sequence[float]]:
        """Return the rising times, by field, but for fields that a request lacks."""
        columns = zip(RequestTimes._fields, self.columns, strict=False)
        whole = {name: cast("list[float]", own) for name, own in columns if None not in own}
        return {name: array("d", sorted(own)) for name, own in whole.items()}

    @cached_property
    def quantiles(self) -> Mapping[str, Interval]:
        """Return 95 % intervals of latency percentiles over all requests, by metric."""
        found = {}
        for field, values in self.times.items():
            family, unit = field.split("_")
            for percentile in PERCENTILES:
                interval = quantile_interval(values, percentile / 100)
                if interval is not None:
                    found[f"{family}_p{percentile}_{unit}"] = interval
        return found


NO_REQUESTS = Requests()


@dataclass(frozen=True)
class CurvePoint:
    """Point of a curve: the metrics of each run at this concurrency. ``requests``: the completed
    requests of all runs. ``completed`` and ``failed``: their numbers over all runs; 0: none, or not
    reported."""

    concurrency: int
    runs: Sequence[Mapping[str, float]]
    requests: Requests = NO_REQUESTS

    def values(self, metric: str) -> list[float]:
        return [float(run[metric]) for run in self.runs if run.get(metric) is not None]

    def mean(self, metric: str) -> float | None:
        values = self.values(metric)
        return mean(values) if values else None

    def interval(self, metric: str) -> Interval | None:
        """Return the interval of the mean of three or more runs, else of the percentile."""
        if metric not in self._intervals:
            own = mean_interval(self.values(metric)) or self.requests.quantiles.get(metric)
            self._intervals[metric] = own
        return self._intervals[metric]

    @cached_property
    def _intervals(self) -> dict[str, Interval | None]:
        """Charts and tables of a page ask for the same ones."""
        return {}

    @property
    def rate(self) -> float:
        return self.mean(RATE) or 0.0

    @property
    def noise(self) -> float | None:
        """Return half the interval of the mean rate as a share of it; None under three runs."""
        interval = mean_interval(self.values(RATE))
        return (interval.high - interval.low) / 2 / interval.value if interval else None

    @property
    def completed(self) -> int:
        return int(sum(self.values("requests")))

    @property
    def failed(self) -> int:
        return int(sum(self.values("failed_requests")))

    @property
    def is_usable(self) -> bool:
        return self.rate > 0 and holds_load(self.completed, self.failed)

    def is_as_good_as(self, best: CurvePoint) -> bool:
        """Return True where the rate is close to that of ``best``, or apart only by noise."""
        if self.rate >= (1 - CLOSE) * best.rate:
            return True
        gap = relative_difference(best.values(RATE), self.values(RATE))
        is_close = self.rate >= (1 - CLOSE_IF_NOISE) * best.rate
        return gap is not None and gap.includes_zero and is_close


def curve(
    runs: Iterable[Iterable[Point]], requests: Mapping[int, Requests] | None = None
) -> list[CurvePoint]:
    """Return the curve of several runs, by concurrency, without points that had no limit (0)."""
    rows = grouped(chain.from_iterable(runs))
    return [
        CurvePoint(concurrency, own, (requests or {}).get(concurrency, NO_REQUESTS))
        for concurrency, own in sorted(rows.items(), key=itemgetter(0))
        if concurrency > 0
    ]


def runs_of(page: ResultPage) -> list[Result]:
    """Return the result with its counted repeats; one that does not count alone."""
    others = [run for run in page.repeats if run.counts] if page.result.counts else []
    return [page.result, *others]


def curve_of(page: ResultPage) -> list[CurvePoint]:
    """Return the curve of a benchmark at its own concurrencies, each over its runs."""
    runs = runs_of(page)
    requests = _requests([run.pk for run in runs])
    return curve([own_points(page, run) for run in runs], requests)


def own_points(page: ResultPage, run: Result) -> list[Point]:
    """Return the points of ``run`` at the concurrencies that the page's result measured."""
    own = {point.concurrency for point in page.points}
    return [row for row in page.rows[run.pk] if row[0] in own]


def further_points(page: ResultPage) -> list[tuple[Result, list[Point]]]:
    """Return other runs with their points at further concurrencies, latest first."""
    own = {0, *(point.concurrency for point in page.points)}
    rows = (
        (run, [row for row in page.rows[run.pk] if row[0] not in own]) for run in runs_of(page)[1:]
    )
    return [(run, points) for run, points in rows if points]


class ServingLimit(NamedTuple):
    """Highest concurrency that is served at once; further requests wait. ``origin``: "deployment"
    for a setting of the server, "stack" for a published limit."""

    most: int
    origin: Literal["deployment", "stack"]


# Fields of deploy kinds with the highest concurrency.
LIMIT_FIELDS = ("parallel", "batch_size")


def limits_of(deployment: Deployment | None) -> list[ServingLimit]:
    """Return the known concurrency limits: of the deployment's own setting, else of its stack."""
    if deployment is None:
        return []
    params: Mapping[str, Any] = deployment.job.params or {}
    values = [params.get(field) for field in LIMIT_FIELDS]
    limits = [
        ServingLimit(most, "deployment") for most in values if isinstance(most, int) and most > 0
    ]
    stack = STACKS.get(str(deployment.details.get("stack") or ""))
    # Of vLLM; a Build_In server has its batch size.
    if stack is not None and not limits and stack.vllm.max_concurrency:
        return [ServingLimit(stack.vllm.max_concurrency, "stack")]
    return limits


def warm_ups_of(result: Result) -> int:
    """Return the warm-up requests before each point, by the tool's command; 0: none or unknown."""
    plan = result.job.plan if result.job else {}
    for step in plan.get("steps", ()):
        for option, value in pairwise(map(str, step.get("argv", ()))):
            if option == WARM_UP:
                return min(number_from(value) or 0, MOST_REQUESTS)
    return 0


def _requests(results: Sequence[int], concurrency: int | None = None) -> Mapping[int, Requests]:
    """Return the stored requests by concurrency, of the first results up to ``MOST_REQUESTS``."""
    rows = PointRequests.objects.filter(point__result__in=results)
    if concurrency is not None:
        rows = rows.filter(point__concurrency=concurrency)
    return stored_requests(tuple(rows.order_by("point__result_id").values_list("pk", flat=True)))


@lru_cache(maxsize=8)  # a page of 50,000 takes 2.4 MB
def stored_requests(numbers: tuple[int, ...]) -> Mapping[int, Requests]:
    """Return stored requests by concurrency. They never change: the next page has them sorted."""
    rows = PointRequests.objects.filter(pk__in=numbers).order_by("point__result_id")
    by_concurrency: dict[int, list[list[float | None]]] = {}
    left = MOST_REQUESTS
    # Django's own reading of the JSON would be a fifth of a page with 27 runs.
    texts = rows.values_list("point__concurrency", Cast("rows", TextField()))
    for at, text in texts.iterator(20):
        if left <= 0:
            break
        stored = from_json(text)
        columns = by_concurrency.setdefault(at, [[] for _ in RequestTimes._fields])
        for column, values in zip(columns, zip(*stored, strict=True), strict=False):
            column.extend(values)
        left -= len(stored)
    return {at: Requests([_packed(one) for one in own]) for at, own in by_concurrency.items()}


def _packed(column: Sequence[float | None]) -> Column:
    return column if None in column else array("d", cast("Sequence[float]", column))


class PointPage(NamedTuple):
    """Point of a result. ``own``: of this run, ``all_runs``: of it and its counted repeats.
    ``step``: the command that measured it, None if the plan cannot be read; ``log_line``: its first
    line in the job's log, None without output or log."""

    result: Result
    own: CurvePoint
    all_runs: CurvePoint
    step: Step | None
    log_line: int | None


def point_page(result_id: int, concurrency: int) -> PointPage:
    """Return a point of a result; concurrency 0 is no limit. Raises ``Result.DoesNotExist``."""
    rows = Result.objects.select_related("host", "job", "deployment", "endpoint", "created_by")
    result = rows.get(pk=result_id)
    own = _point([result], concurrency)
    if not own.runs:
        raise Result.DoesNotExist(f"{result_number(result_id)} has no point at {concurrency}")
    runs = counted_with(result) if result.counts else [result]
    all_runs = _point(runs, concurrency) if len(runs) > 1 else own
    step = _step(result, concurrency)
    return PointPage(result, own, all_runs, step, _log_line(result, step) if step else None)


def _point(runs: Sequence[Result], concurrency: int) -> CurvePoint:
    requests = _requests([run.pk for run in runs], concurrency).get(concurrency, NO_REQUESTS)
    rows = [metrics for run in runs for c, metrics in point_rows(run) if c == concurrency]
    return CurvePoint(concurrency, rows, requests)


def _step(result: Result, concurrency: int) -> Step | None:
    """Return the step of this concurrency, else the one that measured all, else the last."""
    try:
        plan = plan_from_json(result.job.plan if result.job else {})
    except PlanError:
        return None
    by_name = {step.name: step for step in plan.steps}
    return by_name.get(f"measure-{concurrency}") or by_name.get("measure") or plan.steps[-1]


def _log_line(result: Result, step: Step) -> int | None:
    if result.job is None or result.job.removed_at is not None:
        return None
    ran = JobStep.objects.filter(job=result.job, name=step.name).first()
    if ran is None or ran.log_from is None or ran.log_from == ran.log_to:
        return None
    return logstore.store().line_begun_at(f"job/{result.job_id}", ran.log_from)
