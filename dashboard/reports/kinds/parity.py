"""Report of a parity statement: of two results, of groups of repeats, or of bare counts."""

from __future__ import annotations

from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from pydantic import Field

from dashboard.pages.parity import incomparable, words
from dashboard.pages.parity.asked import Stated, stated
from dashboard.pages.parity.data import headline_of
from dashboard.pages.parity.rows import file_name
from dashboard.pages.parity.warnings import warnings
from dashboard.reports.document import Block, Cell, Facts, Listing, Report, Section
from dashboard.reports.kinds.base import Asked, Kind, ReportError
from dashboard.reports.parts import method, parity_tables, remarks
from dashboard.text.formatting import number
from dashboard.text.import_words import declared_facts, measured_text
from dashboard.text.labels import phrase, result_name
from dashboard.text.messages import message
from jobs.queries.parity.compared import MARGIN
from jobs.queries.parity.errors import ParityError
from jobs.queries.results.results import result_page


class ParityAsked(Asked):
    """Report of a parity statement: results, or bare counts."""

    base: str = Field("", max_length=400, description="baseline: res-11; repeats res-11,res-12")
    id: str = Field("", max_length=400, description="result: res-27; repeats res-27,res-28")
    base_counts: str = Field("", max_length=20000, description="154/159,933/976")
    counts: str = Field("", max_length=20000, description="155/159,929/976")
    sets: str = Field("", max_length=20000, description="names of the counts' data sets")
    base_title: str = Field("", max_length=400, description="name of the baseline of counts")
    title: str = Field("", max_length=400, description="name of the result of counts")
    margin: str = Field(f"{MARGIN:g}", max_length=20, description="points")
    goal: str = Field("", max_length=20, description="at_least or same; empty: the usual one")
    planned: str = Field("", max_length=20, description="questions of a run that stops early")


def build(asked: ParityAsked) -> Report:
    """Return the report."""
    try:
        found = stated(asked.model_dump(include=set(ParityAsked.model_fields)))
    except ParityError as error:
        text = message(error.reason.id, error.reason.args)
        if error.reason.id == "parity:missing":
            raise Http404(text) from None
        raise ReportError(error.field, text) from None
    return Report(
        kicker=_("Parity report"),
        title=headline_of(found),
        file=f"report-{file_name(found)}",
        source=_source(found),
        about=_about(found),
        warnings=[*(one.text for one in warnings(found)), *remarks.warnings(found.results)],
        sections=[
            *_statement(found),
            Section(_("Method"), _method(found)),
            Section(_("Remarks"), _remarks(found) or [remarks.nothing()]),
        ],
    )


def _statement(found: Stated) -> list[Section]:
    if found.parity.statement is None:
        said = [incomparable.sentence(found), incomparable.action(found)]
        return [Section(_("Conclusion"), [Listing(said)])]
    return [
        Section(_("Conclusion"), parity_tables.statement_blocks(found)),
        Section(_("Numbers"), parity_tables.set_tables(found)),
    ]


def _source(found: Stated) -> str:
    if not found.results:
        return _("Typed counts")
    return remarks.sources(found.results)


def _about(found: Stated) -> Facts:
    heads = [side.results[0] for side in (found.base, found.result) if side.results]
    statement = found.parity.statement
    asked = number(min(statement.pooled.questions)) if statement else ""
    rows = [
        (_("Baseline"), found.base.name),
        (_("Result"), found.result.name),
        (_("Models"), _(", ").join(dict.fromkeys(head.model_id for head in heads))),
        (_("Workload"), _(", ").join(dict.fromkeys(phrase(head.what) for head in heads))),
        (_("Tool"), _(", ").join(dict.fromkeys(head.tool for head in heads))),
        (pgettext("count", "Questions"), asked),
        (pgettext("of a statement", "Question"), words.goals().get(found.goal or "", "")),
        (_("Margin"), words.margin_text(found.asks.margin / 100)),
        (_("Measured"), measured_text(heads)),
        *declared_facts(heads),
    ]
    return Facts([(name, Cell(text)) for name, text in rows if text])


def _method(found: Stated) -> list[Block]:
    blocks: list[Block] = [parity_tables.methods(found)] if found.parity.statement else []
    for side in (found.base, found.result):
        for result in side.results[:1]:
            page, name = result_page(result.pk), result_name(result)
            tables = (
                *method.inputs(result),
                method.environment(page),
                method.provenance(page.result),
            )
            blocks += [Facts(facts.rows, f"{facts.title} {name}") for facts in tables]
            blocks += method.commands(result.job)
    return blocks


def _remarks(found: Stated) -> list[Block]:
    blocks: list[Block] = []
    for result in found.results:
        items = [*remarks.remarks_of(result), *remarks.known_failure(result.job)]
        blocks += [Listing(items, result_name(result))] if items else []
    return blocks


KIND = Kind(
    "parity",
    "Report of a parity statement",
    "result.view",
    ParityAsked,
    build,
    results=("base", "id"),
)
