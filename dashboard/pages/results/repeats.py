"""Table of a result and its repeats: one row per run, one column per shared concurrency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.models import Result
from jobs.queries.comparison.comparison import Cell
from jobs.queries.results.headline import headline
from jobs.queries.results.results import ResultPage, accuracy, point_rows
from jobs.statistics import mean, mean_interval


@dataclass(frozen=True, slots=True)
class RepeatRow:
    """Run with its value in each column; None: not measured."""

    result: Result
    values: Sequence[float | None]
    is_own: bool


@dataclass(frozen=True, slots=True)
class RepeatTable:
    """``concurrencies`` are the columns, only None for an evaluation; ``means`` are over the
    undisturbed runs."""

    metric: str
    concurrencies: Sequence[int | None]
    rows: Sequence[RepeatRow]
    means: Sequence[Cell]


def repeat_table(page: ResultPage) -> RepeatTable | None:
    """Return the table, None without repeats. The result itself is the first row."""
    if not page.repeats:
        return None
    metric = headline(page.result.type, page.result.metrics)
    runs = [page.result, *page.repeats]
    columns = [_by_concurrency(run, metric) for run in runs]
    shared = [c for c in columns[0] if any(c in other for other in columns[1:])]
    rows = [
        RepeatRow(run, [values.get(c) for c in shared], is_own=run is page.result)
        for run, values in zip(runs, columns, strict=True)
    ]
    counted = [row for row in rows if row.result.counts]
    means = []
    for index in range(len(shared)):
        values = [v for row in counted if (v := row.values[index]) is not None]
        interval = mean_interval(values)
        if metric == "accuracy" and values:
            interval = accuracy(page.result, mean(values))
        means.append(Cell(mean(values) if values else None, len(values), interval))
    return RepeatTable(metric, shared, rows, means)


def _by_concurrency(run: Result, metric: str) -> dict[int | None, float]:
    if run.type == Result.Type.EVALUATION:
        return {None: run.metrics[metric]} if metric in run.metrics else {}
    return {c: metrics[metric] for c, metrics in point_rows(run) if metric in metrics}
