"""Tables of numbers, described once: pages and reports draw them, as HTML, Markdown and CSV."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from django.utils.translation import gettext as _

from dashboard.pages.shared.export import unit_name
from dashboard.pages.shared.words import bounds_text, gap_bounds, interval_text, runs_text
from dashboard.text.formatting import percent, points
from dashboard.text.labels import metric_label, metric_text
from jobs.metrics import METRICS
from jobs.queries.results.results import Mean as Figure
from jobs.statistics import Interval

Tone = Literal["", "bold", "warn", "good", "bad", "dim", "line"]
_IN_HEADING = ("ms", "s", "%", "W", "J")  # names of rates and counts include the unit


@dataclass(frozen=True, slots=True)
class Cell:
    """A number or a text as pages show it. ``value``: the number with every digit, in ``measure``;
    ``bounds``: its interval in the same unit; ``n``: number of its samples, which are ``of`` runs,
    requests or questions. ``unit``, ``interval`` and ``note`` are shown after ``text``. ``heat``:
    rank in a heat map, from 1 to 7. ``address``: link of a page; reports have no links."""

    text: str
    unit: str = ""
    value: float | None = None
    measure: str = ""
    interval: str = ""
    bounds: tuple[float, float] | None = None
    n: int | None = None
    of: str = ""
    note: str = ""
    tone: Tone = ""
    heat: int = 0
    address: str = ""


@dataclass(frozen=True, slots=True)
class FactList:
    """Names with their values. ``is_large``: the numbers of a conclusion."""

    rows: Sequence[tuple[str, Cell]]
    title: str = ""
    is_large: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """Heading of a column. ``series``: index of the line in the charts."""

    text: str
    note: str = ""
    is_number: bool = True
    series: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; the first cell of each is the heading of its row. ``notes`` stand below."""

    title: str
    columns: Sequence[Heading]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()

    @property
    def lines(self) -> list[list[tuple[Heading, Cell]]]:
        return [list(zip(self.columns, row, strict=True)) for row in self.rows]


def words(*texts: str) -> list[Heading]:
    return [Heading(text, is_number=False) for text in texts]


def facts(rows: Sequence[tuple[str, str]], title: str = "") -> FactList:
    """Return texts with their names, without empty ones."""
    return FactList([(name, Cell(text)) for name, text in rows if text], title)


def missing() -> Cell:
    return Cell(_("n/a"), tone="dim")


def heading(name: str, label: str = "", note: str = "") -> Cell:
    """Return the name of a metric with its unit, as heading of a row."""
    unit = metric_text(name, 0.5)[1]
    return Cell(label or metric_label(name), unit if unit in _IN_HEADING else "", note=note)


def title_of(name: str) -> str:
    """Return the name of a metric with its unit: "TTFT p50, ms"."""
    cell = heading(name)
    return ", ".join(filter(None, (cell.text, cell.unit)))


def bare(name: str, value: Any, bounds: Interval | None = None, **more: Any) -> Cell:
    """Return a metric's number with its interval; its unit stands in the heading."""
    if not isinstance(value, int | float):
        return missing()
    measure = unit_name(name) if name in METRICS else ""
    cell = Cell(metric_text(name, value)[0], value=value, measure=measure)
    if bounds:
        ends, text = (bounds.low, bounds.high), interval_text(bounds, name)
        cell = replace(cell, bounds=ends, interval=text)
    return replace(cell, **more)


def whole(name: str, value: Any) -> Cell:
    cell = bare(name, value)
    return cell if cell.value is None else replace(cell, unit=metric_text(name, value)[1])


def compared(figure: Figure, name: str, *, grouped: bool) -> Cell:
    """Return a number of a comparison; for a group with its interval and number of runs."""
    note = runs_text(figure.runs) if grouped else ""
    shown = {} if grouped else {"interval": ""}
    more = {"n": figure.runs, "of": "runs", "note": note, "tone": "bold", **shown}
    return bare(name, figure.value, figure.interval, **more)


def share(interval: Interval, n: int, value: float | None = None, **more: Any) -> Cell:
    """Return a share in per cent with its 95 % interval; ``value``: as stored."""
    stored = interval.value if value is None else value
    cell = Cell(percent(stored), "%", stored, "share", bounds_text(interval))
    cell = replace(cell, bounds=(interval.low, interval.high), n=n, of="questions")
    return replace(cell, **more)


def difference(gap: Interval, n: int, **more: Any) -> Cell:
    """Return a difference of shares in points with its 95 % interval."""
    cell = Cell(points(gap.value), _("points"), 100 * gap.value, "points", gap_bounds(gap))
    cell = replace(cell, bounds=(100 * gap.low, 100 * gap.high), n=n, of="questions")
    return replace(cell, **more)


def count(value: int) -> Cell:
    return Cell(metric_text("questions", value)[0], value=value)
