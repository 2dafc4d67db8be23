"""Tables of one result: conclusion, client and engine, repeats, data sets."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from dashboard.pages.results.conclusion import Card, Row
from dashboard.pages.results.repeats import repeat_table
from dashboard.pages.results.two_sides import SidesRow, SidesTable
from dashboard.pages.shared.sets_table import mean_label
from dashboard.reports.document import Block, Cell, Column, Listing, Table
from dashboard.reports.parts import numbers
from dashboard.text.formatting import full_moment, percent
from dashboard.text.labels import result_name
from jobs.queries.results.curve import RATE
from jobs.queries.results.results import ResultPage
from jobs.queries.results.set_scores import SetGroup, SetRow
from jobs.statistics import LEAST_RUNS


def conclusion(card: Card) -> Table:
    """Return throughput and latency with intervals: a column a concurrency."""
    heads = [Column(str(row.point.concurrency), _mark(row)) for row in card.rows]
    rows = [
        [Cell(pgettext("count", "Runs")), *(_runs(row) for row in card.rows)],
        [Cell(_("Completed / failed")), *(_completed(row) for row in card.rows)],
        [numbers.heading(RATE), *(_rate(row) for row in card.rows)],
    ]
    for index, name in enumerate(card.names):
        label = card.columns[index].rpartition(", ")[0]
        rows.append(
            [numbers.heading(name, label), *(_latency(row, index, name) for row in card.rows)]
        )
    if card.conclusion.level:
        rows.append([Cell(_("Service level")), *(_level(row) for row in card.rows)])
    first = Column(_("Concurrency"), is_number=False)
    title = _("Throughput and latency by concurrency")
    return Table(title, [first, *heads], rows, card.remarks)


def _mark(row: Row) -> str:
    words = list(row.marks)
    if row.is_recommended:
        words.append(_("recommended"))
    elif row.is_best:
        words.append(pgettext("throughput", "best"))
    return _(", ").join(words)


def _runs(row: Row) -> Cell:
    return numbers.count(len(row.point.runs))


def _completed(row: Row) -> Cell:
    text = f"{row.point.completed} / {row.point.failed}"
    return Cell(text, value=row.point.completed, measure="requests")


def _rate(row: Row) -> Cell:
    text, interval = row.rate
    point = row.point
    return numbers.bare(
        *(RATE, point.rate if text else None, interval, point.interval(RATE)),
        n=len(point.runs),
        of="runs",
        tone="bold",
    )


def _latency(row: Row, index: int, name: str) -> Cell:
    point, (_text, interval) = row.point, row.cells[index]
    bounds, runs = point.interval(name), len(point.runs)
    is_of_requests = bounds is not None and runs < LEAST_RUNS
    return numbers.bare(
        *(name, point.mean(name), interval, bounds),
        n=point.completed if is_of_requests else runs,
        of="requests" if is_of_requests else "runs",
    )


def _level(row: Row) -> Cell:
    verdict = row.verdict.verdict if row.verdict else ""
    if verdict == "met":
        return Cell(_("met"), tone="good")
    if verdict == "missed":
        return Cell(_("missed"), note=row.why, tone="bad")
    return Cell(_("unknown") if row.verdict else _("too many failures"), tone="dim")


def sides(found: SidesTable) -> list[Block]:
    """Return client against engine."""
    heads = [
        Column(_("Concurrency"), is_number=False),
        *(Column(_("Output tokens, client")), Column(_("engine")), Column(_("Difference"))),
    ]
    if found.has_ttft:
        heads += [Column(_("TTFT mean, ms, client")), Column(_("engine")), Column(_("Difference"))]
    if found.has_queue:
        heads += [Column(_("Queue mean, ms, client")), Column(_("engine"))]
    rows = [[Cell(str(row.concurrency)), *_sides(row, found)] for row in found.rows]
    notes = [text for text, _is_flagged in found.texts]
    return [Table(_("Client and engine"), heads, rows, notes)]


def _sides(row: SidesRow, found: SidesTable) -> list[Cell]:
    side = row.side
    tokens = (side.client_tokens, side.engine_tokens, side.tokens_share)
    ttft = (side.client_ttft_ms, side.engine_ttft_ms, side.delay_ms)
    cells = list(zip(row.tokens, tokens, ("tokens", "tokens", "share"), strict=True))
    if found.has_ttft:
        cells += zip(row.ttft, ttft, ("ms", "ms", "ms"), strict=True)
    if found.has_queue:
        queue = (side.client_queue_ms, side.engine_queue_ms)
        cells += zip(row.queue, queue, ("ms", "ms"), strict=True)
    return [
        Cell(text, value=value, measure=measure) if text else numbers.missing()
        for text, value, measure in cells
    ]


def repeats(page: ResultPage) -> list[Block]:
    """Return the runs of the measurement with their mean."""
    table = repeat_table(page)
    if table is None:
        return []
    if not table.concurrencies:
        others = _(", ").join(result_name(other) for other in page.repeats)
        text = _("Repeats at other concurrencies: %(runs)s") % {"runs": others}
        return [Listing([text])]
    metric = table.metric
    heads = [Column(pgettext("of a measurement", "Run"), is_number=False)]
    heads += [
        Column(str(value) if value is not None else numbers.heading(metric).text)
        for value in table.concurrencies
    ]
    rows = []
    for row in table.rows:
        note = full_moment(row.result.created_at)
        if row.result.incomplete:
            note = _("incomplete, not counted")
        elif row.result.disturbed:
            note = _("disturbed, not counted")
        elif row.result.loaded:
            note = _("loaded host, not counted")
        cells = [numbers.bare(metric, value) for value in row.values]
        rows.append([Cell(result_name(row.result), note=note), *cells])
    means = [numbers.compared(figure, metric, grouped=True) for figure in table.means]
    rows.append([Cell(_("mean")), *means])
    heading = numbers.heading(metric)
    title = _("Repeats: %(metric)s") % {
        "metric": ", ".join(filter(None, (heading.text, heading.unit)))
    }
    return [Table(title, heads, rows)]


def sets(page: ResultPage) -> list[Table]:
    """Return the accuracy by data set, with means."""
    if not page.sets:
        return []
    heads = [Column(name, is_number=False) for name in ("dataset", "version", "metric", "mode")]
    heads += [
        Column(page.result.measured),
        Column(_("Questions")),
        Column(_("95 %% interval") % {}),
    ]
    rows = [row for group in page.sets for row in _group(group, page.sets)]
    notes = [
        _(
            "In per cent. “avg” weights data sets equally, “by question” weights questions "
            "equally. Rankings by the two may differ."
        )
    ]
    return [Table(_("Accuracy by data set"), heads, rows, notes)]


def _group(group: SetGroup, groups: Sequence[SetGroup]) -> list[list[Cell]]:
    rows = [_set(row) for row in group.rows]
    if group.macro is None:
        return rows
    weighted = (
        "" if group.weighted is None else f"{_('by question')} {percent(group.weighted / 100)}"
    )
    label = mean_label(group, alone=len(groups) == 1)
    mean = Cell(percent(group.macro / 100), value=group.macro / 100, measure="share", tone="bold")
    questions = numbers.count(group.questions) if group.questions else Cell("")
    names = [Cell(label, tone="bold"), Cell(""), Cell(group.metric), Cell(group.mode)]
    return [*rows, [*names, mean, questions, Cell(weighted)]]


def _set(row: SetRow) -> list[Cell]:
    names = [Cell(row.title), Cell(row.version), Cell(row.metric), Cell(row.mode)]
    bounds, score = row.interval, Cell("-")
    if row.value is not None:
        low, high = (bounds.low, bounds.high) if bounds else (None, None)
        score = Cell(
            percent(row.value / 100),
            value=row.value / 100,
            measure="share",
            low=low,
            high=high,
            n=row.questions,
            of="questions",
        )
    questions = numbers.count(row.questions) if row.questions else Cell("")
    interval = f"{percent(bounds.low)}, {percent(bounds.high)}" if bounds else ""
    return [*names, score, questions, Cell(interval)]


def categories(page: ResultPage) -> list[Table]:
    """Return the accuracy by category of the questions; data sets have a table of their own."""
    if not page.categories or page.categories[0].is_set:
        return []
    heads = [Column(_("Category"), is_number=False), Column(_("Correct")), Column(_("Questions"))]
    heads.append(Column(_("Accuracy, %")))
    rows = [
        [
            Cell(item.name),
            numbers.bare("correct", item.right),
            numbers.count(item.questions),
            numbers.share(item.share, item.questions),
        ]
        for item in page.categories
    ]
    notes = [_("95 %% confidence interval (Wilson). Small categories have wide intervals.") % {}]
    return [Table(_("By category"), heads, rows, notes)]
