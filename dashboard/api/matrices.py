"""Matrices: one benchmark over lengths and concurrencies."""

from collections.abc import Callable
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import Field

from dashboard.actions import jobs as actions
from dashboard.actions.action import KeyHeader, once_by_header
from dashboard.api import base
from dashboard.api.base import (
    ApiAnswer,
    Asked,
    Confirm,
    Json,
    Number,
    Operations,
    about,
    host_of,
    read,
)
from dashboard.api.waiting import WaitAsked, answer_when, of_any_job
from dashboard.pages.shared.addresses import or_404
from dashboard.text.messages import message
from dashboard.text.queue_words import priority_for
from jobs.base.numbers import result_number
from jobs.launch.launch import InvalidParams
from jobs.launch.matrices import MOST_TITLE, MatrixSpec, preview_matrix
from jobs.models import Job, Matrix, MatrixCell
from jobs.queries.matrices import STATES, CellView, RunView, matrix_page

every = Operations("Matrices", "matrices")
one = Operations("Matrices", "matrices/{int:matrix_id}")
_State = Annotated[str, base.one_of(STATES)]


class MatrixAsked(MatrixSpec):
    """A matrix to preview or launch. ``params``: values of all other fields of the job type."""

    host: str
    priority: base.Priority = "normal"
    confirm: Confirm = None


class NameAsked(Asked):
    """Another name of a matrix."""

    title: str = Field(min_length=1, max_length=MOST_TITLE)


class RunsAsked(Asked):
    """Further runs of a measured cell; a failed run is run once."""

    count: int = Field(1, ge=1, le=10)


def _message(run: RunView) -> str:
    return message(run.job.message_id, run.job.message_args) if run.job else ""


class MatrixRunAnswer(ApiAnswer):
    """One run of a cell, at its last attempt."""

    id: int = read("cell.pk", "id of the run, for another one of its cell")
    repeat: int = read("cell.repeat")
    place: int = read("cell.place", "order of the start, from 0")
    job: int | None = read("job.pk")
    job_state: base.JobState | None = read("job.state")
    message: str = read(_message)
    result: base.ResultNumber | None = read("result.pk", then=result_number)
    metrics: dict[str, Any] = read(lambda run: run.result.metrics if run.result else {})


def _reason(cell: CellView) -> str:
    if cell.state == "skipped" and cell.skip is not None:
        return message(cell.skip.id, cell.skip.args)
    is_bad = cell.state in ("failed", "cancelled") and cell.bad is not None
    return _message(cell.bad) if is_bad and cell.bad else ""


class MatrixCellAnswer(ApiAnswer):
    """One combination of lengths and concurrency. ``output_tokens_per_s`` is the mean."""

    input_tokens: int | None = about("null: the prompts have their own lengths")
    output_tokens: int
    concurrency: int
    state: _State
    reason: str = read(_reason, "why it is skipped, or failed; empty for other cells")
    output_tokens_per_s: Number | None = read("value")
    interval: list[Number] | None = read(
        "interval", "95 %, from three runs on", then=lambda interval: [interval.low, interval.high]
    )
    runs: list[MatrixRunAnswer] = read(lambda cell: [MatrixRunAnswer.of(run) for run in cell.runs])


class MatrixLine(base.Created):
    """A matrix as lists have it."""

    id: int
    title: str
    kind: str
    host: str = read("host.name")
    workload: str = read(lambda row: str(row.spec.get("workload", "")))


Matrices = base.listing("Matrices", "A page of matrices.", "matrices", MatrixLine)


class MatrixAnswer(MatrixLine):
    """A matrix with its cells."""

    state: _State
    counts: dict[str, int] = about("cells in each state")
    left_s: int | None = about("estimate; null if unknown")
    spec: dict[str, Any]
    cells: list[MatrixCellAnswer]


class StartedMatrix(MatrixAnswer):
    """A matrix, and the jobs that this request started."""

    started: list[int]


class CancelledMatrix(MatrixAnswer):
    """A matrix, and the jobs that this request cancelled."""

    cancelled: list[int]


class PlannedCell(ApiAnswer):
    """A cell before the launch."""

    input_tokens: int | None
    output_tokens: int
    concurrency: int
    skipped: str = read(
        lambda cell: message(cell.skip.id, cell.skip.args) if cell.skip else "",
        "reason; empty: it runs",
    )


class PlannedMatrix(ApiAnswer):
    """Cells, runs in order, and a script that runs all of them."""

    cells: list[PlannedCell] = read(lambda plan: [PlannedCell.of(one.cell) for one in plan.cells])
    runs: int = read("runs", then=len)
    skipped: int
    expected_s: int | None = read("expected_s", "from earlier jobs; null if unknown", then=round)
    script: str


def _whole(matrix_id: int, answer: type[MatrixAnswer] = MatrixAnswer, **more: list[int]) -> Json:
    page = or_404(matrix_page, matrix_id)
    return answer.of(
        page.matrix,
        state=page.state,
        counts=page.counts,
        left_s=None if page.left_s is None else round(page.left_s),
        cells=[MatrixCellAnswer.of(cell) for cell in page.cells],
        **more,
    )


@every.on("GET ", "job.view", "api-matrices", Matrices)
def list_matrices(request: HttpRequest, query: Query[base.Page]) -> Json:
    """List matrices. Newest first."""
    rows, older = base.filtered_page(query, Matrix.objects.select_related("host", "created_by"), {})
    return base.page(request, "matrices", [MatrixLine.of(row) for row in rows], older)


@every.on("POST ", "job.launch", "api-matrices", MatrixAnswer, 201, 409, 413, 422)
def launch_matrix(request: HttpRequest, asked: MatrixAsked, key: KeyHeader = "") -> Json:
    """Launch a matrix. Queue a job for each run. Limits skip cells; they are no error."""
    user: Any = request.user

    def run() -> int:
        host, priority = host_of(asked.host), priority_for(user, asked.priority)
        made = actions.launch_matrix(
            user, _spec(asked), host, priority=priority, confirm=asked.confirm or []
        )
        return made.pk

    return _whole(once_by_header(request, key, run))


@every.on("POST /preview", "job.launch", "api-matrix-preview", PlannedMatrix, 413, 422)
def preview(request: HttpRequest, asked: MatrixAsked) -> Json:
    """Preview a matrix. Return the cells with the reasons of skipped ones. It runs nothing."""
    host, user = host_of(asked.host), request.user
    planned = preview_matrix(_spec(asked), host, user=user if user.is_authenticated else None)
    if planned.errors:
        raise InvalidParams(planned.errors)
    return PlannedMatrix.of(planned)


def _spec(asked: MatrixAsked) -> MatrixSpec:
    return MatrixSpec(**asked.model_dump(exclude={"host", "priority", "confirm"}))


@one.on("GET ", "job.view", "api-matrix", MatrixAnswer)
def read_matrix(
    request: HttpRequest, matrix_id: int, query: Query[WaitAsked]
) -> Json | HttpResponseBase:
    """Read a matrix. Return the cells with state, number and runs. With ``wait`` it answers when no
    run is open."""

    def is_over(answer: Json) -> bool:
        jobs = [run["job_state"] for cell in answer["cells"] for run in cell["runs"]]
        return not any(state in Job.OPEN_STATES for state in jobs)

    return answer_when(
        request, query.wait, "job.view", lambda: _whole(matrix_id), is_over, of_any_job
    )


@one.on("PATCH ", "matrix.rename", "api-matrix", MatrixAnswer, 413, 422)
def rename_matrix(request: HttpRequest, matrix_id: int, asked: NameAsked) -> Json:
    """Rename a matrix. Give it a title; lists, reports and pictures have it from now on."""
    actions.rename_matrix(request.user, or_404(matrix_page, matrix_id).matrix, asked.title)
    return _whole(matrix_id)


@one.on("POST /resume", "job.repeat", "api-matrix-resume", StartedMatrix, 201, 409, 422)
def resume_matrix(request: HttpRequest, matrix_id: int, key: KeyHeader = "") -> Json:
    """Resume a matrix. Run again, whole, what failed, was cancelled or was lost."""
    matrix = or_404(matrix_page, matrix_id).matrix
    return _started(request, matrix, key, lambda: actions.resume_matrix(request.user, matrix))


@one.on("POST /cancel", "job.cancel", "api-matrix-cancel", CancelledMatrix, 409)
def cancel_matrix(request: HttpRequest, matrix_id: int) -> Json:
    """Cancel a matrix. Cancel every open job of it. Results are kept."""
    jobs = actions.cancel_matrix(request.user, or_404(matrix_page, matrix_id).matrix)
    if not jobs:
        text = _("No job to cancel: all have ended, or are being cancelled.")
        raise base.conflict("finished", text)
    return _whole(matrix_id, CancelledMatrix, cancelled=sorted(job.pk for job in jobs))


@one.on(
    "POST /runs/{int:run_id}/repeat", "job.repeat", "api-matrix-run", StartedMatrix, 201, 409, 422
)
def repeat_cell(
    request: HttpRequest, matrix_id: int, run_id: int, asked: RunsAsked, key: KeyHeader = ""
) -> Json:
    """Run a cell again. Run the cell of a run again: a failed run is replaced, a measured cell gets
    more runs."""
    # The matrix first: a number too large for a column finds none.
    matrix = get_object_or_404(Matrix, pk=matrix_id)
    cell = get_object_or_404(MatrixCell, pk=run_id, matrix=matrix)
    return _started(
        request, matrix, key, lambda: actions.repeat_cell(request.user, cell, count=asked.count)
    )


def _started(
    request: HttpRequest, matrix: Matrix, key: str, start: Callable[[], list[Job]]
) -> Json:
    started = once_by_header(request, key, lambda: [job.pk for job in start()])
    return _whole(matrix.pk, StartedMatrix, started=started)
