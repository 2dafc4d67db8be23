"""Document of a report: sections of texts, numbers, tables, figures and code; kinds of reports.

Writers know these classes only. Texts are in the language of the report, neither escaped nor
marked up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from django.http import Http404
from pydantic import BaseModel, Field

from dashboard.charts import figure_parts
from dashboard.pages.shared.cells import FactList, Table, Tone
from jobs.base.numbers import DIGITS
from jobs.metrics import Unit

LANGUAGES: Mapping[str, str] = {"en": "en", "zh": "zh-hans"}  # of a report -> of Django
Id = Annotated[int, Field(ge=0, lt=10**DIGITS)]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text."""

    title: ClassVar = ""
    text: str
    tone: Tone = ""


class Listing(NamedTuple):
    """Texts of one kind."""

    items: Sequence[str]
    title: str = ""


class ReportFigure(NamedTuple):
    """A chart. Its numbers are those of a table of its section."""

    title: str
    figure: figure_parts.Figure
    height: int
    caption: str = ""


class Code(NamedTuple):
    """Commands, as they ran."""

    title: str
    text: str


Block = Paragraph | Listing | FactList | Table | ReportFigure | Code


class ReportSection(NamedTuple):
    """Part of a report. ``is_appendix``: for who repeats the measurement; nothing stands there
    alone that a conclusion needs."""

    title: str
    blocks: Sequence[Block]
    is_appendix: bool = False


class Report(NamedTuple):
    """``kicker``: the kind of report; ``title``: the conclusion in one sentence. ``warnings`` limit
    what the numbers are worth. ``file``: its name without an ending; ``source``: its records."""

    kicker: str
    title: str
    file: str
    source: str
    about: FactList
    sections: Sequence[ReportSection]
    warnings: Sequence[str] = ()

    @property
    def has_figures(self) -> bool:
        blocks = (block for section in self.sections for block in section.blocks)
        return any(isinstance(block, ReportFigure) for block in blocks)


Part = Literal["notes", "people", "hosts", "paths", "addresses"]


class ReportAsked(BaseModel):
    """Language, format and own words of a report, and whom it is for."""

    language: Literal["en", "zh"] = Field("en", description="independent of the reader's own")
    format: Literal["html", "md", "csv"] = Field(
        "html", description="html: one file with charts; md: Markdown; csv: one line a number"
    )
    per: Unit = Field("total", description="unit of throughput")
    profile: Literal["internal", "customer"] = Field(
        "internal", description="customer: method in an appendix, without the parts of include"
    )
    include: list[Part] = Field(
        default_factory=list, description="what a customer's report has, too; repeat it"
    )
    heading: str = Field("", max_length=200, description="title; empty: the conclusion")
    customer: str = Field("", max_length=200, description="name of the customer")
    summary: str = Field("", max_length=4000, description="own text before the conclusion")
    names: list[Annotated[str, Field(max_length=60)]] = Field(
        default_factory=list, description="own names of the columns, in their order; repeat it"
    )
    devices: list[Annotated[str, Field(max_length=60)]] = Field(
        default_factory=list, description="own names of their devices, in their order; repeat it"
    )

    def shows(self, part: Part) -> bool:
        return self.profile == "internal" or part in self.include

    def named(self, names: Sequence[str]) -> list[str]:
        """Return the own name of each column, else that of ``names``."""
        typed = [" ".join(text.split()) for text in self.names[: len(names)]]
        return [own or name for own, name in zip_longest(typed, names, fillvalue="")]

    def device(self, index: int, text: str) -> str:
        """Return the own name of the device of a column, else ``text``."""
        return "".join(self.devices[index : index + 1]).strip() or text


class ReportKind(NamedTuple):
    """A kind of report. ``action``: the right that it needs; ``results``: parameters that name
    results; ``columns``: names and devices of what it has, which a person can name; a name is "" in
    a report of one. ``build`` raises ``Http404`` for a missing record, ``ReportError`` for records
    without a report.
    """

    name: str
    summary: str
    action: str
    asked: type[ReportAsked]
    build: Callable[[Any], Report]
    results: Sequence[str] = ()
    columns: Callable[[Any], Sequence[tuple[str, str]]] = lambda _asked: ()


class ReportError(Exception):
    """There is no such report. ``field``: the parameter to change."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def absent(what: str, numbers: Sequence[object]) -> Http404:
    return Http404(f"{what}: {', '.join(map(str, numbers))}")
