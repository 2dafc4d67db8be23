"""Texts of a history: one row per period, and all runs as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from dashboard.pages.shared.export import as_csv, fixed, unit_name
from dashboard.pages.shared.marks import marks_of
from dashboard.pages.shared.provenance import part_text, part_title
from dashboard.text.labels import result_name
from jobs.queries.comparison.history import History, PartChange, Period

_HEAD = (
    *("period", "metric", "unit", "concurrency", "value", "counts"),
    *("mean", "low", "high", "n", "change", "change_low", "change_high", "change_unit"),
    *("verdict", "changed"),
)
_LONGEST = 160


@dataclass(frozen=True, slots=True)
class ChangedPart:
    """Changed part in words: title, value before, value now."""

    title: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """Row of the table: a period with its changed parts."""

    period: Period
    parts: Sequence[ChangedPart]


def period_rows(history: History) -> list[PeriodRow]:
    """Return the periods with what changed, latest first."""
    rows = [PeriodRow(period, changed_parts(period)) for period in history.periods]
    return rows[::-1]


def changed_parts(period: Period) -> list[ChangedPart]:
    """Return what changed against the compared period, in words."""
    return [_changed(part) for part in period.parts]


def _changed(part: PartChange) -> ChangedPart:
    was, now = (_text(part.name, value) for value in (part.was, part.now))
    return ChangedPart(part_title(part.name), was, now)


def _text(name: str, value: Any) -> str:
    """Return the value of a part; a checksum in short."""
    if value is None:
        return _("not recorded")
    text = part_text(name, value)
    if name.endswith("sha256"):
        return text[:12]
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def history_csv(history: History) -> HttpResponse:
    """Return a line per run with its period, the change of the period, and the run's context."""
    runs = [run for period in history.periods for run in period.runs]
    marks = marks_of(runs)
    about = {run.pk: fixed(run, marks[run.pk]) for run in runs}
    lines: list[Sequence[Any]] = [[*_HEAD, *about[runs[0].pk]]]
    for period in history.periods:
        for run in period.runs:
            value = history.value(run)
            own = (period.number, history.metric, unit_name(history.metric))
            at = "" if history.concurrency is None else history.concurrency
            measured = ("" if value is None else value, run.counts)
            lines.append([*own, at, *measured, *_of_period(period), *about[run.pk].values()])
    response = as_csv(lines)
    name = f"history-{result_name(history.result)}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _of_period(period: Period) -> list[Any]:
    interval, change = period.interval, period.change
    is_relative = change is not None and change.relative is not None
    size = None if change is None else change.relative if is_relative else change.absolute
    values: list[Any] = [
        period.mean,
        interval.low if interval else None,
        interval.high if interval else None,
        len(period.values),
        size,
        change.low if change else None,
        change.high if change else None,
        ("share of the period before" if is_relative else "unit") if change else None,
        "barred" if period.is_barred else change.verdict if change else None,
        "; ".join(f"{one.title}: {one.was} -> {one.now}" for one in changed_parts(period)),
    ]
    return ["" if value is None else value for value in values]
