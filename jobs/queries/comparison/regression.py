"""Verdicts on results vs the baseline of their subject.

The baseline is its result with the repeats that existed when it was set, and later ones only until
there are three. So a verdict does not change with each later run of the baseline's identity. Later
repeats of it are judged like any other run. docs/decisions has the reasons.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import F, OrderBy

from jobs.models import Baseline, Result
from jobs.queries.comparison.comparison import Change, changed
from jobs.queries.comparison.pairing import paired_gap
from jobs.queries.comparison.work_differs import differences
from jobs.queries.results.headline import headline
from jobs.queries.results.identities import best_concurrencies
from jobs.queries.results.repeats import MOST, Point, first_of_each, read_points, values_at
from jobs.statistics import LEAST_RUNS

# "own": a run of the baseline itself. "uncounted": disturbed, incomplete or loaded. "barred": the
# measured lengths differ. "unknown": no interval yet.
State = Literal["own", "uncounted", "barred", "unknown", "regressed", "improved", "same"]
_STATES: Mapping[str, State] = {
    "better": "improved",
    "worse": "regressed",
    "noise": "same",
    "same": "same",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Verdict on a result. ``change`` is of ``metric`` at ``concurrency``; None without one.

    ``base_runs`` and ``runs`` are ids of the compared runs; ``more`` has the missing runs of the
    baseline and of the result until there is an interval.
    """

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
        """Return how many more runs give an interval, of both sides together."""
        return sum(self.more)


def verdicts(results: Iterable[Result]) -> dict[int, Verdict]:
    """Return the verdict of each result whose subject has a baseline, by id, in a few queries."""
    rows = [result for result in results if result.subject]
    current = Baseline.objects.filter(subject__in={row.subject for row in rows}, ended_at=None)
    named = current.select_related("result__host", "created_by")
    baselines = {baseline.subject: baseline for baseline in named}
    judged = [row for row in rows if row.subject in baselines]
    if not judged:
        return {}
    heads = {baseline.result_id: baseline.result for baseline in baselines.values()}
    best = best_concurrencies(heads.values())
    bases = _bases(baselines)
    groups = _groups(judged, {run for base in bases.values() for run in base})
    everyone = {row.pk for row in judged}
    everyone |= {run for runs in (*bases.values(), *groups.values()) for run in runs}
    points = read_points(everyone, best.values())
    found = {}
    for row in judged:
        baseline = baselines[row.subject]
        metric = headline(baseline.result.type, baseline.result.metrics)
        sides = _Sides(baseline, bases[row.subject], row, groups.get(row.fingerprint, ()))
        found[row.pk] = sides.verdict(metric, best.get(baseline.result_id), points)
    return found


def _bases(baselines: Mapping[str, Baseline]) -> dict[str, list[int]]:
    """Return the runs of each baseline, its result first, by subject."""
    stored = {number for baseline in baselines.values() for number in baseline.runs}
    runs = set(Result.objects.filter(pk__in=stored).order_by().values_list("pk", flat=True))
    short = [one for one in baselines.values() if len(one.runs) < LEAST_RUNS]
    later: Mapping[str, list[int]] = {}
    if short:
        wanted = {one.result.fingerprint for one in short} - {""}
        oldest = [F("created_at").asc(), F("pk").asc()]
        later = _ranked(wanted, stored, oldest, LEAST_RUNS)
    bases = {}
    for subject, baseline in baselines.items():
        base = [number for number in baseline.runs[1:] if number in runs]
        missing = max(0, LEAST_RUNS - 1 - len(base))
        more = later.get(baseline.result.fingerprint, ())[:missing]
        bases[subject] = [baseline.result_id, *base, *more]
    return bases


def _groups(judged: Sequence[Result], of_bases: set[int]) -> Mapping[str, list[int]]:
    """Return the latest counted runs of each benchmark's identity that are in no baseline."""
    speeds = [result for result in judged if result.type == Result.Type.BENCHMARK]
    wanted = {result.fingerprint for result in speeds} - {""}
    return _ranked(wanted, of_bases, [F("created_at").desc(), F("pk").desc()], MOST)


def _ranked(
    fingerprints: set[str], left_out: set[int], by: Sequence[OrderBy], most: int
) -> Mapping[str, list[int]]:
    """Return the ids of the first ``most`` counted runs of each identity in this order."""
    counted = Result.objects.filter(Result.COUNTED, fingerprint__in=fingerprints)
    counted = counted.exclude(pk__in=left_out)
    ranked = first_of_each(counted, ["fingerprint"], by, most).order_by(*by)
    runs: dict[str, list[int]] = defaultdict(list)
    for pk, fingerprint in ranked.values_list("pk", "fingerprint"):
        runs[fingerprint].append(pk)
    return runs


@dataclass(frozen=True, slots=True)
class _Sides:
    """Runs of a baseline, its result first, and the result to judge with ``others``, the counted
    runs of its identity."""

    baseline: Baseline
    base: Sequence[int]
    result: Result
    others: Sequence[int]

    def verdict(
        self, metric: str, at: int | None, points: Mapping[int, Sequence[Point]]
    ) -> Verdict:
        """Return the verdict on the result by ``metric`` at a concurrency."""
        result = self.result
        if result.pk in self.base:
            return Verdict("own", self.baseline, base_runs=self.base)
        if not result.counts:
            return Verdict("uncounted", self.baseline)
        if result.type == Result.Type.EVALUATION:
            return _of_accuracy(self.baseline, result)
        runs = [result.pk, *(run for run in self.others if run != result.pk)][:MOST]
        return self._of_speed(runs, metric, at, points)

    def _of_speed(
        self,
        runs: Sequence[int],
        metric: str,
        at: int | None,
        points: Mapping[int, Sequence[Point]],
    ) -> Verdict:
        if at is None or not values_at(points, runs[:1], metric, at):
            return Verdict("barred", self.baseline, metric, at)
        pair = [self.baseline.result, self.result]
        if differences(pair, [_at(points.get(run.pk, ()), at) for run in pair]):
            return Verdict("barred", self.baseline, metric, at)
        # A run without the metric at this concurrency is left out.
        by_run = [
            {run: values for run in side if (values := values_at(points, [run], metric, at))}
            for side in (self.base, runs)
        ]
        mine, theirs = ([one for values in side.values() for one in values] for side in by_run)
        change = changed(metric, mine, theirs)
        more = (0, 0)
        if change.low is None:
            more = (max(0, LEAST_RUNS - len(mine)), max(0, LEAST_RUNS - len(theirs)))
        state: State = "unknown"
        if change.low is not None:
            state = _STATES.get(change.verdict, "unknown")
        return Verdict(state, self.baseline, metric, at, change, [*by_run[0]], [*by_run[1]], more)


def _of_accuracy(baseline: Baseline, other: Result) -> Verdict:
    """Compare the run itself with the baseline's, by question: one run of each is enough."""
    head = baseline.result
    gap = paired_gap(head, other)
    if gap is None:
        return Verdict("barred", baseline, "accuracy")
    state: State = "same"
    if not gap.includes_zero:
        state = "improved" if gap.value > 0 else "regressed"
    value = float(other.metrics.get("accuracy") or 0)
    change = Change(value, None, gap.value, gap.low, gap.high)
    return Verdict(state, baseline, "accuracy", None, change, [head.pk], [other.pk])


def _at(points: Sequence[Point], concurrency: int) -> Mapping[str, Any]:
    return next((metrics for at, metrics in points if at == concurrency), {})
