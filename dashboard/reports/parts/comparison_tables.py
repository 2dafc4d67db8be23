"""Tables of a comparison: columns, metrics with differences, configuration, changed answers."""

from __future__ import annotations

from dataclasses import replace

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.charts.tradeoff import is_doubling, points_of
from dashboard.pages.compare.token_card import budget_uses
from dashboard.pages.shared.compared import short_name
from dashboard.pages.shared.flags import flags
from dashboard.pages.shared.words import change_texts, interval_text, paired_words
from dashboard.reports.document import Block, Cell, Column, Listing, Table, Tone
from dashboard.reports.parts import numbers
from dashboard.reports.parts.remarks import sources
from dashboard.templatetags.results import setting_text
from dashboard.text.formatting import number
from dashboard.text.import_words import measured_text
from dashboard.text.labels import phrase, result_name, result_place, setting_title
from jobs.models import Result
from jobs.queries.comparison.comparison import Change, Comparison, MetricRow
from jobs.queries.comparison.comparison import Column as Side
from jobs.queries.results.devices import device_count
from jobs.queries.results.results import accuracy
from jobs.queries.results.token_use import BudgetUse

# Metrics of the charts, for tables over all concurrencies.
_DRAWN = (
    *("output_tokens_per_s", "requests_per_s"),
    *("ttft_p50_ms", "ttft_p99_ms", "tpot_p50_ms", "tpot_p99_ms", "latency_p50_s"),
    *("requests", "failed_requests"),
)


def about(column: Side, index: int) -> list[Cell]:
    """Return what a column is of."""
    head = column.head
    words = [flag.word for flag in flags(head)]
    if index == 0:
        words.insert(0, _("baseline"))
    device, count = head.device or result_place(head), device_count(head)
    if count and not head.device:
        dies = ngettext("%(n)s die", "%(n)s dies", count) % {"n": count}
        device = _("%(host)s, %(dies)s") % {"host": device, "dies": dies}
    return [
        Cell(short_name(column), note=_(", ").join(words)),
        Cell(head.measured, note=head.model_id if head.model_id != head.measured else ""),
        Cell(phrase(head.label)),
        Cell(device, note=_(", ").join(filter(None, (head.stack, head.parallelism)))),
        Cell(sources(column.runs), note=measured_text([head]) if head.measured_at else ""),
    ]


def metrics(comparison: Comparison, *, grouped: bool) -> Table:
    """Return all common metrics, with differences to the baseline."""
    heads = _heads(comparison, _("Metric"))
    rows = [_metric(row, comparison, grouped=grouped) for row in comparison.rows]
    title = _("Metrics")
    if comparison.concurrency is not None:
        title = _("Metrics at concurrency %(n)s") % {"n": comparison.concurrency}
        if comparison.rows and comparison.rows[0].metric == "batch_latency_mean_s":
            title = _("Metrics of a batch of %(n)s") % {"n": comparison.concurrency}
    return Table(title, heads, rows, [_explained(comparison, grouped=grouped)])


def _explained(comparison: Comparison, *, grouped: bool) -> str:
    """Return what values and brackets are, as the page has it."""
    is_evaluation = comparison.heads[0].type == Result.Type.EVALUATION
    if is_evaluation and grouped:
        text = _(
            "Values: means of the runs above. Brackets: 95 %% interval over the questions: several "
            "answers to a question are one observation. Brackets of a difference: paired by "
            "question. Not significant: the interval includes 0. Different question sets have no "
            "difference."
        )
    elif is_evaluation:
        text = _(
            "Brackets: 95 %% interval, of a difference paired by question. Not significant: the "
            "interval includes 0. Each value covers its own questions, a difference the common "
            "ones."
        )
    elif grouped:
        text = _(
            "Values: means of the runs above, with the 95 %% interval in brackets, from three "
            "runs. Differences of rates and times: ratio of geometric means, which may differ from "
            "the ratio of the means. Brackets of a difference: 95 %% interval (Welch, on "
            "logarithms)."
        )
    else:
        text = _("Values of single runs, without intervals.")
    return text % {}


def _metric(row: MetricRow, comparison: Comparison, *, grouped: bool) -> list[Cell]:
    name = row.metric
    covers_all = name == "failed_requests" and comparison.has_several
    cells = [numbers.heading(name, note=_("all concurrencies") if covers_all else "")]
    for column, figure in zip(comparison.columns, row.cells, strict=True):
        single = name == "accuracy" and figure.runs == 1
        bounds = (figure.interval or accuracy(column.head)) if single else None
        cell = numbers.compared(figure, name, grouped=grouped)
        if bounds:
            questions = int(column.head.metrics.get("questions") or 0)
            share = numbers.share(bounds, questions, figure.value)
            cell = replace(share, unit="", tone="bold")
        cells.append(cell)
    changed = [
        _with_change(cell, change, name)
        for cell, change in zip(cells[2:], row.changes, strict=True)
    ]
    return [*cells[:2], *changed]


def _with_change(cell: Cell, change: Change, name: str) -> Cell:
    """Add a difference to the number that it is of."""
    if cell.value is None:
        return cell
    size, details = change_texts(change, name)
    tones: dict[str, Tone] = {"better": "good", "worse": "bad"}
    note = " ".join(filter(None, (cell.note, size, details)))
    return replace(cell, note=note, tone=tones.get(change.verdict, "bold"))


def _heads(comparison: Comparison, first: str) -> list[Column]:
    heads = [Column(first, is_number=False)]
    for index, column in enumerate(comparison.columns):
        note = ""
        if index == 0:
            note = _("baseline")
        elif index in comparison.barred:
            note = _("not comparable")
        heads.append(Column(short_name(column), note, series=index))
    return heads


def by_concurrency(comparison: Comparison, *, grouped: bool) -> list[Table]:
    """Return a table for each drawn metric: a row a concurrency, a column a result."""
    tables = []
    columns = comparison.columns
    known = sorted({c for column in columns for c, _metrics in column.points})
    if known == [comparison.concurrency]:
        return []
    for name in _DRAWN:
        by_column = [
            {c: found[name] for c, found in column.points if name in found} for column in columns
        ]
        if not any(by_column):
            continue
        rows = []
        for concurrency in known:
            cells = [Cell(str(concurrency))]
            for column, found in zip(columns, by_column, strict=True):
                bounds = column.interval(name, concurrency)
                interval = interval_text(bounds, name) if bounds else ""
                runs = sum(name in m for own in column.own for c, m in own if c == concurrency)
                value = found.get(concurrency)
                cells.append(numbers.bare(name, value, interval, bounds, n=runs, of="runs"))
            rows.append(cells)
        heading = numbers.heading(name)
        title = _("%(metric)s by concurrency")
        label = ", ".join(filter(None, (heading.text, heading.unit)))
        tables.append(Table(title % {"metric": label}, _heads(comparison, _("Concurrency")), rows))
    return tables


def by_budget(comparison: Comparison) -> Table:
    """Return the accuracy within each token budget: a row a doubling, a column a result."""
    uses = budget_uses(comparison)
    drawn = {point.budget for use in uses if use for point in points_of(use)}
    limits = {use.limit for use in uses if use and use.limit}
    rows = [
        [Cell(number(budget)), *(_within(use, budget) for use in uses)]
        for budget in sorted(drawn)
        if is_doubling(budget) or budget in limits
    ]
    notes = [
        _(
            "Share of correct answers with at most so many tokens: a lower bound of a run with "
            "that limit. Brackets: 95 %% interval (Wilson). Overlapping intervals prove nothing: "
            "the table of metrics has the paired difference."
        )
        % {}
    ]
    if any(len(column.runs) > 1 for column in comparison.columns):
        notes.append(
            _(
                "Of a group: the answers of all its runs together. Runs without token counts, or "
                "with another limit, do not count."
            )
        )
    heads = _heads(comparison, _("Token budget"))
    return Table(_("Accuracy by token budget, %%") % {}, heads, rows, notes)


def _within(use: BudgetUse | None, budget: int) -> Cell:
    """Return the accuracy within a budget; n/a outside of the curve, and between its points."""
    points = points_of(use) if use else []
    below = [point for point in points if point.budget <= budget]
    if use is None or not below or budget > points[-1].budget:
        return numbers.missing()
    if below[-1].budget < min(budget, use.longest):
        return numbers.missing()
    return replace(numbers.share(below[-1].share, use.questions), unit="")


def configuration(comparison: Comparison) -> Table:
    """Return the settings that differ, and how many do not."""
    differing = [setting for setting in comparison.settings if setting.differs]
    rows = [
        [
            Cell(setting_title(setting.name)),
            *(
                Cell(setting_text(value, setting.name) if value else _("none"))
                for value in setting.values
            ),
        ]
        for setting in differing
    ]
    heads = [replace(head, is_number=False) for head in _heads(comparison, _("Setting"))]
    equal = len(comparison.settings) - len(differing)
    note = ngettext("%(n)s setting is equal.", "%(n)s settings are equal.", equal) % {"n": equal}
    return Table(_("Configuration, differences only"), heads, rows, [note])


def changed_answers(comparison: Comparison) -> list[Block]:
    """Return how many answers changed between two evaluations."""
    base = comparison.heads[0]
    blocks: list[Block] = []
    pairs = zip(comparison.columns[1:], comparison.paired, strict=True)
    for index, (column, paired) in enumerate(pairs, 1):
        if paired is not None:
            args = {"a": result_name(base), "b": result_name(column.head)}
            title = _("Changed answers, %(a)s → %(b)s") % args
            is_barred = index in comparison.barred
            said = paired_words(paired, is_barred=is_barred)
            blocks.append(Listing([text for text in said if text], title))
    return blocks
