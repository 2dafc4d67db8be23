"""Pages of matrices: list, one matrix as a table that fills, its conclusions, its CSV."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.actions import jobs as job_actions
from dashboard.charts import matrix_heat
from dashboard.charts.matrix_heat import lengths
from dashboard.pages.launch.parts import launched
from dashboard.pages.results.conclusion import (
    WARNING_SHAPES,
    headline,
    noise_words,
    rate_cell,
    sides_of,
)
from dashboard.pages.shared.cells import Cell
from dashboard.pages.shared.export import as_csv, fixed, unit_head
from dashboard.pages.shared.marks import LOADED, marks_of
from dashboard.security.permissions import allowed, check, requires
from dashboard.text import queue_words
from dashboard.text.formatting import change_text
from dashboard.text.labels import cell_marks, metric_label
from dashboard.text.messages import message
from jobs.base.numbers import number_from
from jobs.catalog.presets import WORKLOADS
from jobs.models import Matrix, MatrixCell
from jobs.queries.matrices import RATE, CellView, MatrixPage, Row, RunView, matrices, matrix_page
from jobs.queries.results.conclusion import conclude
from jobs.queries.results.curve import limits_of
from jobs.statistics import Interval

_LISTED = 100
_MOST_RUNS = 10  # of a cell, in one click
# Heights of the heat map, in pixels: among those for which pages keep room.
_AXES, _STEP, _HIGHEST = 80, 40, 420
_HEAD = (
    *("matrix", "input_tokens", "output_tokens", "concurrency", "repeat", "order"),
    *("last_job", "state", "reason"),
)


@dataclass(frozen=True, slots=True)
class RowConclusion:
    """Conclusion of one pair of lengths. ``texts``: noise and load, then findings on client and
    engine, each with True where it needs attention. ``is_disturbed``: only disturbed runs exist of
    some cell. ``is_open``: some run of the row has not ended."""

    lengths: str
    headline: str
    is_warning: bool
    figures: Sequence[tuple[str, Cell]]
    texts: Sequence[tuple[str, bool]]
    is_disturbed: bool
    is_open: bool


@requires("job.view", "GET")
def matrix_list(request: HttpRequest) -> HttpResponse:
    rows = list(matrices()[:_LISTED])
    return render(request, "matrices/list.html", {"rows": rows, "workloads": WORKLOADS})


@requires("job.view", "GET")
def matrix_detail(request: HttpRequest, matrix_id: int) -> HttpResponse:
    """Show the table of cells. The page updates itself.
    ``metric`` selects the number of the cells; ``format=csv`` exports every run."""
    page = _page_or_404(matrix_id, request.GET.get("metric", RATE))
    if request.GET.get("format") == "csv":
        return matrix_csv(page)
    matrix, counts = page.matrix, page.counts
    may_cancel = bool(page.open_jobs) and allowed(request.user, "job.cancel", matrix)
    label = ngettext("Resume %(n)s run", "Resume %(n)s runs", page.to_resume)
    chosen = {} if page.metric == RATE else {"metric": page.metric}
    context = {
        "page": page,
        "matrix": matrix,
        "spec": matrix.spec,
        "workload": WORKLOADS.get(str(matrix.spec.get("workload", ""))),
        "counts": [(state, number) for state, number in counts.items() if number],
        "metrics": [(name, metric_label(name)) for name in page.metrics],
        "in_queue": queue_words.rows(request.user, [page.next_job])[0] if page.next_job else None,
        "may_repeat": allowed(request.user, "job.repeat"),
        "may_cancel": may_cancel,
        "resume_words": label % {"n": page.to_resume},
        "again": f"{reverse('launch-matrix')}?{urlencode(_query(matrix))}",
        "drifts": [_drift(cell, cell.drift) for cell in page.cells if cell.drift is not None],
        "conclusions": row_conclusions(page),
        "csv": f"{request.path}?{urlencode({'format': 'csv'})}",
        "heat": matrix_heat.figure(page) if page.best is not None else None,
        "heat_height": min(_HIGHEST, _AXES + _STEP * ceil(28 * len(page.rows) / _STEP)),
        "live_url": f"{request.path}?{urlencode(chosen)}" if chosen else request.path,
        # The report has all main metrics, or the chosen one.
        "report_query": f"{urlencode({'id': matrix.pk, **chosen})}&",
    }
    return render(request, "matrices/detail.html", context)


@requires("job.repeat", "POST")
def matrix_resume(request: HttpRequest, matrix_id: int) -> HttpResponse:
    """Run every cell again that failed, was cancelled or was lost."""
    matrix = get_object_or_404(Matrix, pk=matrix_id)
    launched(request, lambda: len(job_actions.resume_matrix(request.user, matrix)))
    return redirect("matrix-detail", matrix_id)


@requires("job.cancel", "GET", "HEAD", "POST")
def matrix_cancel(request: HttpRequest, matrix_id: int) -> HttpResponse:
    page = _page_or_404(matrix_id)
    check(request.user, "job.cancel", page.matrix)
    if request.method != "POST":
        return render(request, "matrices/cancel.html", {"page": page, "matrix": page.matrix})
    if not job_actions.cancel_matrix(request.user, page.matrix):
        messages.info(request, _("No job to cancel: all jobs have ended or are being cancelled."))
    return redirect("matrix-detail", matrix_id)


@requires("job.repeat", "POST")
def matrix_cell_run(request: HttpRequest, matrix_id: int, cell_id: int) -> HttpResponse:
    """Run one cell ``n`` more times; a failed run once again."""
    cell = get_object_or_404(MatrixCell, pk=cell_id, matrix=matrix_id)
    count = min(number_from(request.POST.get("n", "1")) or 1, _MOST_RUNS)
    launched(request, lambda: len(job_actions.repeat_cell(request.user, cell, count=count)))
    return redirect("matrix-detail", matrix_id)


def _page_or_404(matrix_id: int, metric: str = RATE) -> MatrixPage:
    page = matrix_page(matrix_id, metric)
    if page is None:
        raise Http404(f"there is no matrix {matrix_id}")
    return page


def _drift(cell: CellView, drift: Interval) -> dict[str, Any]:
    low, high = change_text(drift.low), change_text(drift.high)
    name = f"{lengths(cell.input_tokens, cell.output_tokens)} @ {cell.concurrency}"
    text = f"{change_text(drift.value)} [{low}, {high}]"
    return {"cell_name": name, "includes_zero": drift.includes_zero, "text": text}


def _query(matrix: Matrix) -> dict[str, str]:
    """Return the state of the form that launches the matrix again."""
    spec = matrix.spec
    query = {"host": matrix.host.name, "kind": matrix.kind}
    query |= dict.fromkeys(("workload", "of"), str(spec.get("workload", "")))
    for name in ("input_tokens", "output_tokens", "concurrency"):
        query[name] = ", ".join(map(str, spec.get(name) or ()))
    for name in ("requests", "repeats", "order_seed"):
        query[name] = str(spec.get(name, ""))
    for name in ("requests_each", "shuffled", "stops_early", "warm_up"):
        query[name] = "1" if spec.get(name) else "0"
    for name, value in (spec.get("params") or {}).items():
        if value is not None:
            query[name] = str(int(value)) if isinstance(value, bool) else str(value)
    return query


def row_conclusions(page: MatrixPage) -> list[RowConclusion]:
    """Return the conclusions of the rows with two measured concurrencies or more."""
    return [_conclusion(row) for row in page.rows if len(row.points) > 1]


def _conclusion(row: Row) -> RowConclusion:
    points, results = row.points, row.results
    found = conclude(points, limits=limits_of(results[0].deployment))
    marks = {cell.concurrency: cell_marks(cell) for cell in row.cells}
    figures = []
    if found.best is not None and found.knee is not None:
        figures = [
            (_("Best throughput"), rate_cell(found.best, marks)),
            (_("Recommended concurrency"), Cell(str(found.knee.concurrency))),
        ]
    first = {cell.concurrency: cell.results[0] for cell in row.cells if cell.results}
    sides = sides_of(points, results[0], first)
    noise = list(filter(None, [noise_words(found)]))
    if loaded := sum(any(one["id"] == LOADED for one in result.remarks) for result in results):
        text = _("Other programs used the CPU in %(n)s of %(total)s runs.")
        noise.append(text % {"n": loaded, "total": len(results)})
    return RowConclusion(
        lengths(row.input_tokens, row.output_tokens),
        headline(found),
        is_warning=found.shape in WARNING_SHAPES or bool(noise),
        figures=figures,
        texts=[*((text, True) for text in noise), *(sides.texts if sides else ())],
        is_disturbed=not all(result.counts for result in results),
        is_open=any(cell.state in ("queued", "running") for cell in row.cells),
    )


def matrix_csv(page: MatrixPage) -> HttpResponse:
    """Return every run with its state and cause, and of results the context and all metrics."""
    results = [run.result for run in page.runs if run.result is not None]
    marks = marks_of(results)
    facts = {result.pk: fixed(result, marks[result.pk]) for result in results}
    about = list(next(iter(facts.values()), ()))
    lines: list[Sequence[Any]] = [[*_HEAD, *about, *map(unit_head, page.metrics)]]
    for cell in page.cells:
        sizes = ["" if cell.input_tokens is None else cell.input_tokens, cell.output_tokens]
        for run in cell.runs:
            line = [page.matrix.pk, *sizes, cell.concurrency, run.cell.repeat]
            line += [run.cell.place + 1, run.job.pk if run.job is not None else "", *_state(run)]
            own = facts[run.result.pk] if run.result is not None else {}
            metrics = run.result.metrics if run.result is not None else {}
            line += [own.get(name, "") for name in about]
            lines.append([*line, *(metrics.get(name, "") for name in page.metrics)])
    return as_csv(lines, f"matrix-{page.matrix.pk}")


def _state(run: RunView) -> tuple[str, str]:
    if run.skip is not None:
        return "skipped", message(run.skip.id, run.skip.args)
    if run.job is None:
        return "", ""
    return run.job.state, message(run.job.message_id, run.job.message_args) if run.is_bad else ""


urlpatterns: list[URLPattern] = [
    path("", matrix_list, name="matrix-list"),
    path("<int:matrix_id>/", matrix_detail, name="matrix-detail"),
    path("<int:matrix_id>/resume/", matrix_resume, name="matrix-resume"),
    path("<int:matrix_id>/cancel/", matrix_cancel, name="matrix-cancel"),
    path("<int:matrix_id>/cells/<int:cell_id>/run/", matrix_cell_run, name="matrix-cell-run"),
]
