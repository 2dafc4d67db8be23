"""Base of the kinds of reports: what each is asked for, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from django.http import Http404
from django.utils.translation import gettext as _
from pydantic import BaseModel, Field

from dashboard.reports.document import Report
from jobs.base.numbers import DIGITS

LANGUAGES: Mapping[str, str] = {"en": "en", "zh": "zh-hans"}  # of a report -> of Django
FORMATS = ("html", "md", "csv")
Id = Annotated[int, Field(ge=0, lt=10**DIGITS)]


class Asked(BaseModel):
    """Language and format of a report."""

    language: Literal["en", "zh"] = Field("en", description="independent of the reader's own")
    format: Literal["html", "md", "csv"] = Field(
        "html", description="html: one file with charts; md: Markdown; csv: one line a number"
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of report. ``action``: the right that it needs; ``asked``: its parameters, of which
    ``results`` name results.

    ``build`` returns the document in the active language. Raises ``Http404`` for a missing record,
    ``ReportError`` for records that give no report.
    """

    name: str
    summary: str
    action: str
    asked: type[Asked]
    build: Callable[[Any], Report]
    results: Sequence[str] = ()


class ReportError(Exception):
    """There is no such report. ``field``: the parameter to change."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def absent(what: str, numbers: Sequence[object]) -> Http404:
    """Return the error for records that do not exist."""
    return Http404(f"{what}: {', '.join(map(str, numbers))}")


def unknown_level() -> ReportError:
    """Return the error for a service level that no page offers."""
    return ReportError("level", _("This service level was removed or hidden. Choose another."))
