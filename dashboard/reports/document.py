"""Document of a report: sections of texts, numbers, tables, figures and code.

Writers know these classes only. Texts are in the language of the report, neither escaped nor
marked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from dashboard.charts import figures

Tone = Literal["", "bold", "warn", "good", "bad", "dim"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A number or a text as pages show it.

    ``value``: the number with every digit, in ``measure``; ``low`` and ``high``: its interval;
    ``n``: number of its samples, which are ``of`` runs, requests or questions. ``unit``,
    ``interval`` and ``note`` are shown after ``text``.
    """

    text: str
    unit: str = ""
    value: float | None = None
    measure: str = ""
    interval: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None
    of: str = ""
    note: str = ""
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text."""

    name: ClassVar = "paragraph"
    text: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """Texts of one kind."""

    name: ClassVar = "listing"
    items: Sequence[str]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with their values. ``is_large``: the numbers of a conclusion."""

    name: ClassVar = "facts"
    rows: Sequence[tuple[str, Cell]]
    title: str = ""
    is_large: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """Heading of a column. ``series``: index of the line in the charts."""

    text: str
    note: str = ""
    is_number: bool = True
    series: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; the first cell of each is the heading of its row. ``notes`` stand below."""

    name: ClassVar = "table"
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()

    @property
    def lines(self) -> list[list[tuple[Column, Cell]]]:
        """Return each row with the columns of its cells."""
        return [list(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart. Its numbers are those of a table of its section."""

    name: ClassVar = "figure"
    title: str
    figure: figures.Figure
    height: int
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """Commands, as they ran. ``is_folded``: a click shows them; on paper they are open."""

    name: ClassVar = "code"
    title: str
    text: str
    is_folded: bool = False


Block = Paragraph | Listing | Facts | Table | Figure | Code


@dataclass(frozen=True, slots=True)
class Section:
    """Part of a report."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Report:
    """``kicker``: the kind of report; ``title``: the conclusion in one sentence.

    ``warnings`` limit what the numbers are worth: they stand first. ``file``: name of the file,
    without an ending; ``source``: which records it is of.
    """

    kicker: str
    title: str
    file: str
    source: str
    about: Facts
    sections: Sequence[Section]
    warnings: Sequence[str] = field(default=())

    @property
    def figures(self) -> list[Figure]:
        """Return all charts."""
        blocks = [block for section in self.sections for block in section.blocks]
        return [block for block in blocks if isinstance(block, Figure)]
