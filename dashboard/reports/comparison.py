"""Report of a comparison: two to eight results, or groups of repeats."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from pydantic import Field

from dashboard.charts.accuracy import is_doubling, points_of
from dashboard.pages.answers import budget_uses
from dashboard.pages.compare import charts_of, more_runs
from dashboard.pages.parity import words
from dashboard.pages.parity.asked import Stated, of_comparison
from dashboard.pages.shared import cells, units
from dashboard.pages.shared import comparison as shared
from dashboard.pages.shared.addresses import ResultId
from dashboard.pages.shared.cells import Cell, Table
from dashboard.pages.shared.marks import device_text, flags
from dashboard.pages.shared.metrics_table import column_heads, metrics_table
from dashboard.pages.shared.words import setting_text
from dashboard.reports import document, parity, parts
from dashboard.reports.customer import without_hosts
from dashboard.reports.document import (
    Block,
    Listing,
    Paragraph,
    Report,
    ReportFigure,
    ReportSection,
)
from dashboard.text.formatting import number
from dashboard.text.import_words import measured_text
from dashboard.text.labels import phrase, result_name, setting_title, stack_name
from dashboard.text.messages import message
from jobs.base.numbers import result_number
from jobs.metrics import rate_in
from jobs.models import Result
from jobs.queries.comparison.comparison import ComparedColumn, Comparison, compare
from jobs.queries.parity.entered import ParityError
from jobs.queries.results.repeats import other_runs
from jobs.queries.results.results import BudgetUse, NotNumbered, pks_of, result_page

_CHART, _KEY = 250, 22  # pixels: a chart, a line of its legend
# Metrics of tables over all concurrencies; others stand in the appendix.
_MAIN = ("output_tokens_per_s", "ttft_p50_ms", "tpot_p50_ms")
_OTHERS = (
    *("requests_per_s", "ttft_p99_ms", "tpot_p99_ms", "latency_p50_s"),
    *("requests", "failed_requests"),
)


class ComparisonAsked(document.ReportAsked):
    """Report of a comparison; the first result or group is the baseline."""

    id: list[ResultId] = Field(default_factory=list, description="results, each alone; repeat it")
    group: list[str] = Field(
        default_factory=list,
        description="repeats of one measurement: res-11,res-12; repeat it",
    )
    concurrency: document.Id | None = Field(
        None, description="compared one; null: the highest common one"
    )
    margin: str = Field("", max_length=20, description="points of a parity statement; empty: 1")
    goal: str = Field("", max_length=20, description="at_least or same; empty: the usual one")


def _read(asked: ComparisonAsked) -> tuple[list[list[Result]], Comparison]:
    """Return the runs by column, compared."""
    try:
        wanted = [pks_of(text.split(",")) for text in asked.group]
    except NotNumbered as error:
        raise document.ReportError("group", message(error.reason.id, error.reason.args)) from None
    groups, missing = shared.read_groups(wanted or [[pk] for pk in dict.fromkeys(asked.id)])
    if missing:
        raise document.absent("results", list(map(result_number, missing)))
    if problem := shared.problem_of(groups):
        raise document.ReportError("group" if asked.group else "id", problem)
    return groups, compare(groups, asked.concurrency, rate_in(asked.per))


def build(asked: ComparisonAsked) -> Report:
    is_grouped = bool(asked.group)
    groups, comparison = _read(asked)
    try:
        found = of_comparison(comparison, asked.margin, asked.goal)
    except ParityError as error:
        why = message(error.reason.id, error.reason.args)
        raise document.ReportError(error.field, why) from None
    results = [run for runs in groups for run in runs]
    heads, names = comparison.heads, _names(comparison, asked)
    own = names if any(asked.names) or asked.profile == "customer" else ()
    barred = shared.barred_words(comparison)
    reasons = _("; ").join(shared.barrier_words(one, heads) for one in comparison.barriers)
    declared = shared.declared_words(comparison, has_people=asked.shows("people"))
    barriers = [f"{barred} {reasons}" if barred else "", declared]
    conclusion = _conclusion(comparison, groups, names, own, asked)
    details = _by_concurrency(comparison, names, _OTHERS)
    unit = units.choice(asked.per, heads)
    title = shared.conclusion(comparison, own)
    if found:
        found = parity.renamed(found, own) if own else found
        title = words.full_headline(found)
    return Report(
        kicker=_("Comparison report"),
        title=title,
        file=f"report-compare-{'-'.join(map(result_name, heads))}",
        source=parts.sources(results, asked),
        about=parts.about((), heads, asked, [(_("Baseline"), names[0])]),
        warnings=[*filter(None, [*barriers, unit.missing]), *parts.warnings(results, asked)],
        sections=[
            *([_parity(found, asked)] if found else []),
            ReportSection(_("Conclusion"), conclusion),
            ReportSection(
                _("Numbers"), _numbers(comparison, names, unit.rate, is_grouped=is_grouped)
            ),
            *([ReportSection(_("Details"), details, is_appendix=True)] if details else []),
            ReportSection(_("Method"), _method(comparison), is_appendix=True),
            *parts.remarks(parts.remarks_on(results, asked)),
        ],
    )


def _parity(found: Stated, asked: ComparisonAsked) -> ReportSection:
    warned = [text for _name, text in words.warnings(found)]
    quoted = [Listing(warned, _("Before you quote it"))] if warned else []
    concluded = parity.conclusion(found, asked)
    blocks = [*concluded, *quoted, *parity.numbers(found), *parity.methods(found)]
    return ReportSection(_("Parity statement"), blocks)


def _names(comparison: Comparison, asked: ComparisonAsked) -> list[str]:
    """Return the typed names of the columns; for a customer, else what tells them apart."""
    hide = without_hosts(asked)
    names = shared.column_names(comparison, hide)
    if asked.profile == "customer":
        told = shared.distinctions(comparison, hide)
        names = told if all(told) and len(set(told)) == len(told) else names
    return asked.named(names)


def _columns(asked: ComparisonAsked) -> list[tuple[str, str]]:
    comparison = _read(asked)[1]
    names, devices = _names(comparison, asked), map(device_text, comparison.heads)
    return [*zip(names, devices, strict=True)]


def _conclusion(
    comparison: Comparison,
    groups: list[list[Result]],
    names: Sequence[str],
    own: Sequence[str],
    asked: ComparisonAsked,
) -> list[Block]:
    """``own``: names of the columns in sentences; empty: those of the page."""
    texts = shared.conclusions(comparison, own) or [shared.conclusion(comparison, own)]
    others = other_runs([run for runs in groups for run in runs])
    more = more_runs(comparison, shared.with_repeats(groups, others))
    paragraphs = [Paragraph(more.text)] if more.text and asked.profile == "internal" else []
    notes = [] if asked.group else [_("Hollow markers: disturbed, incomplete or loaded runs.")]
    # A single text is the title, unless a person typed another.
    listed = [Listing(texts)] if len(texts) > 1 or asked.heading else []
    return [*listed, *paragraphs, _compared(comparison, names, asked, notes)]


def _compared(
    comparison: Comparison, names: Sequence[str], asked: ComparisonAsked, notes: list[str]
) -> Table:
    """Return what the results are, and their settings that differ: a column a result."""
    columns, heads = comparison.columns, comparison.heads
    facts = {
        _("Result"): [Cell(head.measured) for head in heads],
        _("Precision"): [Cell(phrase(head.label)) for head in heads],
        _("Device"): [
            Cell(
                asked.device(index, device_text(head)),
                note=_(", ").join(filter(None, (stack_name(head.stack), head.parallelism))),
            )
            for index, head in enumerate(heads)
        ],
        pgettext("of a measurement", "Runs"): [
            Cell(_(", ").join(map(result_name, column.runs))) for column in columns
        ],
        _("Measured"): [Cell(measured_text([head])) for head in heads],
        _("Flags"): [Cell(_(", ").join(flag.word for flag in flags(head))) for head in heads],
    }
    differing = [one for one in comparison.settings if one.differs]
    for one in differing:
        texts = [setting_text(value, one.name) if value else _("none") for value in one.values]
        if all(texts != [cell.text for cell in row] for row in facts.values()):
            facts.setdefault(setting_title(one.name), [*map(Cell, texts)])
    rows = [[Cell(title), *row] for title, row in facts.items() if any(cell.text for cell in row)]
    equal = len(comparison.settings) - len(differing)
    note = ngettext("%(n)s setting is equal.", "%(n)s settings are equal.", equal) % {"n": equal}
    shown = [replace(one, is_number=False) for one in column_heads(comparison, names, _("Setting"))]
    return Table(_("Compared results"), shown, rows, [note, *notes])


def _numbers(
    comparison: Comparison, names: Sequence[str], rate: str, *, is_grouped: bool
) -> list[Block]:
    blocks: list[Block] = [metrics_table(comparison, comparison.rows, names, is_grouped=is_grouped)]
    height = _CHART + _KEY * len(comparison.columns)
    drawn = charts_of(comparison, names, rate)
    blocks += [
        ReportFigure(one.title, one.figure, one.figure.height or height, one.caption)
        for one in drawn
    ]
    if comparison.heads[0].type == Result.Type.BENCHMARK:
        main = dict.fromkeys((rate, *_MAIN))
        return [*blocks, *_by_concurrency(comparison, names, main)] if drawn else blocks
    if any(one.name == "budget" for one in drawn):
        blocks.append(_by_budget(comparison, names))
    return [*blocks, *_changed_answers(comparison, names)]


def _by_concurrency(
    comparison: Comparison, names: Sequence[str], metrics: Iterable[str]
) -> list[Table]:
    """Return a table for each metric: a row a concurrency, a column a result."""
    columns = comparison.columns

    def at(column: ComparedColumn, name: str, concurrency: int) -> Cell:
        value = dict(column.points).get(concurrency, {}).get(name)
        runs = len(column.at(name, concurrency))
        return cells.bare(name, value, column.interval(name, concurrency), n=runs, of="runs")

    known = sorted({c for column in columns for c, _metrics in column.points})
    if known == [comparison.concurrency]:
        return []
    heads = column_heads(comparison, names, _("Concurrency"))
    tables = []
    for name in metrics:
        if any(name in found for column in columns for _c, found in column.points):
            rows = [[Cell(str(c)), *(at(column, name, c) for column in columns)] for c in known]
            title = _("%(metric)s by concurrency") % {"metric": cells.title_of(name)}
            tables.append(Table(title, heads, rows))
    return tables


def _by_budget(comparison: Comparison, names: Sequence[str]) -> Table:
    """Return the accuracy within each token budget: a row a doubling, a column a result."""
    uses = budget_uses(comparison)
    drawn = {point.budget for use in uses if use for point in points_of(use)}
    limits = {use.limit for use in uses if use and use.limit}
    rows = [
        [Cell(number(budget)), *(_within(use, budget) for use in uses)]
        for budget in sorted(drawn)
        if is_doubling(budget) or budget in limits
    ]
    text = _(
        "Share of correct answers with at most so many tokens: a lower bound of a run with "
        "that limit. Brackets: 95 %% interval (Wilson). Do not compare by overlapping "
        "intervals: the table of metrics has the paired difference."
    )
    notes = [text % {}]
    if any(len(column.runs) > 1 for column in comparison.columns):
        notes.append(
            _(
                "Of a group: the answers of all its runs together. Runs without token counts, or "
                "with another limit, do not count."
            )
        )
    heads = column_heads(comparison, names, _("Token budget"))
    return Table(_("Accuracy by token budget, %%") % {}, heads, rows, notes)


def _within(use: BudgetUse | None, budget: int) -> Cell:
    """Return the accuracy within a budget; n/a outside of the curve, and between its points."""
    points = points_of(use) if use else []
    below = [point for point in points if point.budget <= budget]
    if use is None or not below or budget > points[-1].budget:
        return cells.missing()
    if below[-1].budget < min(budget, use.longest):
        return cells.missing()
    return cells.share(below[-1].share, use.questions, unit="")


def _changed_answers(comparison: Comparison, names: Sequence[str]) -> list[Block]:
    blocks: list[Block] = []
    for index, paired in enumerate(comparison.paired, 1):
        if paired is not None:
            title = _("Changed answers, %(a)s → %(b)s") % {"a": names[0], "b": names[index]}
            said = shared.paired_words(paired, is_barred=index in comparison.barred)
            blocks.append(Listing([text for text in said if text], title))
    return blocks


def _method(comparison: Comparison) -> list[Block]:
    heads, blocks = comparison.heads, list[Block]()
    for head in heads:
        blocks += parts.record(result_page(head.pk), result_name(head))
    blocks += [block for head in heads for block in parts.commands(head)]
    return [*blocks, *parts.packages(heads)]


KIND = document.ReportKind(
    *("comparison", "Report of a comparison", "result.view", ComparisonAsked, build),
    results=("id", "group"),
    columns=_columns,
)
