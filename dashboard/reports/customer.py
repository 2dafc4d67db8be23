"""Own words of a report, and what a customer does not get: hosts, folders, addresses of the team.

Notes and people are left out where a kind of report writes them, because a name can be any word.
"""

import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from dashboard.charts.figure_parts import Figure
from dashboard.pages.shared.cells import Cell
from dashboard.reports.document import Paragraph, Report, ReportAsked, ReportSection
from dashboard.text.labels import host_title
from jobs.base.patterns import pattern
from jobs.models import Host

HIDDEN = "…"  # RE2 writes a template of other than ASCII wrongly: it is put in by a function
# A URL, or an address of a private network or of the computer itself.
_ADDRESS = pattern(
    r"""https?://[^\s"'<>()，。；]+|\b(?:127|10|192\.168|172\.(?:1[6-9]|2\d|3[01]))"""
    r"""(?:\.\d{1,3}){2,3}(?::\d+)?\b|\blocalhost(?::\d+)?"""
)
# Folders of an absolute path, with the sign before it; its last part stays.
_FOLDERS = pattern(r"""(^|[\s"'=:,;(\[<>@|])~?/(?:[\w.+@%{}-]+/)+""", lines=True)
# Numbers of jobs: in brackets with them, and alone.
_JOBS = pattern(r"\s?[(（]#\d+(?:(?:, |、|，)#\d+)*[)）]|#\d+\b")
# No letter or digit stands before a host's name, unless it ends an escape such as %2F or \n.
_BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-F]{2})|(?<=\\[nrt]))"
_DOMAIN = r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"


def without_hosts(asked: ReportAsked) -> Callable[[str], str]:
    """Return a function that puts "System C" in the place of a host's name in any case, with the
    domain behind it, the same in each report; a report with names of hosts stays."""
    if asked.shows("hosts"):
        return str
    words: dict[str, str] = {}
    for host in Host.objects.only("name", "type"):
        word = _("System %(letter)s") % {"letter": _letters(host.pk)}
        words |= {host.name.lower(): word, host_title(host).lower(): word}
    if not words:
        return str
    names = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    found = re.compile(f"{_BEFORE}({names})(?![A-Za-z0-9]){_DOMAIN}", re.IGNORECASE)
    return lambda text: found.sub(lambda match: words[match[1].lower()], text)


def _letters(number: int) -> str:
    """Return A to Z for 1 to 26, then AA."""
    before, at = divmod(number - 1, 26)
    return (_letters(before) if before else "") + chr(ord("A") + at)


def edited(report: Report, asked: ReportAsked) -> Report:
    """Return the report with the words of the person who asks, for whom it is asked. What an
    appendix has comes last."""
    if asked.profile == "customer":
        report = _for_customer(report, asked)
    rows = [(_("Customer"), Cell(asked.customer)), *report.about.rows]
    about = replace(report.about, rows=rows) if asked.customer else report.about
    texts = [Paragraph(text) for text in asked.summary.split("\n\n") if text.strip()]
    sections = [*([ReportSection(_("Summary"), texts)] if texts else []), *report.sections]
    sections.sort(key=lambda one: one.is_appendix)
    title = asked.heading.strip() or report.title
    return report._replace(title=title, about=about, sections=sections)


def _for_customer(report: Report, asked: ReportAsked) -> Report:
    unnamed = without_hosts(asked)

    def hidden(text: str) -> str:
        text = _JOBS.sub(lambda match: HIDDEN if match[0].startswith("#") else "", text)
        if not asked.shows("addresses"):
            text = _ADDRESS.sub(lambda _match: HIDDEN, text)
        if not asked.shows("paths"):
            text = _FOLDERS.sub(lambda match: f"{match[1]}{HIDDEN}/", text)
        return unnamed(text)

    # Typed names stand in the program's texts, and stay whole.
    typed = [name for name in (*asked.names, *asked.devices) if hidden(name) != name]
    parts = re.compile(f"({'|'.join(map(re.escape, typed))})") if typed else None

    def change(text: str) -> str:
        if parts is None:
            return hidden(text)
        found = parts.split(text)
        return "".join(one if at % 2 else hidden(one) for at, one in enumerate(found))

    shown: Report = _mapped(report, change)
    return shown


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Return a copy with every text changed; charts have names of metrics and results only."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Figure):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        shown = {one.name: _mapped(getattr(value, one.name), change) for one in fields(value)}
        return replace(value, **shown)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_mapped(one, change) for one in value))
    if isinstance(value, list | tuple):
        return [_mapped(one, change) for one in value]
    return value
