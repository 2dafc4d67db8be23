"""Write a document as HTML, Markdown or CSV."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe
from django.utils.timezone import now
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from dashboard.pages.shared.cells import Cell, FactList, Table
from dashboard.pages.shared.export import csv_text
from dashboard.reports.document import (
    Block,
    Code,
    Listing,
    Paragraph,
    Report,
    ReportFigure,
    ReportSection,
)
from dashboard.text.formatting import full_moment

MOST_COLUMNS = 8  # besides the first one: more do not fit on A4
_STATIC = Path(settings.BASE_DIR) / "static"
_TOKEN = re.compile(r"(--[a-z][a-z0-9-]*):\s*light-dark\((#[0-9a-f]+),")
_USE = re.compile(r"var\((--[a-z][a-z0-9-]*)\)")
_FONTS = (
    ("IBM Plex Sans Variable", "vendor/plex/ibm-plex-sans-latin-wght-normal.woff2"),
    ("JetBrains Mono Variable", "vendor/jetbrains/jetbrains-mono-latin-wght-normal.woff2"),
)
# Signs with a meaning for CommonMark, tables or HTML anywhere in a line.
_SIGNS = re.compile(r"[\\`*_{}\[\]<>|~&]")
# At the begin of a line: headings, lists, rules.
_BEGIN = re.compile(r"^(\s*)([#+=-]|\d+[.)](?=\s|$))")
# Names of blocks in their template.
_NAMES: Mapping[type[Block], str] = {
    Paragraph: "paragraph",
    Listing: "listing",
    FactList: "facts",
    Table: "table",
    ReportFigure: "figure",
    Code: "code",
}
HEAD = (
    *("section", "part", "row", "column", "value", "unit", "low", "high", "n", "n_of"),
    *("text", "note"),
)


def html(report: Report) -> str:
    """Return one HTML file with charts that opens without a network and prints to A4. Its own
    policy forbids every request and every other script."""
    style, scripts, none = _style(), _scripts() if report.has_figures else (), "'none'"
    context = {
        "report": report,
        "language": "zh-Hans" if get_language() == "zh-hans" else "en",
        "policy": (
            "default-src 'none'; form-action 'none'; base-uri 'none'; img-src data:; "
            f"font-src data:; script-src {' '.join(map(_digest, scripts)) or none}; "
            # Plotly makes an empty <style> and fills it through the CSSOM.
            f"style-src {_digest(style)} {_digest('')}"
        ),
        "style": mark_safe(style),  # noqa: S308 -- our own files
        "scripts": [mark_safe(text) for text in scripts],  # noqa: S308 -- our own files
        "template": _template(),
        "sections": [_section(section, number) for number, section in enumerate(report.sections)],
        "made": full_moment(now()),
    }
    return render_to_string("reports/report.html", context)


def _section(section: ReportSection, number: int) -> dict[str, Any]:
    parts = [(part, block) for block in section.blocks for part in _parts(block)]
    shown = [
        {
            "block": part,
            "name": _NAMES[type(part)],
            "label": whole.title,
            "id": f"chart-{number}-{index}",
            "figure": _drawn(part) if isinstance(part, ReportFigure) else None,
        }
        for index, (part, whole) in enumerate(parts)
    ]
    known = {"title": section.title, "id": f"section-{number}"}
    return {**known, "is_appendix": section.is_appendix, "blocks": shown}


def _parts(block: Block) -> list[Block]:
    """Return a table of many columns as several tables, each with the headings of the rows."""
    if not isinstance(block, Table) or len(block.columns) - 1 <= MOST_COLUMNS:
        return [block]
    begins = range(1, len(block.columns), MOST_COLUMNS)
    return [
        replace(
            block,
            title=block.title if begin == 1 else "",
            columns=[block.columns[0], *block.columns[begin : begin + MOST_COLUMNS]],
            rows=[[row[0], *row[begin : begin + MOST_COLUMNS]] for row in block.rows],
            notes=block.notes if begin == begins[-1] else (),
        )
        for begin in begins
    ]


def _drawn(block: ReportFigure) -> dict[str, Any]:
    """Return a chart in colours, with the full names of its lines."""
    figure = _coloured(block.figure.to_plotly_json())
    names, traces = figure["layout"].get("meta", {}).get("names", {}), []
    for trace in figure["data"]:
        name = str(trace.get("name", ""))
        short = next((key for key in names if name == key or name.startswith(f"{key} p")), "")
        shown = {key: value for key, value in trace.items() if key != "customdata"}
        full = names[short] + name[len(short) :] if short else name
        traces.append({**shown, "name": full})
    return {"data": traces, "layout": figure["layout"], "height": block.height}


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _tokens() -> Mapping[str, str]:
    return dict(_TOKEN.findall(_text("css/tokens.css")))


def _coloured(value: Any) -> Any:
    """Return a copy of a figure's data with each ``var(--token)`` as a colour."""
    if isinstance(value, str):
        return _USE.sub(lambda use: _colour(use[1]), value)
    if isinstance(value, Mapping):
        return {key: _coloured(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_coloured(item) for item in value]
    return value


def _colour(token: str) -> str:
    """Return a colour for Plotly, which knows no hexadecimal alpha."""
    colour = _tokens()[token]
    if len(colour) != 9:
        return colour
    red, green, blue, alpha = (int(colour[at : at + 2], 16) for at in (1, 3, 5, 7))
    return f"rgba({red}, {green}, {blue}, {alpha / 255:.3f})"


@cache
def _style() -> str:
    colours = "".join(f"{name}:{value};" for name, value in _tokens().items())
    faces = ""
    for name, path in _FONTS:
        data = base64.b64encode((_STATIC / path).read_bytes()).decode()
        faces += (
            f'@font-face{{font-family:"{name}";font-weight:100 800;'
            f'src:url("data:font/woff2;base64,{data}") format("woff2");}}\n'
        )
    sheets = "".join(_text(f"css/{name}.css") for name in ("report", "series", "heat"))
    return f"{faces}:root{{{colours}}}\n{sheets}"


@cache
def _scripts() -> tuple[str, str]:
    library = _text("vendor/plotly/plotly-cartesian.min.js").replace("</script", "<\\/script")
    return library, _text("js/report.js")


@cache
def _template() -> Any:
    return _coloured(json.loads(_text("plotly-template.json")))


def _text(path: str) -> str:
    return (_STATIC / path).read_text("utf-8")


# Markdown and CSV. Charts are left out: tables have their numbers.


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
    if isinstance(block, ReportFigure):
        return
    if block.title:
        yield f"### {escaped(block.title)}"
    match block:
        case Paragraph():
            yield f"**{escaped(block.text)}**" if block.tone == "bold" else escaped(block.text)
        case Listing():
            yield "\n".join(f"- {escaped(item)}" for item in block.items)
        case FactList():
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


def _facts(facts: FactList) -> str:
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
        case FactList():
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
    return [section, part, row, column, *numbers, shown, cell.note]
