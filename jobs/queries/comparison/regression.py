"""Verdicts on results vs the baseline of their subject.

The baseline is its result with the repeats that existed when it was set, and later ones only until
there are three. So a verdict does not change with each later run of the baseline's identity. Later
repeats of it are judged like any other run. docs/decisions has the reasons.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from django.db.models import F, OrderBy

from jobs.models import Baseline, Result
from jobs.queries.comparison.accuracy import paired_gap
from jobs.queries.comparison.comparison import Change, changed, changed_by
from jobs.queries.comparison.work_differs import differences
from jobs.queries.results.repeats import (
    MOST,
    Point,
    best_concurrencies,
    first_of_each,
    headline,
    metrics_at,
    read_points,
    values_at,
)
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
    # The latest counted runs of each benchmark's identity that are in no baseline.
    speeds = {row.fingerprint for row in judged if row.type == Result.Type.BENCHMARK} - {""}
    of_bases = {run for base in bases.values() for run in base}
    groups = _ranked(speeds, of_bases, [F("created_at").desc(), F("pk").desc()], MOST)
    everyone = {row.pk for row in judged} | of_bases
    everyone |= {run for runs in groups.values() for run in runs}
    points = read_points(everyone, best.values())
    found = {}
    for row in judged:
        baseline = baselines[row.subject]
        if row.pk in bases[row.subject]:
            found[row.pk] = Verdict("own", baseline, base_runs=bases[row.subject])
        elif not row.counts:
            found[row.pk] = Verdict("uncounted", baseline)
        elif row.type == Result.Type.EVALUATION:
            found[row.pk] = _of_accuracy(baseline, row)
        else:
            others = (run for run in groups.get(row.fingerprint, ()) if run != row.pk)
            sides = bases[row.subject], [row.pk, *others][:MOST]
            found[row.pk] = _of_speed(baseline, row, sides, best.get(baseline.result_id), points)
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


def _of_speed(
    baseline: Baseline,
    result: Result,
    sides: tuple[Sequence[int], Sequence[int]],
    at: int | None,
    points: Mapping[int, Sequence[Point]],
) -> Verdict:
    """Compare the runs of a baseline with those of a benchmark, each with its own result first."""
    metric = headline(baseline.result.type, baseline.result.metrics)
    if at is None or not values_at(points, [result.pk], metric, at):
        return Verdict("barred", baseline, metric, at)
    pair = [baseline.result, result]
    if differences(pair, [metrics_at(points.get(run.pk, ()), at) for run in pair]):
        return Verdict("barred", baseline, metric, at)
    # A run without the metric at this concurrency is left out.
    base_runs, runs = (
        [run for run in side if values_at(points, [run], metric, at)] for side in sides
    )
    mine, theirs = (values_at(points, side, metric, at) for side in (base_runs, runs))
    change = changed(metric, mine, theirs)
    if change.low is None:
        more = max(0, LEAST_RUNS - len(mine)), max(0, LEAST_RUNS - len(theirs))
        return Verdict("unknown", baseline, metric, at, change, base_runs, runs, more)
    state = _STATES.get(change.verdict, "unknown")
    return Verdict(state, baseline, metric, at, change, base_runs, runs)


def _of_accuracy(baseline: Baseline, other: Result) -> Verdict:
    """Compare the run itself with the baseline's, by question: one run of each is enough."""
    head = baseline.result
    gap = paired_gap(head, other)
    if gap is None:
        return Verdict("barred", baseline, "accuracy")
    change = changed_by("accuracy", float(other.metrics.get("accuracy") or 0), gap)
    state = _STATES[change.verdict]
    return Verdict(state, baseline, "accuracy", None, change, [head.pk], [other.pk])
