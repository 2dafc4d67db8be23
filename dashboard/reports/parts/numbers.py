"""Numbers as cells: texts as on pages, values with every digit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from dashboard.pages.shared.export import unit_name
from dashboard.pages.shared.words import interval_text, runs_text
from dashboard.reports.document import Cell, Column, Table, Tone
from dashboard.text.formatting import percent
from dashboard.text.labels import metric_label, metric_text
from jobs.metrics import METRICS
from jobs.models import ResultPoint
from jobs.queries.comparison.comparison import Cell as Figure
from jobs.statistics import Interval

_IN_HEADING = ("ms", "s", "%")  # names of rates and counts include the unit


def missing() -> Cell:
    """Return the cell of a value that was not measured."""
    return Cell(_("n/a"), tone="dim")


def heading(name: str, label: str = "", note: str = "") -> Cell:
    """Return the name of a metric with its unit, as heading of a row."""
    unit = metric_text(name, 0.5)[1]
    return Cell(label or metric_label(name), unit if unit in _IN_HEADING else "", note=note)


def bare(
    name: str,
    value: Any,
    interval: str = "",
    bounds: Interval | None = None,
    *,
    n: int | None = None,
    of: str = "",
    note: str = "",
    tone: Tone = "",
) -> Cell:
    """Return a metric's number, whose unit stands in the heading."""
    if not isinstance(value, int | float):
        return missing()
    low, high = (bounds.low, bounds.high) if bounds else (None, None)
    return Cell(
        metric_text(name, value)[0],
        value=value,
        measure=unit_name(name) if name in METRICS else "",
        interval=interval,
        low=low,
        high=high,
        n=n,
        of=of,
        note=note,
        tone=tone,
    )


def whole(name: str, value: Any) -> Cell:
    """Return a metric's number with its unit."""
    cell = bare(name, value)
    return cell if cell.value is None else replace(cell, unit=metric_text(name, value)[1])


def compared(figure: Figure, name: str, *, grouped: bool) -> Cell:
    """Return a number of a comparison; for a group with its interval and number of runs."""
    bounds = figure.interval
    interval = interval_text(bounds, name) if grouped and bounds else ""
    note = runs_text(figure.runs) if grouped else ""
    more: dict[str, Any] = {"n": figure.runs, "of": "runs", "note": note, "tone": "bold"}
    return bare(name, figure.value, interval, bounds, **more)


def share(interval: Interval, n: int, value: float | None = None) -> Cell:
    """Return a share in per cent with its 95 % interval; ``value``: as stored."""
    stored = interval.value if value is None else value
    return Cell(
        percent(stored),
        unit="%",
        value=stored,
        measure="share",
        interval=f"[{percent(interval.low)}, {percent(interval.high)}]",
        low=interval.low,
        high=interval.high,
        n=n,
        of="questions",
    )


def count(value: int) -> Cell:
    """Return a number of runs or questions."""
    return Cell(metric_text("questions", value)[0], value=value)


def marked(text: str, marks: Sequence[str]) -> str:
    """Return a text with what limits its number: "24.2 (loaded host)"."""
    return f"{text} ({_(', ').join(marks)})" if marks else text


def points_table(
    title: str,
    points: Sequence[ResultPoint],
    columns: Sequence[tuple[str, str]],
    marks: Mapping[int, Sequence[str]],
    *,
    is_batch: bool,
    notes: Sequence[str] = (),
) -> Table:
    """Return the metrics of one run: a row for each of ``columns``, a column a concurrency.
    ``marks``: what limits the numbers of a concurrency."""
    heads = [
        Column(marked(str(point.concurrency), marks.get(point.concurrency, ()))) for point in points
    ]
    first = Column(_("Batch size") if is_batch else _("Concurrency"), is_number=False)
    rows = [
        [heading(name, label), *(bare(name, point.metrics.get(name)) for point in points)]
        for name, label in columns
    ]
    return Table(title, [first, *heads], rows, notes)


def family_table(title: str, rows: Sequence[tuple[str, Sequence[str]]], metrics: Any) -> Table:
    """Return the statistics of latencies at one concurrency: mean, p50, p90, p99."""
    heads = [Column(_("Metric"), is_number=False), Column(_("mean"))]
    heads += [Column(share) for share in ("p50", "p90", "p99")]
    found: Mapping[str, Any] = metrics
    cells = [
        [heading(names[0], label), *(bare(name, found.get(name)) for name in names)]
        for label, names in rows
    ]
    return Table(title, heads, cells)
