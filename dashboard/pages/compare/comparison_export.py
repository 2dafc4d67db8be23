"""Export a comparison as CSV: one line per column, concurrency and metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.http import HttpResponse

from dashboard.pages.shared.export import as_csv, fixed, unit_name
from dashboard.pages.shared.verdict import Marks, marks_of
from dashboard.text.labels import result_name
from jobs.metrics import METRICS
from jobs.models import Result
from jobs.queries.comparison.comparison import Cell, Change, Column, Comparison, compare
from jobs.queries.comparison.group_accuracy import is_accuracy
from jobs.queries.results.results import accuracy
from jobs.statistics import Interval, mean, mean_interval

_OF_RUN = (
    *("result", "job", "disturbed", "flags", "tags", "is_baseline", "verdict_vs_baseline"),
    *("baseline", "measured_at", "by", "at"),
)
_HEAD = (
    *("concurrency", "metric", "unit", "value", "low", "high", "interval", "n"),
    *("difference", "difference_low", "difference_high", "difference_unit", "verdict"),
)
_WHOLE = None  # in place of a concurrency: metrics of the whole run


def comparison_csv(comparison: Comparison) -> HttpResponse:
    """Return each column's metrics at every concurrency, with differences to the baseline.

    ``value`` is the mean of ``n`` runs. ``low`` and ``high`` are the 95 % interval of the mean
    ("t", of values above 0 "log t") or of an accuracy over its questions ("wilson").
    ``difference`` is vs the first column.
    """
    columns = comparison.columns
    groups = [list(column.runs) for column in columns]
    at: dict[int | None, Comparison] = {c: compare(groups, c) for c in comparison.common}
    at = at or {_WHOLE: comparison}
    marks = marks_of(comparison.heads)
    abouts = [_about(column.head, marks[column.head.pk]) for column in columns]
    head = ["column", "results", "jobs", "uncounted_results", *abouts[0], *_HEAD]
    lines: list[Sequence[Any]] = [head]
    for index, column in enumerate(columns):
        named = [
            "base" if index == 0 else index + 1,
            " ".join(map(result_name, column.runs)),
            " ".join(str(run.job_id or "") for run in column.runs).strip(),
            " ".join(result_name(run) for run in column.runs if not run.counts),
            *abouts[index].values(),
        ]
        for concurrency, name in _numbers(column):
            change = _change(at.get(concurrency), index, name)
            cells = [row.cells[index] for row in comparison.rows if row.metric == name]
            cell = cells[0] if concurrency is _WHOLE and cells else None
            lines.append([*named, *_line(column, concurrency, name, change, cell)])
    response = as_csv(lines)
    names = "-".join(result_name(column.head) for column in columns)
    response["Content-Disposition"] = f'attachment; filename="compare-{names}.csv"'
    return response


def _about(head: Result, marks: Marks) -> dict[str, Any]:
    """Return the fields that all runs of a column share."""
    return {name: value for name, value in fixed(head, marks).items() if name not in _OF_RUN}


def _numbers(column: Column) -> Iterator[tuple[int | None, str]]:
    """Yield each concurrency with its metrics; without points, the metrics of the whole run."""
    rows: list[tuple[int | None, Any]] = [*column.points]
    for concurrency, metrics in rows or [(_WHOLE, column.head.metrics)]:
        for name in METRICS:
            if name in metrics and name != "concurrency":
                yield concurrency, name


def _line(
    column: Column,
    concurrency: int | None,
    name: str,
    change: Change | None,
    cell: Cell | None,
) -> Sequence[Any]:
    values = [
        metrics[name]
        for own in column.own
        for c, metrics in own
        if c == concurrency and name in metrics
    ]
    if concurrency is _WHOLE:
        values = [run.metrics[name] for run in column.runs if name in run.metrics]
    interval, method = mean_interval(values), "t" if min(values) <= 0 else "log t"
    if is_accuracy(name) and cell is not None and cell.interval:
        interval, method = cell.interval, "wilson"
    elif name == "accuracy":
        interval, method = accuracy(column.head, mean(values)), "wilson"
    return [
        *("" if concurrency is None else concurrency, name, unit_name(name)),
        mean(values) if len(values) > 1 else values[0],
        *_bounds(interval),
        method if interval else "",
        len(values),
        *_difference(change, name),
    ]


def _bounds(interval: Interval | None) -> tuple[Any, Any]:
    return (interval.low, interval.high) if interval else ("", "")


def _change(comparison: Comparison | None, index: int, name: str) -> Change | None:
    """Return the change of a metric; None for the baseline and for metrics not compared."""
    if comparison is None or index == 0 or name == "failed_requests":  # covers the whole run
        return None
    rows = [row for row in comparison.rows if row.metric == name]
    return rows[0].changes[index - 1] if rows else None


def _difference(change: Change | None, name: str) -> Sequence[Any]:
    if change is None or change.absolute is None:
        return ("", "", "", "", change.verdict if change else "")
    is_relative = change.relative is not None
    bounds = ["" if bound is None else bound for bound in (change.low, change.high)]
    size = change.relative if is_relative else change.absolute
    unit = "share of base" if is_relative else unit_name(name)
    return (size, *bounds, unit, change.verdict)
