"""Columns of a comparison: read, checked, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from dashboard.charts import latency, per_user
from dashboard.charts.figures import Figure
from dashboard.charts.series import Run, Series, measured, throughput
from dashboard.text.labels import phrase, point_marks, result_name
from jobs.models import Result
from jobs.queries.comparison.comparison import MOST, Column, Comparison
from jobs.queries.results.curve import RATE
from jobs.queries.results.devices import device_count
from jobs.queries.results.repeats import MOST as MOST_RUNS

# Fields that only the first run of a column needs.
_LARGE = ("identity", "run_context", "remarks", "asked", "verdicts")
# Metrics that are drawn with their intervals.
_WITH_BARS = (RATE, *latency.statistics("ttft"))


def read_groups(
    wanted: Sequence[Sequence[int]], *, heads_only: bool = False
) -> tuple[list[list[Result]], list[int]]:
    """Return the runs of each column in the given order, and the missing ids.

    ``heads_only``: only the first run of a column has its large fields and related rows.
    """
    rows = Result.objects.select_related(
        *("host", "job", "deployment__job", "endpoint", "imported__declared_by", "created_by")
    )
    numbers = list(dict.fromkeys(pk for group in wanted for pk in group))
    if heads_only:
        results = Result.objects.defer(*_LARGE).in_bulk(numbers)
        heads = [next((pk for pk in group if pk in results), None) for group in wanted]
        results |= rows.in_bulk([pk for pk in heads if pk is not None])
    else:
        results = rows.in_bulk(numbers)
    groups = [[results[pk] for pk in group if pk in results] for group in wanted]
    return [runs for runs in groups if runs], [pk for pk in numbers if pk not in results]


def problem_of(groups: Sequence[Sequence[Result]]) -> str:
    """Return why these results cannot be compared; "" when they can."""
    results = [result for runs in groups for result in runs]
    if len(groups) == 1 and len(groups[0]) > 1:
        return _("All are repeats of one measurement. The result page shows the mean.")
    if len(groups) < 2:
        return _("Select at least two results in the list.")
    if len(groups) > MOST:
        text = _("%(n)s results are selected. At most %(most)s can be compared.")
        return text % {"n": len(groups), "most": MOST}
    if len({result.type for result in results}) > 1:
        return _("A benchmark and an evaluation have no common metrics.")
    if len({result.pk for result in results}) < len(results):
        return _("A run is selected twice. Select each run once.")
    for runs in groups:
        for run in runs[1:]:
            if not run.fingerprint or run.fingerprint != runs[0].fingerprint:
                text = _("%(a)s and %(b)s are not repeats. Compare as runs.")
                return text % {"a": result_name(runs[0]), "b": result_name(run)}
    shown = [runs[0].fingerprint for runs in groups if len(runs) > 1]
    everyone = [runs[0].fingerprint for runs in groups]
    if any(everyone.count(one) > 1 for one in shown):
        return _("Two groups are repeats of one measurement. Compare as runs.")
    return ""


def with_repeats(
    groups: list[list[Result]], others: Mapping[str, Sequence[Result]]
) -> list[list[Result]]:
    """Return each selected run with its undisturbed repeats; repeats of one measurement form one
    group. ``others`` are the repeats that are in no group, by identity."""
    shown = {run.pk: run for runs in groups for run in runs}
    found: dict[Any, list[Result]] = {}
    for runs in groups:
        head = runs[0]
        key = head.fingerprint or head.pk
        if key not in found:
            alike = [run for run in shown.values() if run.fingerprint == head.fingerprint != ""]
            known = [*alike, *others.get(head.fingerprint, ())]
            repeats = [run for run in known if run.counts and run.pk != head.pk]
            repeats.sort(key=lambda run: (run.created_at, run.pk))
            found[key] = [head, *repeats[: MOST_RUNS - 1]]
    return list(found.values())


def charts(comparison: Comparison) -> dict[str, Any]:
    """Return the charts of a comparison of benchmarks; False where nothing was measured.

    Batches without a server have none: no rates, no TTFT.
    """
    columns = comparison.columns
    series = [_series(column) for column in columns]
    return {
        "drawn": measured(series, RATE),
        "throughput": _named(throughput(series), columns),
        "ttft": measured(series, "ttft_p50_ms")
        and _named(latency.percentiles("ttft", series), columns),
        "per_device": per_user.has_devices(series) and _named(per_user.per_device(series), columns),
        "interactivity": measured(series, "tpot_p50_ms")
        and _named(per_user.interactivity(series), columns),
    }


def short_name(column: Column) -> str:
    """Return the name of a column's first result with its number of runs: "res-12 × 3"."""
    name = result_name(column.head)
    return name + (f" × {len(column.runs)}" if len(column.runs) > 1 else "")


def _named(figure: Figure, columns: Sequence[Column]) -> Figure:
    """Add full names to ``figure``, because saved images have no page around them."""
    names = {}
    for column in columns:
        parts = (short_name(column), column.head.model_id, phrase(column.head.label))
        names[parts[0]] = _(", ").join(filter(None, parts))
    return replace(figure, layout={**figure.layout, "meta": {"names": names}})


def _series(column: Column) -> Series:
    head = column.head
    return Series(
        short_name(column),
        column.points,
        marks=point_marks(zip(column.runs, column.own, strict=True)),
        intervals={
            (concurrency, name): interval
            for concurrency, _metrics in column.points
            for name in _WITH_BARS
            if (interval := column.interval(name, concurrency))
        },
        devices=device_count(head),
        results={
            c: run.pk
            for run, points in reversed([*zip(column.runs, column.own, strict=True)])
            for c, _metrics in points
        },
        runs=[
            Run(result_name(run), points, is_disturbed=not run.counts, result=run.pk)
            for run, points in zip(column.runs, column.own, strict=True)
        ]
        if len(column.runs) > 1
        else (),
    )
