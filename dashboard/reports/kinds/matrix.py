"""Report of a matrix: one benchmark over lengths and concurrencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from pydantic import Field

from dashboard.charts import matrix_heat
from dashboard.charts.matrix_heat import lengths
from dashboard.pages.jobs.matrix import RowConclusion, row_conclusions
from dashboard.pages.shared.verdict import marks_of
from dashboard.reports.document import (
    Block,
    Cell,
    Code,
    Facts,
    Figure,
    Listing,
    Paragraph,
    Report,
    Section,
)
from dashboard.reports.kinds.base import Asked, Id, Kind, absent
from dashboard.reports.parts import matrix_tables, method, numbers, remarks
from dashboard.text.formatting import change_text, full_moment
from dashboard.text.labels import (
    cell_marks,
    host_title,
    kind_title,
    metric_label,
    result_name,
    style_of,
)
from dashboard.text.messages import message
from jobs.catalog.presets import WORKLOADS
from jobs.models import MatrixCell, Result
from jobs.queries.matrices import RATE, CellView, MatrixPage, RunView, matrix_page
from jobs.queries.results.results import result_page

# Tables of a report without a chosen metric, where its results have them.
_SHOWN = (RATE, "ttft_p50_ms", "tpot_p50_ms", "latency_p50_s")


class MatrixAsked(Asked):
    """Report of a matrix."""

    id: Id
    metric: str = Field("", description="number of each cell; empty: throughput and latencies")


def build(asked: MatrixAsked) -> Report:
    """Return the report."""
    page = matrix_page(asked.id, asked.metric or RATE)
    if page is None:
        raise absent("matrix", [asked.id])
    matrix = page.matrix
    results = [run.result for run in page.runs if run.result is not None]
    measured = [run.result for run in page.runs if run.result is not None and not run.is_warm_up]
    others = [] if asked.metric else [name for name in _SHOWN if name in page.metrics]
    pages = [page] + [
        found
        for name in others
        if name != page.metric and (found := matrix_page(asked.id, name)) is not None
    ]
    return Report(
        kicker=_("Matrix report"),
        title=_title(page),
        file=f"report-matrix-{matrix.pk}",
        source=_("Matrix %(id)s, %(runs)s") % {"id": matrix.pk, "runs": _runs(len(page.runs))},
        about=_about(page),
        warnings=[*_unfinished(page), *remarks.warnings(results)],
        sections=[
            Section(_("Conclusion"), _conclusion(page)),
            Section(_("Numbers"), _numbers(pages)),
            Section(_("Method"), _method(page, measured)),
            Section(_("Remarks"), _remarks(page, results) or [remarks.nothing()]),
        ],
    )


def _runs(count: int) -> str:
    return ngettext("%(n)s run", "%(n)s runs", count) % {"n": count}


def _title(page: MatrixPage) -> str:
    """Return the best cell as a sentence; without numbers the title of the matrix."""
    best = page.best
    if best is None or best.value is None:
        return page.matrix.title
    cell = numbers.whole(page.metric, best.value)
    args = {
        "title": page.matrix.title,
        "metric": metric_label(page.metric).lower(),
        "value": numbers.marked(f"{cell.text} {cell.unit}".strip(), cell_marks(best)),
        "lengths": lengths(best.input_tokens, best.output_tokens),
        "n": best.concurrency,
    }
    return _("%(title)s: highest %(metric)s %(value)s, %(lengths)s at concurrency %(n)s") % args


def _unfinished(page: MatrixPage) -> list[str]:
    counts = page.counts
    left = counts["running"] + counts["queued"]
    if not left:
        return []
    text = ngettext(
        "Not finished: %(n)s cell is queued or running.",
        "Not finished: %(n)s cells are queued or running.",
        left,
    )
    return [text % {"n": left}]


def _about(page: MatrixPage) -> Facts:
    matrix, spec = page.matrix, page.matrix.spec
    workload = WORKLOADS.get(str(spec.get("workload", "")))
    each = f" × {_('concurrency')}" if spec.get("requests_each") else ""
    rows = [
        (_("Title"), matrix.title),
        (_("Model"), matrix.model_id),
        (_("Workload"), _(workload.name) if workload else str(spec.get("workload", ""))),
        (_("Type"), kind_title(matrix.kind)),
        (_("Host"), host_title(matrix.host)),
        (_("Requests"), f"{spec.get('requests', '')}{each}"),
        (_("Repeats"), str(spec.get("repeats", ""))),
        (_("Started by"), matrix.created_by.get_username() if matrix.created_by else ""),
        (_("Created"), full_moment(matrix.created_at)),
    ]
    return Facts([(name, Cell(text)) for name, text in rows if text])


def _conclusion(page: MatrixPage) -> list[Block]:
    counts = [
        (str(style_of(state).word), Cell(str(number), value=number, measure="cells"))
        for state, number in page.counts.items()
        if number
    ]
    if page.failures > page.counts["failed"]:
        counts.append((_("Failed runs"), Cell(str(page.failures), value=page.failures)))
    blocks: list[Block] = []
    best = page.best
    if best is not None and best.value is not None:
        note = _("%(lengths)s at concurrency %(n)s") % {
            "lengths": lengths(best.input_tokens, best.output_tokens),
            "n": best.concurrency,
        }
        label = _("Highest %(metric)s") % {"metric": metric_label(page.metric).lower()}
        cell = matrix_tables.cell_number(best, page.metric, unit=True, note=note)
        blocks.append(Facts([(label, cell)], is_large=True))
    blocks += [_row(one) for one in row_conclusions(page)]
    blocks.append(Facts(counts, _("Cells")))
    drifts = [_drift(cell) for cell in page.cells if cell.drift is not None]
    return [*blocks, *([Listing(drifts, _("Drift"))] if drifts else [])]


def _row(found: RowConclusion) -> Listing:
    """Return the conclusion of a row, as on the page of the matrix."""
    items = [found.headline]
    for one in found.figures:
        value = " ".join(filter(None, (one.text, one.unit, one.interval)))
        items.append(f"{one.label}{_(': ')}{_(', ').join(filter(None, (value, one.note)))}")
    if found.is_open:
        items.append(_("Preliminary: runs of this row are still open."))
    items += [text for text, _is_flagged in found.texts]
    if found.is_disturbed:
        items.append(_("Some cells have only runs that do not count. Repeat them on an idle host."))
    return Listing(items, _("%(lengths)s tokens") % {"lengths": found.lengths})


def _drift(cell: CellView) -> str:
    drift = cell.drift
    if drift is None:
        raise ValueError("no drift")
    name = f"{lengths(cell.input_tokens, cell.output_tokens)} @ {cell.concurrency}"
    interval = f"[{change_text(drift.low)}, {change_text(drift.high)}]"
    if drift.includes_zero:
        text = _("No significant drift from the first to the last third of the runs.")
    else:
        text = _("The value changed from the first to the last third of the runs.")
    return f"{name}{_(': ')}{text} {change_text(drift.value)} {interval}"


def _numbers(pages: Sequence[MatrixPage]) -> list[Block]:
    page = pages[0]
    blocks: list[Block] = [matrix_tables.cells(page)]
    if page.best is not None:
        height = min(420, 120 + 28 * len(page.rows))
        blocks.append(Figure(_("Heat map"), matrix_heat.figure(page), height))
    blocks += [matrix_tables.cells(other) for other in pages[1:]]
    return [*blocks, matrix_tables.runs(page)]


def _method(page: MatrixPage, measured: Sequence[Result]) -> list[Block]:
    spec = page.matrix.spec
    order = _("Cells run in the order of the table.")
    if spec.get("shuffled"):
        order = _("Shuffled order, seed %(seed)s: drift affects all cells alike.")
        order %= {"seed": spec.get("order_seed", "")}
    items = [order]
    if spec.get("stops_early"):
        items.append(_("A row ends when more load only queues."))
    items.append(_("Each run is a job of its own with new prompts."))
    blocks: list[Block] = [Listing(items)]
    params: Mapping[str, Any] = spec.get("params") if isinstance(spec.get("params"), dict) else {}
    rows = method.fields(params)
    blocks += [Facts(rows, _("Inputs"))] if rows else []
    if not measured:
        return blocks
    head = measured[0]
    own = result_page(head.pk)
    note = _("Each command once, with its runs. Files are in full in the first.")
    return [
        *blocks,
        method.environment(own),
        method.provenance(head),
        *method.identity(head),
        Paragraph(note),
        *_commands(page),
        *method.packages(measured),
    ]


def _commands(page: MatrixPage) -> list[Code]:
    """Return the commands of each distinct plan, with its cells and jobs."""
    by_plan: dict[str, list[RunView]] = {}
    for run in page.runs:
        if run.job is not None and run.result is not None:
            by_plan.setdefault(run.job.plan_sha256, []).append(run)
    blocks: list[Code] = []
    for runs in by_plan.values():
        first = runs[0].job
        if first is None:
            raise ValueError("no job")
        cells = _(", ").join(dict.fromkeys(_name(run.cell) for run in runs))
        jobs = _(", ").join(f"#{run.job.pk}" for run in runs if run.job is not None)
        title = _("%(cells)s: commands of %(jobs)s") % {"cells": cells, "jobs": jobs}
        longest = 0 if blocks else method.LONGEST_FILE
        blocks.append(method.code(title, first, longest_file=longest, is_folded=True))
    return blocks


def _remarks(page: MatrixPage, results: Sequence[Result]) -> list[Block]:
    blocks: list[Block] = []
    failed = [_failed(run) for run in page.runs if run.is_bad]
    blocks += [Listing(failed, _("Failed runs"))] if failed else []
    skipped = [
        f"{_name(cell)}{_(': ')}{message(cell.skip.id, cell.skip.args)}"
        for cell in page.cells
        if cell.skip is not None
    ]
    blocks += [Listing(skipped, _("Skipped cells"))] if skipped else []
    by_text: dict[str, list[Result]] = {}
    for result in results:
        for text in remarks.remarks_of(result):
            by_text.setdefault(text, []).append(result)
    items = [f"{remarks.names_of(those)}{_(': ')}{text}" for text, those in by_text.items()]
    blocks += [Listing(items, _("Remarks of runs"))] if items else []
    marks = marks_of(results)
    for result in results:
        blocks += remarks.organised(result, marks[result.pk], result_name(result))
    return blocks


def _name(cell: CellView | MatrixCell) -> str:
    return f"{lengths(cell.input_tokens, cell.output_tokens)} @ {cell.concurrency}"


def _failed(run: RunView) -> str:
    job, cell = run.job, run.cell
    if job is None:
        raise ValueError("no job")
    name = _name(cell)
    texts = [message(job.message_id, job.message_args), *remarks.known_failure(job)]
    return f"#{job.pk}, {name}{_(': ')}{' '.join(texts)}"


KIND = Kind("matrix", "Report of a matrix", "job.view", MatrixAsked, build)
