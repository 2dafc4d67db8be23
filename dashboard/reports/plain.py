"""Write a document as Markdown or CSV. Charts are left out: tables have their numbers."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext as _

from dashboard.pages.shared.cells import Cell, Facts, Table
from dashboard.pages.shared.export import csv_text
from dashboard.reports.document import Block, Code, Figure, Listing, Paragraph, Report

# Signs with a meaning for CommonMark, tables or HTML anywhere in a line.
_SIGNS = re.compile(r"[\\`*_{}\[\]<>|~&]")
# At the begin of a line: headings, lists, rules.
_BEGIN = re.compile(r"^(\s*)([#+=-]|\d+[.)](?=\s|$))")
HEAD = (
    *("section", "part", "row", "column", "value", "unit", "low", "high", "n", "n_of"),
    *("text", "note"),
)


def markdown(report: Report) -> str:
    parts = [f"# {escaped(report.title)}", f"{escaped(report.kicker)}"]
    parts += [f"> **{escaped(text)}**" for text in report.warnings]
    parts.append(_facts(report.about))
    for section in report.sections:
        parts.append(f"## {escaped(section.title)}")
        parts += [part for block in section.blocks for part in _markdown(block)]
    parts += ["---", escaped(report.source)]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Return a text of one line that Markdown shows as it is."""
    line = _SIGNS.sub(lambda sign: f"\\{sign[0]}", " ".join(text.split()))
    # An escaped sign of ASCII is the sign itself; a digit cannot be escaped, its dot can.
    return _BEGIN.sub(lambda begin: f"{begin[1]}{begin[2][:-1]}\\{begin[2][-1]}", line)


def _markdown(block: Block) -> Iterator[str]:
    if isinstance(block, Figure):
        return
    if block.title:
        yield f"### {escaped(block.title)}"
    match block:
        case Paragraph():
            yield f"**{escaped(block.text)}**" if block.tone == "bold" else escaped(block.text)
        case Listing():
            yield "\n".join(f"- {escaped(item)}" for item in block.items)
        case Facts():
            yield _facts(block)
        case Code():
            # A fence that is longer than any in the text.
            longest = max((len(found) for found in re.findall(r"`+", block.text)), default=0)
            fence = "`" * max(3, 1 + longest)
            yield f"{fence}sh\n{block.text.rstrip(chr(10))}\n{fence}"
        case Table():
            heads = [" ".join(filter(None, (one.text, one.note))) for one in block.columns]
            marks = ["--:" if column.is_number else "---" for column in block.columns]
            yield _table(heads, marks, [[_cell(cell) for cell in row] for row in block.rows])
            yield from (escaped(note) for note in block.notes)


def _facts(facts: Facts) -> str:
    return _table(["", ""], ["---", "---"], [[name, _cell(cell)] for name, cell in facts.rows])


def _table(heads: Sequence[str], marks: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head, *lines = (f"| {' | '.join(map(escaped, cells))} |" for cells in (heads, *rows))
    return "\n".join([head, f"| {' | '.join(marks)} |", *lines])


def _cell(cell: Cell) -> str:
    text = " ".join(filter(None, (cell.text, cell.unit, cell.interval)))
    return _("%(text)s (%(note)s)") % {"text": text, "note": cell.note} if cell.note else text


def csv(report: Report) -> str:
    """Return the report for spreadsheets: one line for each number or text, numbers with every
    digit."""
    return csv_text([HEAD, *_lines(report)])


def _lines(report: Report) -> Iterator[list[Any]]:
    for text in (report.title, *report.warnings):
        yield _line(report.kicker, "", Cell(text))
    yield from _csv(report.kicker, report.about)
    yield _line(report.kicker, "", Cell(report.source))
    for section in report.sections:
        for block in section.blocks:
            yield from _csv(section.title, block)


def _csv(section: str, block: Block) -> Iterator[list[Any]]:
    texts: Sequence[str] = ()
    match block:
        case Paragraph() | Code():
            texts = [block.text]
        case Listing():
            texts = block.items
        case Facts():
            for name, cell in block.rows:
                yield _line(section, block.title, cell, name)
        case Table():
            for first, *cells in block.rows:
                row = ", ".join(filter(None, (first.text, first.unit)))
                for column, cell in zip(block.columns[1:], cells, strict=True):
                    yield _line(section, block.title, cell, row, column.text)
            texts = block.notes
    for text in texts:
        yield _line(section, block.title, Cell(text))


def _line(section: str, part: str, cell: Cell, row: str = "", column: str = "") -> list[Any]:
    shown = " ".join(filter(None, (cell.text, cell.unit, cell.interval)))
    numbers = (cell.value, cell.measure, *(cell.bounds or ("", "")), cell.n, cell.of)
    values = ["" if value is None else value for value in numbers]
    return [section, part, row, column, *values, shown, cell.note]
