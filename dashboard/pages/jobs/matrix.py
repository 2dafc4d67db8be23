"""Pages of matrices: list, and one matrix as a table that fills."""

from __future__ import annotations

from math import ceil
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.actions import jobs as job_actions
from dashboard.actions.once import once
from dashboard.charts import matrix_heat
from dashboard.charts.matrix_heat import lengths
from dashboard.pages.jobs.matrix_conclusion import row_conclusions
from dashboard.pages.jobs.matrix_export import matrix_csv
from dashboard.security.permissions import allowed, check, requires
from dashboard.text import queue_words as queue
from dashboard.text.formatting import change_text
from dashboard.text.labels import metric_label
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from
from jobs.catalog.workloads import WORKLOADS
from jobs.models import Matrix, MatrixCell
from jobs.queries.matrices import RATE, CellView, MatrixPage, matrices, matrix_page

_LISTED = 100
_MOST_RUNS = 10  # of a cell, in one click
# Heights of the heat map, in pixels: among those for which pages keep room.
_AXES, _STEP, _HIGHEST = 80, 40, 420


@require_GET
@requires("job.view")
def matrix_list(request: HttpRequest) -> HttpResponse:
    """List the newest matrices."""
    rows = list(matrices()[:_LISTED])
    return render(request, "matrices/list.html", {"rows": rows, "workloads": WORKLOADS})


@require_GET
@requires("job.view")
def matrix_detail(request: HttpRequest, matrix_id: int) -> HttpResponse:
    """Show the table of cells. The page updates itself.

    ``metric`` selects the number of the cells; ``format=csv`` exports every run.
    """
    page = _page_or_404(matrix_id, request.GET.get("metric", RATE))
    if request.GET.get("format") == "csv":
        return matrix_csv(page)
    return render(request, "matrices/detail.html", _context(request, page))


@require_POST
@requires("job.repeat")
def matrix_resume(request: HttpRequest, matrix_id: int) -> HttpResponse:
    """Run every cell again that failed, was cancelled or was lost."""
    matrix = get_object_or_404(Matrix, pk=matrix_id)
    try:
        once(request, lambda: len(job_actions.resume_matrix(request.user, matrix)))
    except LaunchError as error:
        messages.error(request, str(error))
    return redirect("matrix-detail", matrix_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("job.cancel")
def matrix_cancel(request: HttpRequest, matrix_id: int) -> HttpResponse:
    """Confirm (GET), then cancel (POST) every active job of the matrix."""
    page = _page_or_404(matrix_id)
    check(request.user, "job.cancel", page.matrix)
    if request.method != "POST":
        return render(request, "matrices/cancel.html", {"page": page, "matrix": page.matrix})
    if not job_actions.cancel_matrix(request.user, page.matrix):
        messages.info(request, _("No job to cancel: all jobs have ended or are being cancelled."))
    return redirect("matrix-detail", matrix_id)


@require_POST
@requires("job.repeat")
def matrix_cell_run(request: HttpRequest, matrix_id: int, cell_id: int) -> HttpResponse:
    """Run one cell ``n`` more times; a failed run once again."""
    matrix = get_object_or_404(Matrix, pk=matrix_id)
    cell = get_object_or_404(MatrixCell, pk=cell_id, matrix=matrix)
    count = min(number_from(request.POST.get("n", "1")) or 1, _MOST_RUNS)
    try:
        once(request, lambda: len(job_actions.repeat_cell(request.user, cell, count=count)))
    except LaunchError as error:
        messages.error(request, str(error))
    return redirect("matrix-detail", matrix_id)


def _page_or_404(matrix_id: int, metric: str = RATE) -> MatrixPage:
    page = matrix_page(matrix_id, metric)
    if page is None:
        raise Http404(f"there is no matrix {matrix_id}")
    return page


def _context(request: HttpRequest, page: MatrixPage) -> dict[str, Any]:
    matrix, counts = page.matrix, page.counts
    may_cancel = bool(page.open_jobs) and allowed(request.user, "job.cancel", matrix)
    label = ngettext("Resume %(n)s run", "Resume %(n)s runs", page.to_resume)
    has_values = page.best is not None
    query = "" if page.metric == RATE else f"?{urlencode({'metric': page.metric})}"
    return {
        "page": page,
        "matrix": matrix,
        "spec": matrix.spec,
        "workload": WORKLOADS.get(str(matrix.spec.get("workload", ""))),
        "counts": [(state, number) for state, number in counts.items() if number],
        "metrics": [(name, metric_label(name)) for name in page.metrics],
        "in_queue": queue.rows(request.user, [page.next_job])[0] if page.next_job else None,
        "may_repeat": allowed(request.user, "job.repeat"),
        "may_cancel": may_cancel,
        "resume_words": label % {"n": page.to_resume},
        "again": f"{reverse('launch-matrix')}?{urlencode(_query(matrix))}",
        "drifts": [_drift(cell) for cell in page.cells if cell.drift is not None],
        "conclusions": row_conclusions(page),
        "csv": f"{request.path}?{urlencode({'format': 'csv'})}",
        "heat": matrix_heat.figure(page) if has_values else None,
        "heat_height": min(_HIGHEST, _AXES + _STEP * ceil(28 * len(page.rows) / _STEP)),
        "live_url": f"{request.path}{query}",
        "report_query": f"{urlencode(_report(page))}&",
    }


def _report(page: MatrixPage) -> dict[str, str]:
    """Return the parameters of the report: all main metrics, or the chosen one."""
    chosen = {} if page.metric == RATE else {"metric": page.metric}
    return {"id": str(page.matrix.pk), **chosen}


def _drift(cell: CellView) -> dict[str, Any]:
    """Return the drift of a cell's runs as text."""
    drift = cell.drift
    if drift is None:
        raise ValueError("no drift")
    low, high = change_text(drift.low), change_text(drift.high)
    name = f"{lengths(cell.input_tokens, cell.output_tokens)} @ {cell.concurrency}"
    text = f"{change_text(drift.value)} [{low}, {high}]"
    return {"cell_name": name, "includes_zero": drift.includes_zero, "text": text}


def _query(matrix: Matrix) -> list[tuple[str, str]]:
    """Return the form's values for a matrix like this one."""
    spec = matrix.spec
    state = [("host", matrix.host.name), ("kind", matrix.kind)]
    state += [(name, str(spec.get("workload", ""))) for name in ("workload", "of")]
    for name in ("input_tokens", "output_tokens", "concurrency"):
        state.append((name, ", ".join(map(str, spec.get(name) or ()))))
    for name in ("requests", "repeats", "order_seed"):
        state.append((name, str(spec.get(name, ""))))
    for name in ("requests_each", "shuffled", "stops_early", "warm_up"):
        state.append((name, "1" if spec.get(name) else "0"))
    params = spec.get("params") or {}
    return state + [(name, _text(value)) for name, value in params.items() if value is not None]


def _text(value: Any) -> str:
    return ("1" if value else "0") if isinstance(value, bool) else str(value)


urlpatterns: list[URLPattern] = [
    path("", matrix_list, name="matrix-list"),
    path("<int:matrix_id>/", matrix_detail, name="matrix-detail"),
    path("<int:matrix_id>/resume/", matrix_resume, name="matrix-resume"),
    path("<int:matrix_id>/cancel/", matrix_cancel, name="matrix-cancel"),
    path("<int:matrix_id>/cells/<int:cell_id>/run/", matrix_cell_run, name="matrix-cell-run"),
]
