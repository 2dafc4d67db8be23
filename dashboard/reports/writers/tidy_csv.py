"""Write a document as CSV: one line for each number or text, numbers with every digit."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from dashboard.pages.shared.export import as_text
from dashboard.reports.document import (
    Block,
    Cell,
    Code,
    Facts,
    Figure,
    Listing,
    Paragraph,
    Report,
    Table,
)

HEAD = (
    *("section", "part", "row", "column", "value", "unit", "low", "high", "n", "n_of"),
    *("text", "note"),
)
_BOM = "\ufeff"  # otherwise Excel assumes the system encoding


def write(report: Report) -> str:
    """Return the report for spreadsheets. Charts have no lines: tables have their numbers."""
    text = io.StringIO()
    text.write(_BOM)
    writer = csv.writer(text)
    writer.writerow(HEAD)
    for line in _lines(report):
        writer.writerow([as_text(value) for value in line])
    return text.getvalue()


def _lines(report: Report) -> Iterator[list[Any]]:
    yield _words(report.kicker, "", report.title)
    for warning in report.warnings:
        yield _words(report.kicker, "", warning)
    for name, cell in report.about.rows:
        yield _line(report.kicker, "", name, "", cell)
    yield _words(report.kicker, "", report.source)
    for section in report.sections:
        for block in section.blocks:
            yield from _block(section.title, block)


def _block(section: str, block: Block) -> Iterator[list[Any]]:
    match block:
        case Paragraph():
            yield _words(section, "", block.text)
        case Listing():
            for item in block.items:
                yield _words(section, block.title, item)
        case Code():
            yield _words(section, block.title, block.text)
        case Facts():
            for name, cell in block.rows:
                yield _line(section, block.title, name, "", cell)
        case Table():
            yield from _table(section, block)
        case Figure():
            return


def _table(section: str, table: Table) -> Iterator[list[Any]]:
    for first, *cells in table.rows:
        row = ", ".join(filter(None, (first.text, first.unit)))
        for column, cell in zip(table.columns[1:], cells, strict=True):
            yield _line(section, table.title, row, column.text, cell)
    for note in table.notes:
        yield _words(section, table.title, note)


def _words(section: str, part: str, text: str) -> list[Any]:
    return _line(section, part, "", "", Cell(text))


def _line(section: str, part: str, row: str, column: str, cell: Cell) -> list[Any]:
    shown = " ".join(filter(None, (cell.text, cell.unit, cell.interval)))
    numbers = (cell.value, cell.measure, cell.low, cell.high, cell.n, cell.of)
    values = ["" if value is None else value for value in numbers]
    return [section, part, row, column, *values, shown, cell.note]
