"""Write a document as one HTML file with charts: opens without a network, prints to A4."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe
from django.utils.timezone import now
from django.utils.translation import get_language

from dashboard.pages.shared.cells import Table
from dashboard.reports.document import Block, Figure, Report, Section
from dashboard.text.formatting import full_moment

MOST_COLUMNS = 8  # besides the first one: more do not fit on A4
_EMPTY = ""  # Plotly makes an empty <style> and fills it through the CSSOM
_STATIC = Path(settings.BASE_DIR) / "static"
_TOKEN = re.compile(r"(--[a-z][a-z0-9-]*):\s*light-dark\((#[0-9a-f]+),")
_USE = re.compile(r"var\((--[a-z][a-z0-9-]*)\)")
_FONTS = (
    ("IBM Plex Sans Variable", "vendor/plex/ibm-plex-sans-latin-wght-normal.woff2"),
    ("JetBrains Mono Variable", "vendor/jetbrains/jetbrains-mono-latin-wght-normal.woff2"),
)


def write(report: Report) -> str:
    """Return the file. Its own policy forbids every request and every other script."""
    style, scripts, none = _style(), _scripts() if report.has_figures else (), "'none'"
    context = {
        "report": report,
        "language": "zh-Hans" if get_language() == "zh-hans" else "en",
        "policy": (
            "default-src 'none'; form-action 'none'; base-uri 'none'; img-src data:; "
            f"font-src data:; script-src {' '.join(map(_digest, scripts)) or none}; "
            f"style-src {_digest(style)} {_digest(_EMPTY)}"
        ),
        "style": mark_safe(style),  # noqa: S308 -- our own files
        "scripts": [mark_safe(text) for text in scripts],  # noqa: S308 -- our own files
        "template": _template(),
        "sections": [_section(section, number) for number, section in enumerate(report.sections)],
        "made": full_moment(now()),
    }
    return render_to_string("reports/report.html", context)


def _section(section: Section, number: int) -> dict[str, Any]:
    parts = [(part, block) for block in section.blocks for part in _parts(block)]
    shown = [
        {
            "block": part,
            "name": part.name,
            "label": whole.title,
            "id": f"chart-{number}-{index}",
            **({"figure": _drawn(part)} if isinstance(part, Figure) else {}),
        }
        for index, (part, whole) in enumerate(parts)
    ]
    return {"title": section.title, "id": f"section-{number}", "blocks": shown}


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


def _drawn(block: Figure) -> dict[str, Any]:
    figure = _coloured(block.figure.to_plotly_json())
    names = figure["layout"].get("meta", {}).get("names", {})
    traces = [_named(trace, names) for trace in figure["data"]]
    return {"data": traces, "layout": figure["layout"], "height": block.height}


def _named(trace: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    name = str(trace.get("name", ""))
    short = next((key for key in names if name == key or name.startswith(f"{key} p")), "")
    shown = {key: value for key, value in trace.items() if key != "customdata"}
    return {**shown, "name": names[short] + name[len(short) :] if short else name}


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _tokens() -> Mapping[str, str]:
    """Return the colours of the light theme by token."""
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
    sheets = "".join(_text(f"css/{name}.css") for name in ("report", "series"))
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
