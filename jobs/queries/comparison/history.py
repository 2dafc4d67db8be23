"""History of a measurement: its runs over time, and what changed where the value moves.

The runs are those of one subject, and of the same workload with other versions of its tool.
Consecutive runs with the same identity are a period. A change compares a period with the last one
before it that has values. Another version of the tool bars the comparison: the engine did not move.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, NamedTuple

from django.db.models import F, Max, OrderBy, Prefetch, Q

from jobs.base import grouped
from jobs.base.numbers import finite
from jobs.models import Baseline, Result, ResultPoint
from jobs.queries.comparison.accuracy import paired_gap
from jobs.queries.comparison.comparison import Change, changed, changed_by
from jobs.queries.comparison.settings import differences, hardware, work
from jobs.queries.results import repeats
from jobs.queries.results.repeats import Point, values_at
from jobs.queries.results.results import mean_of, point_rows
from jobs.statistics import LEAST_RUNS, Interval, mean

MOST_RUNS = 200  # the latest
MOST_SUBJECTS = 40  # of the model, searched for other versions of the tool
# Metrics to choose from, in this order, if the result has them.
_SPEED = (
    *("output_tokens_per_s", "total_tokens_per_s", "requests_per_s"),
    *("ttft_p50_ms", "ttft_p99_ms", "tpot_p50_ms", "tpot_p99_ms"),
    *("latency_p50_s", "latency_p99_s", "batch_latency_mean_s"),
)
_QUALITY = (
    *("accuracy", "tokens_per_correct", "reasoning_tokens_mean", "answer_tokens_mean"),
    "reasoning_share",
)
# Facts of the host that no identity has.
_FACTS = ("os", "kernel", "driver", "firmware")


class PartChange(NamedTuple):
    """Part of identity or host that differs between two periods; None: not recorded."""

    name: str
    was: Any
    now: Any


@dataclass(slots=True)
class Period:
    """Consecutive runs with the same identity, oldest first. ``values`` and ``interval``: of its
    counted runs. ``base``: the period that ``parts`` and ``change`` compare with, None for the
    first. ``is_barred``: not comparable with it."""

    number: int
    runs: Sequence[Result]
    values: Sequence[float]
    interval: Interval | None = None
    base: Period | None = None
    parts: Sequence[PartChange] = ()
    change: Change | None = None
    is_barred: bool = False

    @property
    def mean(self) -> float | None:
        return mean(self.values) if self.values else None

    @property
    def head(self) -> Result:
        """Return the latest counted run, else the latest."""
        return next((run for run in reversed(self.runs) if run.counts), self.runs[-1])


class History(NamedTuple):
    """History of ``result`` in one metric; ``concurrency`` is None for an evaluation. ``metrics``,
    ``concurrencies``: the choices; ``left_out``: number of older runs; ``values``: of the metric by
    run, where it was measured."""

    result: Result
    metric: str
    concurrency: int | None
    metrics: Sequence[str]
    concurrencies: Sequence[int]
    periods: Sequence[Period]
    left_out: int
    values: Mapping[int, float]


def history(result_id: int, metric: str = "", concurrency: int | None = None) -> History:
    """Return the history of a result's measurement. An unknown metric or concurrency is replaced by
    that of its main value. Raises ``Result.DoesNotExist``."""
    result = Result.objects.prefetch_related("points").get(pk=result_id)
    points = point_rows(result)
    concurrencies = sorted({at for at, _metrics in points})
    names = _QUALITY if result.type == Result.Type.EVALUATION else _SPEED
    measured = [metrics for _at, metrics in points] or [result.metrics]
    metrics = [name for name in names if any(name in row for row in measured)]
    main = repeats.headline(result.type, result.metrics)
    if metric not in metrics:
        metric = main
    if concurrency not in concurrencies:
        best = repeats.best_concurrency(result, main, points)
        concurrency = best if best is not None else next(iter(concurrencies), None)
    rows = Result.objects.filter(_same(result))
    wanted = ResultPoint.objects.filter(concurrency=-1 if concurrency is None else concurrency)
    named = rows.select_related("host", "deployment", "endpoint", "created_by", "job", "imported")
    latest = named.prefetch_related(Prefetch("points", wanted)).order_by("-created_at", "-pk")
    runs = [*latest[:MOST_RUNS]][::-1]
    total = rows.count() if len(runs) == MOST_RUNS else len(runs)
    values = {run.pk: value for run in runs if (value := _value(run, metric)) is not None}
    periods = _periods(runs, values, metric)
    choices = metrics, concurrencies
    return History(result, metric, concurrency, *choices, periods, total - len(runs), values)


def _same(result: Result) -> Q:
    """Return the filter of the runs of this measurement, also with other versions of its tool."""
    if not result.subject:
        return Q(fingerprint=result.fingerprint) if result.fingerprint else Q(pk=result.pk)
    alike = ("type", "model_id", "label", "parallelism", "simulated")
    rows = Result.objects.filter(**{name: getattr(result, name) for name in alike})
    others = rows.exclude(subject__in=["", result.subject]).order_by().values_list("subject")
    latest = others.annotate(last=Max("pk")).order_by("-last")[:MOST_SUBJECTS]
    heads = Result.objects.in_bulk([last for _subject, last in latest]).values()
    own = _work_of_any_version(result)
    subjects = [head.subject for head in heads if _work_of_any_version(head) == own]
    return Q(subject__in=[result.subject, *subjects])


def _work_of_any_version(result: Result) -> tuple[dict[str, Any], Any]:
    """Return workload and hardware, with the name of the tool without its version."""
    asked = work(result)
    asked["tool"] = str(asked.get("tool") or "").partition(" ")[0]
    return asked, hardware(result)


def _value(run: Result, metric: str) -> float | None:
    is_whole = run.type == Result.Type.EVALUATION
    rows = [run.metrics] if is_whole else [point.metrics for point in run.points.all()]
    return finite(next((row[metric] for row in rows if metric in row), None))


def _periods(runs: Sequence[Result], values: Mapping[int, float], metric: str) -> list[Period]:
    """Return the periods, oldest first, each compared with the last one before that has values. A
    run with an unknown part of the identity stands alone."""
    periods: list[Period] = []
    base: Period | None = None
    groups = groupby(runs, lambda run: (run.fingerprint or run.pk, _facts(run)))
    for number, (_key, group) in enumerate(groups, start=1):
        alike = list(group)
        counted = [values[run.pk] for run in alike if run.counts and run.pk in values]
        period = Period(number, alike, counted)
        period.interval = mean_of(period.head, metric, counted).interval
        if base is not None:
            period.base = base
            was, now = _named(base.head), _named(period.head)
            period.parts = [
                PartChange(name, was.get(name), now.get(name))
                for name in dict.fromkeys((*was, *now))
                if was.get(name) != now.get(name)
            ]
            _compare(period, base, metric)
        periods.append(period)
        base = period if counted else base
    return periods


def _facts(run: Result) -> dict[str, str]:
    facts = run.run_context.get("host")
    if not isinstance(facts, dict):
        return {}
    return {name: str(facts[name]) for name in _FACTS if facts.get(name)}


def _named(run: Result) -> dict[str, Any]:
    """Return the parts of an identity by name, with the stack and the facts of the host. Only
    "sha256", which only the model has, is a name of two groups."""
    return {**({"stack": run.stack} if run.stack else {}), **run.named_parts, **_facts(run)}


def _compare(period: Period, base: Period, metric: str) -> None:
    if not period.values:
        return
    heads = [base.head, period.head]
    rows: list[Mapping[str, float]] = [
        next((point.metrics for point in run.points.all()), {}) for run in heads
    ]
    if differences(heads, rows):
        period.is_barred = True
    elif metric != "accuracy":
        period.change = changed(metric, base.values, period.values)
    elif gap := paired_gap(*heads):
        period.change = changed_by(metric, period.values[-1], gap)
    else:
        period.is_barred = True


# "own": a run of the baseline itself. "uncounted": disturbed, incomplete or loaded. Else a verdict.
State = Literal["own", "uncounted", "better", "worse", "cannot_tell", "not_comparable"]


class HistoryVerdict(NamedTuple):
    """Verdict on a result. ``change``: of ``metric`` at ``concurrency``; None without one.
    ``base_runs``, ``runs``: ids of the compared runs; ``more``: missing runs of both sides until
    there is an interval."""

    state: State
    baseline: Baseline
    metric: str = ""
    concurrency: int | None = None
    change: Change | None = None
    base_runs: Sequence[int] = ()
    runs: Sequence[int] = ()
    more: tuple[int, int] = (0, 0)

    @property
    def more_runs(self) -> int:
        return sum(self.more)

    @property
    def has_interval(self) -> bool:
        return self.change is not None and self.change.low is not None


def verdicts(results: Iterable[Result]) -> dict[int, HistoryVerdict]:
    """Return the verdict of each result whose subject has a baseline, by id, in a few queries."""
    rows = [result for result in results if result.subject]
    current = Baseline.objects.filter(subject__in={row.subject for row in rows}, ended_at=None)
    named = current.select_related("result").prefetch_related("result__host", "created_by")
    baselines = {baseline.subject: baseline for baseline in named}
    judged = [row for row in rows if row.subject in baselines]
    if not judged:
        return {}
    heads = {baseline.result_id: baseline.result for baseline in baselines.values()}
    best = repeats.best_concurrencies(heads.values())
    bases = _bases(baselines)
    # The latest counted runs of each benchmark's identity that are in no baseline.
    speeds = {row.fingerprint for row in judged if row.type == Result.Type.BENCHMARK} - {""}
    of_bases = {run for base in bases.values() for run in base}
    groups = _ranked(speeds, of_bases, [F("created_at").desc(), F("pk").desc()], repeats.MOST)
    everyone = {row.pk for row in judged} | of_bases
    everyone |= {run for runs in groups.values() for run in runs}
    points = repeats.read_points(everyone, best.values())
    found = {}
    for row in judged:
        baseline = baselines[row.subject]
        if row.pk in bases[row.subject]:
            found[row.pk] = HistoryVerdict("own", baseline, base_runs=bases[row.subject])
        elif not row.counts:
            found[row.pk] = HistoryVerdict("uncounted", baseline)
        elif row.type == Result.Type.EVALUATION:
            found[row.pk] = _of_accuracy(baseline, row)
        else:
            others = (run for run in groups.get(row.fingerprint, ()) if run != row.pk)
            sides = bases[row.subject], [row.pk, *others][: repeats.MOST]
            found[row.pk] = _of_speed(baseline, row, sides, best.get(baseline.result_id), points)
    return found


def _bases(baselines: Mapping[str, Baseline]) -> dict[str, list[int]]:
    """Return the runs of each baseline, its result first, by subject."""
    stored = {number for baseline in baselines.values() for number in baseline.runs}
    runs = set(Result.objects.filter(pk__in=stored).order_by().values_list("pk", flat=True))
    short = [one for one in baselines.values() if len(one.runs) < LEAST_RUNS]
    wanted = {one.result.fingerprint for one in short} - {""}
    # As they came: a later import of an older measurement changes no baseline.
    oldest = [F("pk").asc()]
    later = _ranked(wanted, stored, oldest, LEAST_RUNS) if wanted else {}
    bases = {}
    for subject, baseline in baselines.items():
        base = [number for number in baseline.runs[1:] if number in runs]
        missing = max(0, LEAST_RUNS - 1 - len(base))
        more = later.get(baseline.result.fingerprint, ())[:missing]
        bases[subject] = [baseline.result_id, *base, *more]
    return bases


def _ranked(
    fingerprints: set[str], left_out: set[int], by: Sequence[OrderBy], most: int
) -> Mapping[str, list[int]]:
    """Return the ids of the first ``most`` counted runs of each identity in this order."""
    counted = Result.objects.filter(Result.COUNTED, fingerprint__in=fingerprints)
    counted = counted.exclude(pk__in=left_out)
    ranked = repeats.first_of_each(counted, ["fingerprint"], by, most).order_by(*by)
    return grouped(ranked.values_list("fingerprint", "pk"))


def _of_speed(
    baseline: Baseline,
    result: Result,
    sides: tuple[Sequence[int], Sequence[int]],
    at: int | None,
    points: Mapping[int, Sequence[Point]],
) -> HistoryVerdict:
    """Compare the runs of a baseline with those of a benchmark, each with its own result first."""
    metric = repeats.headline(baseline.result.type, baseline.result.metrics)
    if at is None or not values_at(points, [result.pk], metric, at):
        return HistoryVerdict("not_comparable", baseline, metric, at)
    pair = [baseline.result, result]
    if differences(pair, [repeats.metrics_at(points.get(run.pk, ()), at) for run in pair]):
        return HistoryVerdict("not_comparable", baseline, metric, at)
    # A run without the metric at this concurrency is left out.
    base_runs, runs = (
        [run for run in side if values_at(points, [run], metric, at)] for side in sides
    )
    mine, theirs = (values_at(points, side, metric, at) for side in (base_runs, runs))
    change = changed(metric, mine, theirs)
    if change.low is None:
        more = max(0, LEAST_RUNS - len(mine)), max(0, LEAST_RUNS - len(theirs))
        return HistoryVerdict("cannot_tell", baseline, metric, at, change, base_runs, runs, more)
    return HistoryVerdict(_state(change), baseline, metric, at, change, base_runs, runs)


def _of_accuracy(baseline: Baseline, other: Result) -> HistoryVerdict:
    """Compare the run itself with the baseline's, by question: one run of each is enough."""
    head = baseline.result
    if (gap := paired_gap(head, other)) is None:
        return HistoryVerdict("not_comparable", baseline, "accuracy")
    change = changed_by("accuracy", float(other.metrics.get("accuracy") or 0), gap)
    runs = [head.pk], [other.pk]
    return HistoryVerdict(_state(change), baseline, "accuracy", None, change, *runs)


def _state(change: Change) -> State:
    """Return the verdict of a change; "cannot_tell" of a metric without a better direction."""
    return change.verdict or "cannot_tell"
