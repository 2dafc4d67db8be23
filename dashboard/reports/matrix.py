"""Report of a matrix: one benchmark over lengths and concurrencies."""

from collections.abc import Sequence
from dataclasses import replace

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from pydantic import Field

from dashboard.charts.matrix_heat import lengths
from dashboard.pages.jobs.matrix_view import (
    MatrixConclusion,
    RowConclusion,
    ShownCell,
    absent,
    conclusion_of,
    counted,
    name_of,
    places_text,
    reason_of,
    row_conclusions,
    table_of,
)
from dashboard.pages.shared import cells, units
from dashboard.pages.shared.cells import Cell, FactList, Heading, Table, Tone
from dashboard.pages.shared.marks import device_text, flags, marks_of, remarks_of
from dashboard.reports import document, parts
from dashboard.reports.document import Block, Listing, Paragraph, Report, ReportSection
from dashboard.text import labels
from dashboard.text.formatting import joined
from dashboard.text.import_words import measured_text
from dashboard.text.labels import result_name, style_of
from dashboard.text.messages import message
from jobs.catalog.presets import WORKLOADS
from jobs.metrics import rate_in
from jobs.models import Result
from jobs.queries.matrices import CellView, MatrixPage, RunView, matrix_page
from jobs.queries.matrices_compared import place_of
from jobs.queries.results.curve import RATE
from jobs.queries.results.results import result_page

_RECOMMENDED = "◆"
# Tables of a report without a chosen metric, where its results have them.
_SHOWN = (RATE, "ttft_p50_ms", "tpot_p50_ms", "latency_p50_s")


class MatrixReportAsked(document.ReportAsked):
    """Report of a matrix."""

    id: document.Id
    metric: str = Field("", description="number of each cell; empty: throughput and latencies")


def _page(asked: MatrixReportAsked) -> MatrixPage:
    page = matrix_page(asked.id, asked.metric or rate_in(asked.per))
    if page is None:
        raise document.absent("matrix", [asked.id])
    return page


def build(asked: MatrixReportAsked) -> Report:
    page = _page(asked)
    results = [run.result for run in page.runs if run.result is not None]
    measured = [run.result for run in page.runs if run.result is not None and not run.is_warm_up]
    is_rate = page.metric.startswith(RATE)  # one unit is enough
    others = [] if asked.metric else [name for name in _SHOWN[is_rate:] if name in page.metrics]
    pages = [page] + [
        other
        for name in others
        if name != page.metric and (other := matrix_page(asked.id, name)) is not None
    ]
    count, n = len(page.runs), page.counts["running"] + page.counts["queued"]
    runs = ngettext("%(n)s run", "%(n)s runs", count) % {"n": count}
    left = ngettext(
        "Not finished: %(n)s cell is queued or running.",
        "Not finished: %(n)s cells are queued or running.",
        n,
    )
    concluded = row_conclusions(page)
    found = conclusion_of(page, concluded)
    missing = filter(None, [units.why_missing(asked.per, measured)])
    return Report(
        kicker=_("Matrix report"),
        title=_title(page),
        file=f"report-matrix-{page.matrix.pk}",
        source=_("Matrix %(id)s, %(runs)s") % {"id": page.matrix.pk, "runs": runs},
        about=_about(page, measured, asked),
        warnings=[*([left % {"n": n}] if n else []), *missing, *parts.warnings(results, asked)],
        sections=[
            ReportSection(_("Conclusion"), _conclusion(page, found)),
            ReportSection(_("Numbers"), [_cells(one, concluded) for one in pages]),
            ReportSection(_("Runs"), [*_by_row(found), _runs(page, asked)], is_appendix=True),
            ReportSection(_("Method"), _method(page, measured), is_appendix=True),
            *parts.remarks(_remarks(page, results, asked)),
        ],
    )


def _title(page: MatrixPage) -> str:
    best, name = page.best, page.matrix.model_id or page.matrix.title
    if best is None or best.value is None:
        return _("%(title)s: no cell is measured") % {"title": name}
    value = " ".join(filter(None, labels.metric_text(page.metric, best.value)))
    marks = labels.cell_marks(best)
    # The name of a rate would say its unit twice.
    is_rate = page.metric.startswith(RATE)
    args = {
        "title": name,
        "metric": (_("Output throughput") if is_rate else labels.metric_label(page.metric)).lower(),
        "value": f"{value} ({_(', ').join(marks)})" if marks else value,
        "lengths": lengths(best.input_tokens, best.output_tokens),
        "n": best.concurrency,
    }
    return _("%(title)s: highest %(metric)s %(value)s, %(lengths)s at concurrency %(n)s") % args


def _device(page: MatrixPage, asked: MatrixReportAsked) -> str:
    """Return the device of the first result in words; the host of a matrix without one."""
    first = next((run.result for run in page.runs if run.result is not None), None)
    own = device_text(first) if first else labels.host_title(page.matrix.host)
    return asked.device(0, own)


def _about(page: MatrixPage, measured: Sequence[Result], asked: MatrixReportAsked) -> FactList:
    matrix, spec = page.matrix, page.matrix.spec
    by = matrix.created_by.get_username() if matrix.created_by and asked.shows("people") else ""
    workload = WORKLOADS.get(str(spec.get("workload", "")))
    each = f" × {_('concurrency')}" if spec.get("requests_each") else ""
    rows = [
        (_("Matrix"), matrix.title),
        (_("Model"), matrix.model_id),
        (_("Workload"), _(workload.name) if workload else str(spec.get("workload", ""))),
        (_("Type"), labels.kind_title(matrix.kind)),
        (_("Device"), _device(page, asked)),
        (_("Host"), labels.host_title(matrix.host) if asked.shows("hosts") else ""),
        (_("Requests"), f"{spec.get('requests', '')}{each}"),
        (_("Repeats"), str(spec.get("repeats", ""))),
        (_("Started by"), by),
        (_("Measured"), measured_text(measured)),
    ]
    return cells.facts(rows)


def _conclusion(page: MatrixPage, found: MatrixConclusion | None) -> list[Block]:
    counts = [
        (_("Cells %(state)s") % {"state": style_of(state).word}, cells.count(number))
        for state, number in page.counts.items()
        if number
    ]
    if page.has_failed_repeats:
        counts.append((_("Failed runs"), cells.count(page.failures)))
    if found is None:
        return [FactList(counts, is_large=True)]
    exceptions = [one.sentence for one in found.exceptions]
    return [
        Paragraph(found.headline, "warn" if found.is_warning else "bold"),
        FactList([*found.figures, *counts], is_large=True),
        *([Listing(exceptions, _("Exceptions"))] if exceptions else []),
    ]


def _by_row(found: MatrixConclusion | None) -> list[Block]:
    """Return the conclusion of each row, and the drift of each repeated cell."""
    if found is None or len(found.by_row) == 1:
        return []
    rows = []
    for row in found.by_row:
        known = [cell for _label, cell in row.figures]
        best, knee = (*known, cells.missing(), cells.missing())[:2]  # some rows recommend nothing
        texts = " ".join((row.headline, *(text for text, _is_flagged in row.texts)))
        rows.append([Cell(row.lengths), replace(best, tone="bold"), knee, Cell(texts)])
    unit = next((row[1].unit for row in rows if row[1].unit), "")
    heads = [*cells.words(_("Lengths, tokens")), Heading(_("Best throughput"), unit)]
    heads += [Heading(_("Recommended concurrency")), *cells.words(_("Conclusion"))]
    drifts = [f"{name}{_(': ')}{change}" for name, change in found.drifts]
    listed = [Listing(drifts, _("Change from the first to the last third of the runs"))]
    return [Table(_("Conclusion by row"), heads, rows), *(listed if drifts else [])]


def _runs(page: MatrixPage, asked: MatrixReportAsked) -> Table:
    run, state = pgettext("of a measurement", "Run"), _("State")
    heads = [*cells.words(run, state), Heading(cells.heading(page.metric).text)]
    rows = [_run(run, page.metric) for run in page.runs]
    if asked.profile == "internal":
        heads += cells.words(_("Job"), _("Plan, SHA-256"))
        for row, one in zip(rows, page.runs, strict=True):
            known = (f"#{one.job.pk}", one.job.plan_sha256[:12]) if one.job else ("", "")
            row += map(Cell, known)
    return Table(_("Runs in the order of their start"), heads, rows)


def _cells(page: MatrixPage, concluded: Sequence[RowConclusion]) -> Table:
    """Return the table of the page: its heat map."""
    table = table_of(page, concluded)
    first = _("Input → output, tokens") if table.has_input else _("Output, tokens")
    rows = [
        [
            Cell(lengths(before, after) if table.has_input else str(after)),
            *map(_cell, shown),
        ]
        for before, after, shown in table.rows
    ]
    heads = [*cells.words(first), *(Heading(str(concurrency)) for concurrency in table.columns)]
    notes = [_("Columns: concurrency.")]
    if any(cell.role == "recommended" for _before, _after, shown in table.rows for cell in shown):
        notes.append(_("%(mark)s: recommended concurrency.") % {"mark": _RECOMMENDED})
    if any((cell.n or 0) > 1 for row in rows for cell in row):
        text = _("Brackets: 95 %% interval of the mean, from three runs; n: runs.")
        notes.append(text % {})
    return Table(cells.title_of(page.metric), heads, rows, [joined(*notes)])


def _cell(shown: ShownCell) -> Cell:
    number = shown.number
    if number is None:
        # Remarks have each reason once.
        if not shown.look:
            return cells.missing()
        tone: Tone = "bad" if shown.state == "failed" else "dim"
        return Cell(str(style_of(shown.look).word), tone=tone)
    is_recommended = shown.role == "recommended"
    sample = [f"n={number.n}"] if (number.n or 0) > 1 else []
    text, tone = (f"{_RECOMMENDED} {number.text}", "bold") if is_recommended else (number.text, "")
    note = _(", ").join([*shown.marks, *sample])
    return replace(number, text=text, note=note, tone=tone, heat=shown.heat)


def _run(run: RunView, metric: str) -> list[Cell]:
    job = run.job
    repeat = _("warm-up, not counted") if run.is_warm_up else f"×{run.cell.repeat}"
    words = [flag.word for flag in flags(run.result)] if run.result is not None else []
    state = labels.state_of(job) if job is not None else "skipped"
    if run.skip is not None:
        state, words = "skipped", [message(run.skip.id, run.skip.args)]
    number = cells.bare(metric, run.value, n=1, of="runs")
    return [
        Cell(name_of(run.cell), note=repeat),
        Cell(str(style_of(state).word), note=_(", ").join(words)),
        number if run.value is not None else Cell("–", tone="dim"),
    ]


def _method(page: MatrixPage, measured: Sequence[Result]) -> list[Block]:
    spec = page.matrix.spec
    items = [_("Cells run in the order of the table.")]
    if spec.get("shuffled"):
        order = _("Shuffled order, seed %(seed)s: drift affects all cells alike.")
        items = [order % {"seed": spec.get("order_seed", "")}]
    if spec.get("stops_early"):
        items.append(_("A row ends when more load only queues."))
    items.append(_("Each run is a job of its own with new prompts."))
    if not measured:
        return [Listing(items)]
    recorded = parts.record(result_page(measured[0].pk))
    return [Listing(items), *recorded, *_commands(page), *parts.packages(measured)]


def _commands(page: MatrixPage) -> list[document.Code]:
    """Return the commands of the first run, and of the others the lines that differ from it."""
    by_plan: dict[str, list[RunView]] = {}
    for run in page.runs:
        if run.job is not None and run.result is not None:
            by_plan.setdefault(run.job.plan_sha256, []).append(run)
    first, others = None, list[str]()
    for runs in by_plan.values():
        names = _(", ").join(dict.fromkeys(name_of(run.cell) for run in runs))
        job = next(run.job for run in runs if run.job is not None)
        code = parts.code(_("Commands of %(cells)s") % {"cells": names}, job)
        if first is None:
            first = code
            continue
        known = set(first.text.splitlines())
        others += [f"# {names}", *(line for line in code.text.splitlines() if line not in known)]
    if first is None:
        return []
    title = _("Other runs: the lines that differ")
    return [first, *([document.Code(title, "\n".join(others))] if others else [])]


def _remarks(page: MatrixPage, results: Sequence[Result], asked: MatrixReportAsked) -> list[Block]:
    skipped, failed = dict[str, list[CellView]](), dict[str, list[str]]()
    for cell in page.cells:
        if cell.skip is not None:
            skipped.setdefault(message(cell.skip.id, cell.skip.args), []).append(cell)
    for run in page.runs:
        if run.is_bad and (job := run.job):
            why = reason_of(job, has_people=asked.shows("people"))
            reasons = [why, *parts.known_failure(job)]
            number = f"#{job.pk}, " if asked.profile == "internal" else ""
            failed.setdefault(" ".join(reasons), []).append(f"{number}{name_of(run.cell)}")
    left_out = [
        counted(why, [places_text(map(place_of, own))], len(own)) for why, own in skipped.items()
    ]
    texts = [(text, result) for result in results for text, _is in remarks_of(result)]
    listings = (
        Listing([counted(why, names) for why, names in failed.items()], _("Failed runs")),
        Listing([*left_out, *(one.sentence for one in absent(page))], _("Missing cells")),
        Listing(parts.by_text(texts), _("Remarks of runs")),
    )
    blocks: list[Block] = [one for one in listings if one.items]
    marks = marks_of(results)
    for result in results if asked.shows("notes") else ():
        blocks += parts.added(result, marks[result.pk], result_name(result))
    return blocks


KIND = document.ReportKind(
    *("matrix", "Report of a matrix", "job.view", MatrixReportAsked, build),
    columns=lambda asked: [("", _device(_page(asked), asked.model_copy(update={"devices": []})))],
)
