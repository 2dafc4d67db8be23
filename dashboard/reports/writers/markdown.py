"""Write a document as Markdown. Charts are left out: tables have their numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _

from dashboard.reports.document import (
    Block,
    Cell,
    Code,
    Facts,
    Figure,
    Listing,
    Paragraph,
    Report,
    Section,
    Table,
)

# Signs with a meaning for CommonMark, tables or HTML anywhere in a line.
_SIGNS = re.compile(r"[\\`*_{}\[\]<>|~&]")
# At the begin of a line: headings, lists, rules.
_BEGIN = re.compile(r"^(\s*)([#+=-]|\d+[.)](?=\s|$))")


def write(report: Report) -> str:
    """Return the report as CommonMark with tables."""
    parts = [f"# {escaped(report.title)}", f"{escaped(report.kicker)}"]
    parts += [f"> **{escaped(text)}**" for text in report.warnings]
    parts.append(_facts(report.about))
    parts += [part for section in report.sections for part in _section(section)]
    parts += ["---", escaped(report.source)]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Return a text of one line that Markdown shows as it is."""
    line = _SIGNS.sub(lambda sign: f"\\{sign[0]}", " ".join(text.split()))
    # An escaped sign of ASCII is the sign itself; a digit cannot be escaped, its dot can.
    return _BEGIN.sub(lambda begin: f"{begin[1]}{_mark(begin[2])}", line)


def _mark(text: str) -> str:
    return f"{text[:-1]}\\{text[-1]}"


def _section(section: Section) -> Iterator[str]:
    yield f"## {escaped(section.title)}"
    for block in section.blocks:
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    title = "" if isinstance(block, Paragraph) else block.title
    if isinstance(block, Figure):
        return
    if title:
        yield f"### {escaped(title)}"
    match block:
        case Paragraph():
            yield f"**{escaped(block.text)}**" if block.tone == "bold" else escaped(block.text)
        case Listing():
            yield "\n".join(f"- {escaped(item)}" for item in block.items)
        case Facts():
            yield _facts(block)
        case Code():
            yield _fenced(block.text)
        case Table():
            heads = [" ".join(filter(None, (one.text, one.note))) for one in block.columns]
            marks = ["--:" if column.is_number else "---" for column in block.columns]
            yield _table(heads, marks, [[_cell(cell) for cell in row] for row in block.rows])
            yield from (escaped(note) for note in block.notes)


def _facts(facts: Facts) -> str:
    rows = [[name, _cell(cell)] for name, cell in facts.rows]
    return _table(["", ""], ["---", "---"], rows)


def _table(heads: Sequence[str], marks: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [_row(heads), f"| {' | '.join(marks)} |", *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(escaped, cells))} |"


def _cell(cell: Cell) -> str:
    text = " ".join(filter(None, (cell.text, cell.unit, cell.interval)))
    return _("%(text)s (%(note)s)") % {"text": text, "note": cell.note} if cell.note else text


def _fenced(text: str) -> str:
    """Return a code block whose fence is longer than any in its text."""
    runs = [len(found) for found in re.findall(r"`+", text)]
    fence = "`" * max(3, 1 + max(runs, default=0))
    return f"{fence}sh\n{text.rstrip(chr(10))}\n{fence}"
