"""Tables of a matrix: its cells, and its runs with their plans."""

from __future__ import annotations

from dataclasses import replace

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from dashboard.charts.matrix_heat import lengths
from dashboard.pages.shared.flags import flags
from dashboard.pages.shared.words import interval_text
from dashboard.reports.document import Cell, Column, Table, Tone
from dashboard.reports.parts import numbers
from dashboard.text.labels import cell_marks, metric_text, state_of, style_of
from dashboard.text.messages import message
from jobs.queries.matrices import CellView, MatrixPage, RunView

_SHOWN = 12  # letters of a plan's SHA-256


def cells(page: MatrixPage) -> Table:
    """Return one metric of all cells: a row each pair of lengths, a column each concurrency."""
    has_input = bool(page.rows) and page.rows[0].input_tokens is not None
    first = _("Input → output, tokens") if has_input else _("Output, tokens")
    heads = [Column(first, is_number=False)]
    heads += [Column(str(concurrency)) for concurrency in page.columns]
    rows = []
    for row in page.rows:
        name = lengths(row.input_tokens, row.output_tokens)
        name = name if has_input else str(row.output_tokens)
        rows.append([Cell(name), *(_cell(cell, page.metric) for cell in row.cells)])
    heading = numbers.heading(page.metric)
    title = ", ".join(filter(None, (heading.text, heading.unit)))
    note = _(
        "Columns: concurrency. Brackets: 95 %% interval of the mean, from three runs; n: runs."
    )
    return Table(title, heads, rows, [note % {}])


def cell_number(cell: CellView, metric: str, *, unit: bool = False, note: str = "") -> Cell:
    """Return the mean of a cell with its interval and number of runs."""
    bounds, runs = cell.interval, len(cell.values)
    interval = interval_text(bounds, metric) if bounds else ""
    sample = f"n={runs}" if runs > 1 else ""
    note = _(", ").join(filter(None, (note, *cell_marks(cell), sample)))
    shown = numbers.bare(metric, cell.value, interval, bounds, n=runs, of="runs", note=note)
    return replace(shown, unit=metric_text(metric, cell.value or 0.0)[1]) if unit else shown


def _cell(cell: CellView, metric: str) -> Cell:
    if cell.value is not None:
        return cell_number(cell, metric)
    word = str(style_of(cell.state).word)
    if cell.state == "skipped" and cell.skip is not None:
        return Cell(word, note=message(cell.skip.id, cell.skip.args), tone="dim")
    job = cell.bad.job if cell.bad is not None else None
    if cell.state in ("failed", "cancelled") and job is not None:
        tone: Tone = "bad" if cell.state == "failed" else "dim"
        return Cell(word, note=message(job.message_id, job.message_args), tone=tone)
    return Cell(word, tone="dim")


def runs(page: MatrixPage) -> Table:
    """Return every run in the order of its start, with state, number and plan."""
    heads = [
        Column(pgettext("of a measurement", "Run"), is_number=False),
        Column(_("Job"), is_number=False),
        Column(_("State"), is_number=False),
        Column(numbers.heading(page.metric).text),
        Column(_("Plan, SHA-256"), is_number=False),
    ]
    rows = [_run(run, page.metric) for run in page.runs]
    return Table(_("Runs in the order of their start"), heads, rows)


def _run(run: RunView, metric: str) -> list[Cell]:
    cell, job = run.cell, run.job
    name = f"{lengths(cell.input_tokens, cell.output_tokens)} @ {cell.concurrency}"
    repeat = _("warm-up, not counted") if run.is_warm_up else f"×{cell.repeat}"
    words = [flag.word for flag in flags(run.result)] if run.result is not None else []
    state = state_of(job) if job is not None else "skipped"
    if run.skip is not None:
        state, words = "skipped", [message(run.skip.id, run.skip.args)]
    number = numbers.bare(metric, run.value, n=1, of="runs")
    return [
        Cell(name, note=repeat),
        Cell(f"#{job.pk}" if job is not None else ""),
        Cell(str(style_of(state).word), note=_(", ").join(words)),
        number if run.value is not None else Cell("–", tone="dim"),
        Cell(job.plan_sha256[:_SHOWN] if job is not None else ""),
    ]
