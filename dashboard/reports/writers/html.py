"""Write a document as one HTML file with charts: opens without a network, prints to A4."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import mark_safe
from django.utils.timezone import now
from django.utils.translation import get_language

from dashboard.reports.document import Block, Figure, Report, Section, Table
from dashboard.reports.writers import look
from dashboard.text.formatting import full_moment

MOST_COLUMNS = 8  # besides the first one: more do not fit on A4
_EMPTY = ""  # Plotly makes an empty <style> and fills it through the CSSOM


def write(report: Report) -> str:
    """Return the file. Its own policy forbids every request and every other script."""
    style, scripts = look.style(), look.scripts() if report.figures else ()
    context = {
        "report": report,
        "language": "zh-Hans" if get_language() == "zh-hans" else "en",
        "policy": _policy(style, scripts),
        "style": mark_safe(style),  # noqa: S308 -- our own files
        "scripts": [mark_safe(text) for text in scripts],  # noqa: S308 -- our own files
        "template": look.template(),
        "sections": [_section(section, number) for number, section in enumerate(report.sections)],
        "made": full_moment(now()),
    }
    return render_to_string("reports/report.html", context)


def _section(section: Section, number: int) -> dict[str, Any]:
    blocks = [(part, block) for block in section.blocks for part in _parts(block)]
    shown = [
        {
            "block": part,
            "name": part.name,
            "label": whole.title if isinstance(whole, Table) else "",
            "id": f"chart-{number}-{index}",
            **_drawn(part),
        }
        for index, (part, whole) in enumerate(blocks)
    ]
    return {"title": section.title, "id": f"section-{number}", "blocks": shown}


def _parts(block: Block) -> list[Block]:
    """Return a table of many columns as several tables, each with the headings of the rows."""
    if not isinstance(block, Table) or len(block.columns) - 1 <= MOST_COLUMNS:
        return [block]
    begins = range(1, len(block.columns), MOST_COLUMNS)
    last = begins[-1]
    return [
        replace(
            block,
            title=block.title if begin == 1 else "",
            columns=[block.columns[0], *block.columns[begin : begin + MOST_COLUMNS]],
            rows=[[row[0], *row[begin : begin + MOST_COLUMNS]] for row in block.rows],
            notes=block.notes if begin == last else (),
        )
        for begin in begins
    ]


def _drawn(block: Block) -> dict[str, Any]:
    if not isinstance(block, Figure):
        return {}
    figure = look.coloured(block.figure.to_plotly_json())
    names = figure["layout"].get("meta", {}).get("names", {})
    traces = [_named(trace, names) for trace in figure["data"]]
    return {"figure": {"data": traces, "layout": figure["layout"], "height": block.height}}


def _named(trace: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a trace with its full name, and without addresses of the dashboard."""
    name = str(trace.get("name", ""))
    short = next((key for key in names if name == key or name.startswith(f"{key} p")), "")
    shown = {key: value for key, value in trace.items() if key != "customdata"}
    return {**shown, "name": names[short] + name[len(short) :] if short else name}


def _policy(style: str, scripts: tuple[str, ...]) -> str:
    """Return the content security policy: only what is in the file, by checksum."""
    run = " ".join(map(_digest, scripts)) or "'none'"
    return (
        "default-src 'none'; form-action 'none'; base-uri 'none'; img-src data:; font-src data:; "
        f"script-src {run}; style-src {_digest(style)} {_digest(_EMPTY)}"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
