"""Comparison of two to eight runs or groups of repeats: differences and their significance.

A column is a single run, or a group: runs of one identity, all named by the caller. No other runs
are pooled: later runs never change a comparison.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from math import isclose
from operator import itemgetter
from typing import Literal, NamedTuple

from jobs import statistics as stats
from jobs.base import grouped
from jobs.metrics import METRICS, rate_in
from jobs.models import Result
from jobs.queries.comparison.accuracy import (
    PARTS,
    Paired,
    ScoredAnswers,
    asked_of,
    group_gap,
    is_accuracy,
    pair,
    scored_answers,
)
from jobs.queries.comparison.settings import Setting, SettingDifference, differences, settings
from jobs.queries.results.provenance import counts, with_rates
from jobs.queries.results.repeats import Point, metrics_at, read_points
from jobs.queries.results.results import Mean, accuracy, mean_of
from jobs.statistics import LEAST_RUNS, Interval, mean

MOST = 8
# "cannot_tell": the interval includes 0, or there are too few runs for one. "not_comparable": other
# work. "": equal numbers, or no direction is better.
Verdict = Literal["better", "worse", "cannot_tell", "not_comparable", ""]
_SPEED = (
    *("output_tokens_per_s", "total_tokens_per_s", "requests_per_s"),
    *("ttft_p50_ms", "ttft_p90_ms", "ttft_p99_ms", "tpot_p50_ms", "tpot_p99_ms"),
    *("itl_p50_ms", "itl_p99_ms", "latency_p50_s", "latency_p99_s"),
    *(f"batch_latency_{name}_s" for name in ("mean", "p50", "p90", "p99")),
    "failed_requests",
)
_QUALITY = (
    "accuracy",
    *(f"accuracy_{part}" for part in PARTS),
    "unanswered",
    *("tokens_per_correct", "reasoning_tokens_mean", "answer_tokens_mean", "reasoning_share"),
)


class Change(NamedTuple):
    """Change of a metric of one column vs the baseline.

    ``relative``: share of the baseline, ratio of geometric means minus 1. Shares have only an
    ``absolute`` difference. ``low``, ``high``: 95 % interval in the unit of ``size``; None without
    one. Columns that are not comparable have the value alone.
    """

    value: float | None
    relative: float | None = None
    absolute: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: Verdict = ""

    @property
    def is_relative(self) -> bool:
        return self.relative is not None

    @property
    def size(self) -> float | None:
        return self.absolute if self.relative is None else self.relative

    @property
    def is_equal(self) -> bool:
        """Return True for equal numbers without an interval."""
        return self.absolute == 0 and not self.relative and self.low is None

    @property
    def is_short(self) -> bool:
        """Return True with too few runs for an interval."""
        return self.verdict == "cannot_tell" and self.low is None


class MetricRow(NamedTuple):
    """Metric with the values of all columns and the changes vs the first."""

    metric: str
    cells: Sequence[Mean]
    changes: Sequence[Change]

    @property
    def base(self) -> float | None:
        return self.cells[0].value

    @property
    def differs(self) -> bool:
        return any(cell.value != self.base for cell in self.cells[1:])


class ComparedColumn(NamedTuple):
    """A run or a group of a comparison; ``head`` is its first run. ``own``: points of each run;
    ``points``: their means, ``(concurrency, metrics)`` by concurrency. Metrics have the output rate
    in each unit; repeats use as many devices as the first run."""

    runs: Sequence[Result]
    own: Sequence[Sequence[Point]]
    points: Sequence[Point]

    @property
    def head(self) -> Result:
        return self.runs[0]

    def values(self, metric: str, concurrency: int | None) -> list[float]:
        """Return the metric of each run with that metric, at ``concurrency`` or of the whole run.
        Failed requests cover all concurrencies: any failure makes runs differ."""
        if concurrency is None or metric == "failed_requests":
            known = counts(self.head)
            rows = [with_rates(run.metrics, known) for run in self.runs]
            of_all = f"{metric}_all"
            return [row.get(of_all, row.get(metric)) for row in rows if metric in row]
        return self.at(metric, concurrency)

    def interval(self, metric: str, concurrency: int) -> Interval | None:
        """Return the interval of a point's mean; None with fewer than three runs."""
        return stats.mean_interval(self.at(metric, concurrency))

    def at(self, metric: str, concurrency: int) -> list[float]:
        rows = [m for points in self.own for c, m in points if c == concurrency]
        return [row[metric] for row in rows if metric in row]


class Settle(NamedTuple):
    """Missing runs for a significant difference, or with ``is_first`` for an interval. ``each``:
    missing runs of each column, 0 for enough runs; empty without an estimate."""

    each: Sequence[int]
    is_first: bool


class Comparison(NamedTuple):
    """``columns[0]`` is the baseline. ``concurrency``: the compared one. ``barriers``: differences
    in workload that make the columns with indexes ``barred`` not comparable with the baseline."""

    columns: Sequence[ComparedColumn]
    concurrency: int | None
    common: Sequence[int]
    rows: Sequence[MetricRow]
    settings: Sequence[Setting]
    paired: Sequence[Paired | None]
    barriers: Sequence[SettingDifference]
    barred: frozenset[int]
    settle: Settle | None

    @property
    def has_several(self) -> bool:
        return any(len(column.points) > 1 for column in self.columns)

    @property
    def heads(self) -> list[Result]:
        return [column.head for column in self.columns]


def compare(
    groups: Sequence[Sequence[Result]],
    concurrency: int | None = None,
    rate: str = rate_in("total"),
) -> Comparison:
    """Compare the first group with the others. All results have one type, each group one identity.
    ``concurrency`` is used if all groups have it, else the highest common concurrency. ``rate``:
    output rate in a unit, the first row if all groups have it."""
    is_evaluation = groups[0][0].type == Result.Type.EVALUATION
    points = read_points(run.pk for runs in groups for run in runs)
    columns = [_column(runs, points) for runs in groups]
    common = sorted(set.intersection(*({c for c, _ in column.points} for column in columns)))
    chosen = concurrency if concurrency in common else (common[-1] if common else None)
    heads = [column.head for column in columns]
    at_chosen = [metrics_at(column.points, chosen) for column in columns]
    apart = {
        index: entries
        for index in range(1, len(heads))
        if (entries := differences([heads[0], heads[index]], [at_chosen[0], at_chosen[index]]))
    }
    named = {one.name for entries in apart.values() for one in entries}
    barriers = [one for one in differences(heads, at_chosen) if one.name in named]
    shares = None
    if is_evaluation and any(len(column.runs) > 1 for column in columns):
        shares = [scored_answers(column.runs) for column in columns]
    paired: list[Paired | None] = [None] * len(columns[1:])
    if is_evaluation and len(columns[0].runs) == 1:
        asked = asked_of(heads[0])
        # Several tables of texts are read when they are opened; questions of groups have several
        # answers.
        paired = [
            pair(heads[0], one.head, asked, with_flips=len(columns) == 2)
            if len(one.runs) == 1
            else None
            for one in columns[1:]
        ]
    table = _Table(columns, chosen, paired, frozenset(apart), shares)
    names = _QUALITY if is_evaluation else _SPEED
    if is_evaluation and not all("accuracy" in head.metrics for head in heads):
        names = ("accuracy_macro", *names)  # an imported table may have the mean of sets only
    rows = [row for row in map(table.row, names) if row.base is not None]
    if rate not in names and not is_evaluation:
        row = table.row(rate)
        is_whole = all(cell.value is not None for cell in row.cells)
        rows.insert(0 if is_whole else 1, row)
    return Comparison(
        columns=columns,
        concurrency=chosen,
        common=common,
        rows=rows,
        settings=settings(heads),
        paired=paired,
        barriers=barriers,
        barred=table.barred,
        settle=None if is_evaluation or barriers else _settle(rows, columns, chosen),
    )


def _column(runs: Sequence[Result], points: Mapping[int, Sequence[Point]]) -> ComparedColumn:
    known = counts(runs[0])
    read = [
        [(at, with_rates(metrics, known)) for at, metrics in points.get(run.pk, ())] for run in runs
    ]
    own = [sorted(rows, key=itemgetter(0)) for rows in read]
    means = []
    for concurrency, rows in sorted(grouped(chain.from_iterable(own)).items()):
        names = dict.fromkeys(chain.from_iterable(rows))
        whole = {name: mean([row[name] for row in rows if name in row]) for name in names}
        means.append((concurrency, whole))
    return ComparedColumn(runs, own, means)


class _Table(NamedTuple):
    """Builder of the rows of a comparison. ``shares``: answers of groups of evaluations."""

    columns: Sequence[ComparedColumn]
    concurrency: int | None
    paired: Sequence[Paired | None]
    barred: frozenset[int]
    shares: Sequence[ScoredAnswers] | None

    def row(self, name: str) -> MetricRow:
        values = [column.values(name, self.concurrency) for column in self.columns]
        cells = [self._cell(name, index, samples) for index, samples in enumerate(values)]
        changes = [self._change(name, values[0], values[i], i) for i in range(1, len(values))]
        return MetricRow(name, cells, changes)

    def _cell(self, name: str, index: int, samples: Sequence[float]) -> Mean:
        found = mean_of(self.columns[index].head, name, samples)
        if self.shares and is_accuracy(name) and found.value is not None:
            return replace(found, interval=self.shares[index].interval(name, found.value))
        return found

    def _change(
        self, name: str, mine: Sequence[float], theirs: Sequence[float], index: int
    ) -> Change:
        if not mine or not theirs:
            return Change(mean(theirs) if theirs else None)
        before, after = mean(mine), mean(theirs)
        if index in self.barred:
            return Change(after, verdict="not_comparable")
        found = self._gap(name, before, after, index)
        return changed(name, mine, theirs) if found is None else changed_by(name, after, found)

    def _gap(self, name: str, mine: float, theirs: float, index: int) -> Interval | None:
        """Return the paired difference of two accuracies; the unpaired one when that of the same
        questions does not match the shown values. None without either, and for other metrics."""
        runs = len(self.columns[0].runs), len(self.columns[index].runs)
        if self.shares and is_accuracy(name) and runs != (1, 1):
            return group_gap(self.shares[0], self.shares[index], name, mine, theirs)
        paired = self.paired[index - 1]
        if paired is not None:
            known = paired.gap if name == "accuracy" else paired.parts.get(name)
            # Of different questions, such as those whose request failed, the common ones count.
            is_shown = known and isclose(known.value, theirs - mine, abs_tol=1e-9)
            if known is not None and (is_shown or not paired.is_whole):
                return known
        if name != "accuracy":
            return None
        before, after = (accuracy(self.columns[at].head) for at in (0, index))
        return stats.difference(after, before) if before and after else None


def changed_by(name: str, value: float, gap: Interval) -> Change:
    """Return the change to ``value`` by a difference of known interval."""
    return Change(value, None, gap.value, gap.low, gap.high, _verdict(name, gap))


def changed(name: str, mine: Sequence[float], theirs: Sequence[float]) -> Change:
    """Return the change: a ratio for rates and times, a difference for shares and counts."""
    value = mean(theirs)
    absolute = value - mean(mine)
    if METRICS[name].unit == "%" or METRICS[name].is_count:
        interval = stats.mean_difference(mine, theirs)
        relative = None
    else:
        interval = stats.relative_difference(mine, theirs)
        relative = stats.relative_change(mine, theirs)
    if interval is None:
        is_short = min(len(mine), len(theirs)) < LEAST_RUNS and (absolute != 0 or relative)
        verdict: Verdict = "cannot_tell" if is_short else ""
        return Change(value, relative, absolute, verdict=verdict)
    found = _verdict(name, interval)
    return Change(value, relative, absolute, interval.low, interval.high, found)


def _verdict(name: str, interval: Interval) -> Verdict:
    better = METRICS[name].better
    if interval.includes_zero or not better:
        return "cannot_tell" if interval.includes_zero else ""
    return "better" if (interval.value > 0) == (better == "higher") else "worse"


def _settle(
    rows: Sequence[MetricRow], columns: Sequence[ComparedColumn], concurrency: int | None
) -> Settle | None:
    """Return the missing runs for the first row; None when significant or equal."""
    if not rows:
        return None
    main = rows[0]
    short = [index for index, one in enumerate(main.changes, 1) if one.is_short]
    if short:
        each = [
            max(0, LEAST_RUNS - cell.runs) if index in (0, *short) else 0
            for index, cell in enumerate(main.cells)
        ]
        return Settle(each, is_first=True) if any(each) else None
    open_ones = [index for index, one in enumerate(main.changes, 1) if one.verdict == "cannot_tell"]
    if not open_ones:
        return None
    values = [column.values(main.metric, concurrency) for column in columns]
    wanted = [0] * len(columns)
    for index in open_ones:
        more = stats.runs_to_tell(values[0], values[index])
        if more is not None:
            total = more + min(len(values[0]), len(values[index]))
            wanted[0], wanted[index] = max(wanted[0], total), total
    each = [max(0, total - len(samples)) for total, samples in zip(wanted, values, strict=True)]
    return Settle(each if any(each) else (), is_first=False)
