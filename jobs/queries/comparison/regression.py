"""Verdicts on results vs the baseline of their subject.

The baseline is its result with the repeats that existed when it was set, and later ones only until
there are three. So a verdict does not change with each later run of the baseline's identity. Later
repeats of it are judged like any other run. docs/decisions has the reasons.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from django.db.models import F, OrderBy, QuerySet, prefetch_related_objects

from jobs.models import Baseline, Result
from jobs.queries.comparison.comparison import Change, changed
from jobs.queries.comparison.pairing import paired_gap
from jobs.queries.comparison.work_differs import differences
from jobs.queries.results.headline import headline
from jobs.queries.results.identities import best_concurrency
from jobs.queries.results.repeats import MOST, at_concurrency, first_of_each, points_at
from jobs.queries.statistics import LEAST_RUNS

# "own": a run of the baseline itself. "uncounted": disturbed or incomplete. "barred": the measured
# lengths differ. "unknown": no interval yet.
State = Literal["own", "uncounted", "barred", "unknown", "regressed", "improved", "same"]
Concurrencies = Set[int]
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
    heads = [baseline.result for baseline in baselines.values()]
    prefetch_related_objects([*judged, *heads], "points")
    at = {place for head in heads if (place := _concurrency(head)) is not None}
    bases = _bases(baselines, at)
    groups = _groups(judged, {run.pk for base in bases.values() for run in base}, at)
    return {
        row.pk: _verdict(row, baselines[row.subject], bases[row.subject], groups) for row in judged
    }


def _concurrency(head: Result) -> int | None:
    """Return the concurrency that the runs of a subject are compared at."""
    return best_concurrency(head, headline(head.type, head.metrics))


def _bases(baselines: Mapping[str, Baseline], at: Concurrencies) -> dict[str, list[Result]]:
    """Return the runs of each baseline, its result first, by subject."""
    stored = {number for baseline in baselines.values() for number in baseline.runs}
    runs = _light(Result.objects.filter(pk__in=stored), at).in_bulk()
    short = [one for one in baselines.values() if len(one.runs) < LEAST_RUNS]
    later: dict[str, list[Result]] = defaultdict(list)
    if short:
        wanted = {one.result.fingerprint for one in short} - {""}
        oldest = [F("created_at").asc(), F("pk").asc()]
        for run in _light(_ranked(wanted, stored, oldest, LEAST_RUNS), at):
            later[run.fingerprint].append(run)
    bases = {}
    for subject, baseline in baselines.items():
        base = [runs[number] for number in baseline.runs[1:] if number in runs]
        missing = max(0, LEAST_RUNS - 1 - len(base))
        bases[subject] = [baseline.result, *base, *later[baseline.result.fingerprint][:missing]]
    return bases


def _groups(
    judged: Sequence[Result], of_bases: set[int], at: Concurrencies
) -> dict[str, list[Result]]:
    """Return the latest counted runs of each identity that are in no baseline."""
    wanted = {result.fingerprint for result in judged} - {""}
    groups: dict[str, list[Result]] = defaultdict(list)
    newest = [F("created_at").desc(), F("pk").desc()]
    for run in _light(_ranked(wanted, of_bases, newest, MOST), at):
        groups[run.fingerprint].append(run)
    return groups


def _ranked(
    fingerprints: set[str], left_out: set[int], by: Sequence[OrderBy], most: int
) -> QuerySet[Result]:
    """Return the first ``most`` counted runs of each identity in this order."""
    counted = Result.objects.filter(
        fingerprint__in=fingerprints, disturbed=False, incomplete=False
    ).exclude(pk__in=left_out)
    return first_of_each(counted, ["fingerprint"], by, most).order_by(*by)


def _light(rows: QuerySet[Result], at: Concurrencies) -> QuerySet[Result]:
    """Return rows with what a verdict reads of them: id, identity, points that are compared."""
    return rows.only("fingerprint").prefetch_related(points_at(at))


def _verdict(
    result: Result,
    baseline: Baseline,
    base: Sequence[Result],
    groups: Mapping[str, list[Result]],
) -> Verdict:
    own = [run.pk for run in base]
    if result.pk in own:
        return Verdict("own", baseline, base_runs=own)
    if not result.counts:
        return Verdict("uncounted", baseline)
    others = groups.get(result.fingerprint, ())
    runs = [result, *(run for run in others if run.pk != result.pk)][:MOST]
    if result.type == Result.Type.EVALUATION:
        return _of_accuracy(baseline, base, runs)
    return _of_speed(baseline, base, runs)


def _of_speed(baseline: Baseline, base: Sequence[Result], runs: Sequence[Result]) -> Verdict:
    head, other = base[0], runs[0]
    metric, concurrency = headline(head.type, head.metrics), _concurrency(head)
    if concurrency is None or not at_concurrency([other], metric, concurrency):
        return Verdict("barred", baseline, metric, concurrency)
    at = [_at(run, concurrency) for run in (head, other)]
    if differences([head, other], at):
        return Verdict("barred", baseline, metric, concurrency)
    sides = [
        [run for run in side if at_concurrency([run], metric, concurrency)] for side in (base, runs)
    ]
    values = [at_concurrency(side, metric, concurrency) for side in sides]
    change = changed(metric, *values)
    more = (0, 0)
    if change.low is None:
        more = (max(0, LEAST_RUNS - len(values[0])), max(0, LEAST_RUNS - len(values[1])))
    state: State = "unknown"
    if change.low is not None:
        state = _STATES.get(change.verdict, "unknown")
    of_base, own = ([run.pk for run in side] for side in sides)
    return Verdict(state, baseline, metric, concurrency, change, of_base, own, more)


def _of_accuracy(baseline: Baseline, base: Sequence[Result], runs: Sequence[Result]) -> Verdict:
    """Compare the run itself with the baseline's, by question: one run of each is enough."""
    head, other = base[0], runs[0]
    gap = paired_gap(head, other)
    if gap is None:
        return Verdict("barred", baseline, "accuracy")
    state: State = "same"
    if not gap.holds_zero:
        state = "improved" if gap.value > 0 else "regressed"
    value = float(other.metrics.get("accuracy") or 0)
    change = Change(value, None, gap.value, gap.low, gap.high)
    return Verdict(state, baseline, "accuracy", None, change, [head.pk], [other.pk])


def _at(run: Result, concurrency: int) -> Mapping[str, float]:
    points = (point for point in run.points.all() if point.concurrency == concurrency)
    return next((point.metrics for point in points), {})
