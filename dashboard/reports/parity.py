"""Report of a parity statement: of two results, of groups of repeats, or of bare counts."""

from collections.abc import Sequence
from dataclasses import replace

from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from pydantic import Field

from dashboard.pages.parity import words
from dashboard.pages.parity.asked import Family, SideView, Stated, family, is_family, stated
from dashboard.pages.shared.cells import FactList
from dashboard.pages.shared.marks import device_text
from dashboard.reports import document, parts
from dashboard.reports.document import Block, Listing, Report, ReportFigure, ReportSection
from dashboard.text.formatting import number
from dashboard.text.import_words import measured_text
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from jobs.queries.parity.entered import ParityError
from jobs.queries.parity.statement import MARGIN
from jobs.queries.results.results import result_page


class ParityReportAsked(document.ReportAsked):
    """Report of a parity statement: results, or bare counts."""

    base: str = Field("", max_length=400, description="baseline: res-11; repeats res-11,res-12")
    id: str = Field(
        "",
        max_length=400,
        description="result: res-27; repeats res-27,res-28; several results res-27;res-31",
    )
    base_counts: str = Field("", max_length=20000, description="154/159,933/976")
    counts: str = Field("", max_length=20000, description="155/159,929/976")
    sets: str = Field("", max_length=20000, description="names of the counts' data sets")
    base_title: str = Field("", max_length=400, description="name of the baseline of counts")
    title: str = Field("", max_length=400, description="name of the result of counts")
    margin: str = Field(f"{MARGIN:g}", max_length=20, description="points")
    goal: str = Field("", max_length=20, description="at_least or same; empty: the usual one")
    planned: str = Field("", max_length=20, description="questions of a run that stops early")


def _read(asked: ParityReportAsked) -> Stated | Family:
    data = asked.model_dump(include=set(ParityReportAsked.model_fields))
    try:
        return family(data) if is_family(data) else stated(data)
    except ParityError as error:
        text = message(error.reason.id, error.reason.args)
        if error.reason.id == "parity:missing":
            raise Http404(text) from None
        raise document.ReportError(error.field, text) from None


def build(asked: ParityReportAsked) -> Report:
    found = _read(asked)
    if isinstance(found, Family):
        return _of_family(_family_renamed(found, asked), asked)
    found = renamed(found, _names(found.sides, asked))
    warnings = [text for _name, text in words.warnings(found)]
    blocks = [*numbers(found), *methods(found)]
    return Report(
        kicker=_("Parity report"),
        title=words.full_headline(found),
        file=f"report-{found.file_name}",
        source=parts.sources(found.results, asked) if found.results else _("Typed counts"),
        about=_about(found, asked),
        warnings=[*warnings, *parts.warnings(found.results, asked)],
        sections=[
            ReportSection(_("Conclusion"), conclusion(found, asked)),
            *([ReportSection(_("Numbers"), blocks)] if blocks else []),
            ReportSection(_("Method"), _method(found), is_appendix=True),
            *parts.remarks(parts.remarks_on(found.results, asked, has_added=False)),
        ],
    )


def _names(sides: Sequence[SideView], asked: document.ReportAsked) -> list[str]:
    """Return the typed names of the sides; for a customer, else names without numbers of results,
    where they tell the sides apart."""
    labels = [side.label for side in sides]
    is_told = asked.profile == "customer" and all(labels) and len(set(labels)) == len(labels)
    return asked.named(labels if is_told else [side.name for side in sides])


def renamed(found: Stated, names: Sequence[str]) -> Stated:
    """Return the statement with other names of baseline and result."""
    base, result = (
        side._replace(name=name, title=name if side.title else "")
        for side, name in zip(found.sides, names, strict=True)
    )
    return replace(found, base=base, result=result)


def _family_sides(found: Family) -> list[SideView]:
    return [found.base, *(one.result for one, _own in found.members)]


def _family_renamed(found: Family, asked: ParityReportAsked) -> Family:
    base, *names = _names(_family_sides(found), asked)
    pairs = zip(found.members, names, strict=True)
    members = [(renamed(one, (base, name)), own) for (one, own), name in pairs]
    return found._replace(base=found.base._replace(name=base), members=members)


def _columns(asked: ParityReportAsked) -> list[tuple[str, str]]:
    """Return name and device of each side that has results; none where there is no statement,
    whose report says why."""
    try:
        found = _read(asked)
    except document.ReportError:
        return []
    sides = _family_sides(found) if isinstance(found, Family) else found.sides
    return [(side.name, device_text(side.results[0])) for side in sides if side.results]


def _of_family(found: Family, asked: ParityReportAsked) -> Report:
    heads = [side.results[0] for side in _family_sides(found)]
    devices = [asked.device(at, device_text(head)) for at, head in enumerate(heads)]
    notes = [
        _(", ").join((device, measured_text([head])))
        for device, head in zip(devices, heads, strict=True)
    ]
    table = words.family_table(found)
    rows = [
        [replace(first, note=note), *rest]
        for (first, *rest), note in zip(table.rows, notes[1:], strict=True)
    ]
    return Report(
        kicker=_("Parity report"),
        title=words.family_headline(found),
        file=f"report-{found.file_name}",
        source=parts.sources(found.results, asked),
        about=parts.about(
            [(_("Baseline"), _(", ").join((found.base.name, notes[0])))],
            heads,
            asked,
            [(_("Margin"), words.margin_text(found.asks.margin / 100))],
        ),
        warnings=[*words.family_warnings(found), *parts.warnings(found.results, asked)],
        sections=[
            ReportSection(_("Conclusion"), [replace(table, rows=rows)]),
            ReportSection(_("Method"), [Listing(words.family_methods(found), _("Statistics"))]),
            *parts.remarks(parts.remarks_on(found.results, asked, has_added=False)),
        ],
    )


def conclusion(found: Stated, asked: document.ReportAsked) -> list[Block]:
    texts = [words.sentence(found), *words.reasons(found)]
    statement = found.parity.statement
    if statement is None:
        return [Listing(texts)]
    # The title has the verdict, unless a person typed another.
    verdict = [words.headline(found)] if asked.heading else []
    return [Listing([*verdict, *texts]), words.facts(found, statement)]


def numbers(found: Stated) -> list[Block]:
    statement = found.parity.statement
    if statement is None:
        return []
    sets, *folded = words.tables(found, statement)
    figure = words.forest_of(statement)
    band = _("band: ±%(margin)s") % {"margin": words.margin_text(statement.margin)}
    return [sets, ReportFigure(_("Differences"), figure, figure.height, band), *folded]


def methods(found: Stated) -> list[Block]:
    statement = found.parity.statement
    return [Listing(words.methods(statement), _("Statistics"))] if statement else []


def _about(found: Stated, asked: ParityReportAsked) -> FactList:
    named = [side for side in found.sides if side.results]
    heads, names = [side.results[0] for side in named], [side.name for side in named]
    devices = [asked.device(at, device_text(head)) for at, head in enumerate(heads)]
    statement = found.parity.statement
    questions = number(min(statement.pooled.questions)) if statement else ""
    more = [
        (_("Device"), parts.by_name(names, devices)),
        (pgettext("count", "Questions"), questions),
        (pgettext("of a statement", "Question"), words.goals().get(found.goal or "", "")),
    ]
    if statement is None:  # its numbers have the margin
        more.append((_("Margin"), words.margin_text(found.asks.margin / 100)))
    sides = [(_("Baseline"), found.base.name), (_("Result"), found.result.name)]
    return parts.about(sides, heads, asked, more, names)


def _method(found: Stated) -> list[Block]:
    blocks: list[Block] = []
    for result in (side.results[0] for side in found.sides if side.results):
        blocks += [*parts.record(result_page(result.pk), result_name(result))]
        blocks += parts.commands(result)
    return blocks


KIND = document.ReportKind(
    *("parity", "Report of a parity statement", "result.view", ParityReportAsked, build),
    results=("base", "id"),
    columns=_columns,
)
