"""Report of a comparison: two to eight results, or groups of repeats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from pydantic import Field

from dashboard.pages.compare.more_runs import more_runs
from dashboard.pages.compare.token_card import budget_figure
from dashboard.pages.parity.asked import Stated, of_comparison
from dashboard.pages.parity.data import full_headline
from dashboard.pages.parity.warnings import warnings
from dashboard.pages.shared.addresses import ResultId
from dashboard.pages.shared.compared import (
    charts,
    problem_of,
    read_groups,
    short_name,
    with_repeats,
)
from dashboard.pages.shared.comparison import (
    barred_words,
    barrier_words,
    conclusion,
    conclusions,
    declared_words,
)
from dashboard.pages.shared.verdict import marks_of
from dashboard.reports.document import (
    Block,
    Cell,
    Column,
    Facts,
    Figure,
    Listing,
    Paragraph,
    Report,
    Section,
    Table,
)
from dashboard.reports.kinds.base import Asked, Id, Kind, ReportError, absent
from dashboard.reports.parts import comparison_tables, method, parity_tables, remarks
from dashboard.text.import_words import declared_facts, measured_text
from dashboard.text.labels import phrase, result_name
from dashboard.text.messages import message
from jobs.base.numbers import result_number
from jobs.models import Result
from jobs.queries.comparison.comparison import Column as Side
from jobs.queries.comparison.comparison import Comparison, compare
from jobs.queries.parity.errors import ParityError
from jobs.queries.results.named import NotNumbered, pks_of
from jobs.queries.results.repeats import other_runs
from jobs.queries.results.results import result_page

_CHART, _KEY = 250, 22  # pixels: a chart, a line of its legend


class ComparisonAsked(Asked):
    """Report of a comparison; the first result or group is the baseline."""

    id: list[ResultId] = Field(default_factory=list, description="results, each alone; repeat it")
    group: list[str] = Field(
        default_factory=list,
        description="repeats of one measurement: res-11,res-12; repeat it",
    )
    concurrency: Id | None = Field(None, description="compared one; null: the highest common one")
    margin: str = Field("", max_length=20, description="points of a parity statement; empty: 1")
    goal: str = Field("", max_length=20, description="at_least or same; empty: the usual one")


def build(asked: ComparisonAsked) -> Report:
    """Return the report."""
    is_grouped = bool(asked.group)
    try:
        wanted = [pks_of(text.split(",")) for text in asked.group]
    except NotNumbered as error:
        raise ReportError("group", message(error.reason.id, error.reason.args)) from None
    wanted = wanted or [[pk] for pk in dict.fromkeys(asked.id)]
    groups, missing = read_groups(wanted)
    if missing:
        raise absent("results", list(map(result_number, missing)))
    problem = problem_of(groups)
    if problem:
        raise ReportError("group" if is_grouped else "id", problem)
    comparison = compare(groups, asked.concurrency)
    heads = comparison.heads
    found = _stated(comparison, asked)
    names = "-".join(map(result_name, heads))
    results = [run for runs in groups for run in runs]
    return Report(
        kicker=_("Comparison report"),
        title=full_headline(found) if found else conclusion(comparison),
        file=f"report-compare-{names}",
        source=remarks.sources(results),
        about=_about(comparison),
        warnings=[*_barriers(comparison), *remarks.warnings(results)],
        sections=[
            *_parity(found),
            Section(_("Conclusion"), _conclusion(comparison, groups, is_grouped=is_grouped)),
            Section(_("Numbers"), _numbers(comparison, is_grouped=is_grouped)),
            Section(_("Method"), _method(comparison)),
            Section(_("Remarks"), _remarks(results) or [remarks.nothing()]),
        ],
    )


def _stated(comparison: Comparison, asked: ComparisonAsked) -> Stated | None:
    try:
        return of_comparison(comparison, asked.margin, asked.goal)
    except ParityError as error:
        raise ReportError(error.field, message(error.reason.id, error.reason.args)) from None


def _parity(found: Stated | None) -> list[Section]:
    """Return the parity statement of two evaluations, which stands first."""
    if found is None:
        return []
    warned = [one.text for one in warnings(found)]
    blocks = [*parity_tables.statement_blocks(found)]
    if warned:
        blocks.append(Listing(warned, _("Before you quote it")))
    blocks += [*parity_tables.set_tables(found), parity_tables.methods(found)]
    return [Section(_("Parity statement"), blocks)]


def _about(comparison: Comparison) -> Facts:
    heads = comparison.heads
    rows = [
        (_("Models"), _(", ").join(dict.fromkeys(head.model_id for head in heads))),
        (_("Workload"), _(", ").join(dict.fromkeys(phrase(head.what) for head in heads))),
        (_("Tool"), _(", ").join(dict.fromkeys(head.tool for head in heads))),
        (_("Baseline"), short_name(comparison.columns[0])),
        (_("Measured"), measured_text(heads)),
        *declared_facts(heads),
    ]
    return Facts([(name, Cell(text)) for name, text in rows if text])


def _barriers(comparison: Comparison) -> list[str]:
    """Return which columns are not comparable, and why."""
    declared, words = declared_words(comparison), barred_words(comparison)
    if not words:
        return [declared] if declared else []
    reasons = [barrier_words(one, comparison.heads) for one in comparison.barriers]
    return [f"{words} {_('; ').join(reasons)}", *([declared] if declared else [])]


def _conclusion(
    comparison: Comparison, groups: list[list[Result]], *, is_grouped: bool
) -> list[Block]:
    blocks: list[Block] = [Listing(conclusions(comparison) or [conclusion(comparison)])]
    others = other_runs([run for runs in groups for run in runs])
    more = more_runs(comparison, with_repeats(groups, others))
    if more.text:
        blocks.append(Paragraph(more.text))
    return [*blocks, _columns(comparison.columns, is_grouped=is_grouped)]


def _columns(columns: Sequence[Side], *, is_grouped: bool) -> Table:
    """Return what is compared: a row each column."""
    heads = [
        Column(_("Result"), is_number=False),
        Column(_("Name"), is_number=False),
        Column(_("Precision"), is_number=False),
        Column(_("Device"), is_number=False),
        Column(pgettext("of a measurement", "Runs"), is_number=False),
    ]
    return Table(
        _("Compared results"),
        heads,
        [comparison_tables.about(column, index) for index, column in enumerate(columns)],
        [_("Hollow markers: disturbed, incomplete or loaded runs.")] if not is_grouped else (),
    )


def _numbers(comparison: Comparison, *, is_grouped: bool) -> list[Block]:
    blocks: list[Block] = [comparison_tables.metrics(comparison, grouped=is_grouped)]
    if comparison.heads[0].type == Result.Type.EVALUATION:
        blocks += _budget(comparison)
        return [*blocks, *comparison_tables.changed_answers(comparison)]
    drawn: dict[str, Any] = charts(comparison)
    if not drawn["drawn"]:
        return blocks
    height = _CHART + _KEY * len(comparison.columns)
    shown = (
        ("throughput", _("Throughput vs concurrency"), ""),
        ("ttft", _("Time to first token (TTFT)"), _("p50 bold, p99 thin")),
        ("interactivity", _("Throughput vs interactivity"), _("labels: concurrency")),
        ("per_device", _("Throughput per device vs per user"), _("dotted: Pareto frontier")),
    )
    blocks += [
        Figure(title, drawn[name], height, caption) for name, title, caption in shown if drawn[name]
    ]
    return [*blocks, *comparison_tables.by_concurrency(comparison, grouped=is_grouped)]


def _budget(comparison: Comparison) -> list[Block]:
    """Return the accuracy vs the token budget as chart and table, where two results have it."""
    figure = budget_figure(comparison)
    if figure is None:
        return []
    height = _CHART + _KEY * len(comparison.columns)
    chart = Figure(_("Accuracy vs token budget"), figure, height, _("marks: own limit"))
    return [chart, comparison_tables.by_budget(comparison)]


def _method(comparison: Comparison) -> list[Block]:
    heads = comparison.heads
    blocks: list[Block] = [comparison_tables.configuration(comparison)]
    for column in comparison.columns:
        page = result_page(column.head.pk)
        blocks += [
            _titled(method.environment(page), column),
            _titled(method.provenance(page.result), column),
        ]
    blocks += [block for head in heads for block in method.commands(head.job)]
    return [*blocks, *method.packages(heads)]


def _titled(facts: Facts, column: Side) -> Facts:
    return Facts(facts.rows, f"{facts.title} {result_name(column.head)}")


def _remarks(results: Sequence[Result]) -> list[Block]:
    marks = marks_of(results)
    blocks: list[Block] = []
    for result in results:
        title = result_name(result)
        items = [*remarks.remarks_of(result), *remarks.known_failure(result.job)]
        blocks += [Listing(items, title)] if items else []
        blocks += remarks.organised(result, marks[result.pk], "" if items else title)
    return blocks


KIND = Kind(
    "comparison",
    "Report of a comparison",
    "result.view",
    ComparisonAsked,
    build,
    results=("id", "group"),
)
