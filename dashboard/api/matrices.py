"""The public API about matrices: see :mod:`dashboard.api.rest`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Router, Status
from pydantic import BaseModel, Field, WithJsonSchema

from dashboard.actions import matrices as matrix_actions
from dashboard.actions.once import KeyHeader, once_by_header
from dashboard.api.answers import Answer, JobState, Number, ResultNumber, Time, answers
from dashboard.api.auth import caller, must
from dashboard.api.errors import Refused, missing
from dashboard.api.requests import Priority
from dashboard.api.rest import launch_host
from dashboard.api.serializers import created
from dashboard.server.json_errors import error
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from dashboard.text.queue_words import priority_for
from jobs.launch import launch
from jobs.launch.launch import InvalidParams
from jobs.launch.matrices import MatrixPreview, MatrixSpec, preview_matrix
from jobs.models import Host, Job, Matrix, MatrixCell
from jobs.queries.matrices import STATES, CellView, MatrixPage, RunView, matrices, matrix_page

router = Router(tags=["Matrices"])
_LISTED = 100
_State = Annotated[str, WithJsonSchema({"type": "string", "enum": list(STATES)})]


class MatrixAsked(MatrixSpec):
    """A matrix to preview or launch. ``params``: values of all other fields of the job type."""

    host: str
    priority: Priority = ""
    confirm: list[str] | None = Field(
        None, description="names of checks whose warnings are accepted, or all"
    )


class RunsAsked(BaseModel):
    """Further runs of a measured cell; a failed run is run once."""

    count: int = Field(1, ge=1, le=10)


class MatrixRunAnswer(Answer):
    """One run of a cell, at its last attempt."""

    id: int = Field(description="id of the run, for another one of its cell")
    repeat: int
    place: int = Field(description="order of the start, from 0")
    job: int | None
    job_state: JobState | None
    message: str
    result: ResultNumber | None
    metrics: dict[str, Any]


class MatrixCellAnswer(Answer):
    """One combination of lengths and concurrency. ``output_tokens_per_s`` is the mean."""

    input_tokens: int | None = Field(description="null: the prompts have their own lengths")
    output_tokens: int
    concurrency: int
    state: _State
    reason: str = Field(description="why it is skipped, or failed; empty for other cells")
    output_tokens_per_s: Number | None
    interval: list[Number] | None = Field(description="95 %, from three runs on")
    runs: list[MatrixRunAnswer]


class MatrixLine(Answer):
    """A matrix as lists have it."""

    id: int
    title: str
    kind: str
    host: str
    workload: str
    created_by: str | None
    created_at: Time


class Matrices(Answer):
    """The newest matrices."""

    matrices: list[MatrixLine]


class MatrixAnswer(MatrixLine):
    """A matrix with its cells."""

    state: _State
    counts: dict[str, int] = Field(description="cells in each state")
    left_s: int | None = Field(description="estimate; null if unknown")
    spec: dict[str, Any]
    cells: list[MatrixCellAnswer]


class StartedMatrix(MatrixAnswer):
    """A matrix, and the jobs that this request started."""

    started: list[int]


class CancelledMatrix(MatrixAnswer):
    """A matrix, and the jobs that this request cancelled."""

    cancelled: list[int]


class PlannedCell(Answer):
    """A cell before the launch."""

    input_tokens: int | None
    output_tokens: int
    concurrency: int
    skipped: str = Field(description="reason; empty: it runs")


class PlannedMatrix(Answer):
    """Cells, runs in order, and a script that runs all of them."""

    cells: list[PlannedCell]
    runs: int
    skipped: int
    expected_s: int | None = Field(description="from earlier jobs; null if unknown")
    script: str


@router.get(
    "matrices",
    auth=caller("job.view"),
    **answers(Matrices),
    url_name="api-matrices",
    summary="List matrices",
)
def list_matrices(request: HttpRequest) -> dict[str, Any]:
    """Return the newest 100."""
    return {"matrices": [_line(row) for row in matrices()[:_LISTED]]}


@router.post(
    "matrices",
    auth=caller("job.launch"),
    **answers(MatrixAnswer, 409, 413, 422, status=201),
    url_name="api-matrices",
    summary="Launch a matrix",
)
def launch_matrix(
    request: HttpRequest, asked: MatrixAsked, key: KeyHeader = ""
) -> Status[dict[str, Any]]:
    """Queue a job for each run. Limits skip cells; they are no error."""
    matrix_id = once_by_header(request, key, lambda: _launch(request, asked))
    return Status(201, _whole(_page(matrix_id)))


def _launch(request: HttpRequest, asked: MatrixAsked) -> int:
    host, spec = launch_host(asked.host), _spec(asked)
    planned = _planned(request, spec, host)
    priority = priority_for(request.user, asked.priority)
    confirmed = []
    if planned.first is not None and asked.confirm:
        raw, user = spec.raw(planned.first.cell), _user(request)
        confirmed = launch.confirmed_by_name(spec.kind, raw, host, asked.confirm, user)
    matrix = matrix_actions.launch(request.user, spec, host, priority=priority, confirmed=confirmed)
    return matrix.pk


@router.post(
    "matrices/preview",
    auth=caller("job.launch"),
    **answers(PlannedMatrix, 413, 422),
    url_name="api-matrix-preview",
    summary="Preview a matrix",
)
def preview(request: HttpRequest, asked: MatrixAsked) -> dict[str, Any]:
    """Return the cells with the reasons of skipped ones. It runs nothing."""
    planned = _planned(request, _spec(asked), launch_host(asked.host))
    return {
        "cells": [
            {
                "input_tokens": one.cell.input_tokens,
                "output_tokens": one.cell.output_tokens,
                "concurrency": one.cell.concurrency,
                "skipped": message(one.cell.skip.id, one.cell.skip.args) if one.cell.skip else "",
            }
            for one in planned.cells
        ],
        "runs": len(planned.runs),
        "skipped": planned.skipped,
        "expected_s": None if planned.expected_s is None else round(planned.expected_s),
        "script": planned.script,
    }


@router.get(
    "matrices/{int:matrix_id}",
    auth=caller("job.view"),
    **answers(MatrixAnswer),
    url_name="api-matrix",
    summary="Read a matrix",
)
def read_matrix(request: HttpRequest, matrix_id: int) -> dict[str, Any]:
    """Return the cells with state, number and runs."""
    return _whole(_page(matrix_id))


@router.post(
    "matrices/{int:matrix_id}/resume",
    auth=caller("job.repeat"),
    **answers(StartedMatrix, 409, 422, status=201),
    url_name="api-matrix-resume",
    summary="Resume a matrix",
)
def resume_matrix(
    request: HttpRequest, matrix_id: int, key: KeyHeader = ""
) -> Status[dict[str, Any]]:
    """Run again, whole, what failed, was cancelled or was lost."""
    matrix = _page(matrix_id).matrix
    return _started(request, matrix, key, lambda: matrix_actions.resume(request.user, matrix))


@router.post(
    "matrices/{int:matrix_id}/cancel",
    auth=caller("job.cancel"),
    **answers(CancelledMatrix, 409),
    url_name="api-matrix-cancel",
    summary="Cancel a matrix",
)
def cancel_matrix(request: HttpRequest, matrix_id: int) -> dict[str, Any]:
    """Cancel every open job of it. Results are kept."""
    page = _page(matrix_id)
    must(request.user, "job.cancel", page.matrix)
    jobs = matrix_actions.cancel(request.user, page.matrix)
    if not jobs:
        text = _("No job to cancel: all have ended, or are being cancelled.")
        raise Refused(error(409, "finished", text))
    return {**_whole(_page(matrix_id)), "cancelled": sorted(job.pk for job in jobs)}


@router.post(
    "matrices/{int:matrix_id}/runs/{int:run_id}/repeat",
    auth=caller("job.repeat"),
    **answers(StartedMatrix, 409, 422, status=201),
    url_name="api-matrix-run",
    summary="Run a cell again",
)
def repeat_cell(
    request: HttpRequest, matrix_id: int, run_id: int, asked: RunsAsked, key: KeyHeader = ""
) -> Status[dict[str, Any]]:
    """Run the cell of a run again: a failed run is replaced, a measured cell gets more runs."""
    # The matrix first: a number too large for a column finds none.
    matrix = get_object_or_404(Matrix, pk=matrix_id)
    cell = get_object_or_404(MatrixCell, pk=run_id, matrix=matrix)
    return _started(
        request, matrix, key, lambda: matrix_actions.repeat(request.user, cell, count=asked.count)
    )


def _started(
    request: HttpRequest, matrix: Matrix, key: str, start: Callable[[], list[Job]]
) -> Status[dict[str, Any]]:
    started = once_by_header(request, key, lambda: [job.pk for job in start()])
    return Status(201, {**_whole(_page(matrix.pk)), "started": started})


def _spec(asked: MatrixAsked) -> MatrixSpec:
    return MatrixSpec(**asked.model_dump(exclude={"host", "priority", "confirm"}))


def _planned(request: HttpRequest, spec: MatrixSpec, host: Host) -> MatrixPreview:
    planned = preview_matrix(spec, host, user=_user(request))
    if planned.errors:
        raise InvalidParams(planned.errors)
    return planned


def _user(request: HttpRequest) -> Any:
    return request.user


def _page(matrix_id: int) -> MatrixPage:
    page = matrix_page(matrix_id)
    if page is None:
        raise missing()
    return page


def _line(row: Matrix) -> dict[str, Any]:
    return {
        "id": row.pk,
        "title": row.title,
        "kind": row.kind,
        "host": row.host.name,
        "workload": str(row.spec.get("workload", "")),
        **created(row),
    }


def _whole(page: MatrixPage) -> dict[str, Any]:
    return {
        **_line(page.matrix),
        "state": page.state,
        "counts": page.counts,
        "left_s": None if page.left_s is None else round(page.left_s),
        "spec": page.matrix.spec,
        "cells": [_cell(cell) for cell in page.cells],
    }


def _cell(cell: CellView) -> dict[str, Any]:
    interval = cell.interval
    return {
        "input_tokens": cell.input_tokens,
        "output_tokens": cell.output_tokens,
        "concurrency": cell.concurrency,
        "state": cell.state,
        "reason": _reason(cell),
        "output_tokens_per_s": cell.value,
        "interval": [interval.low, interval.high] if interval else None,
        "runs": [_run(run) for run in cell.runs],
    }


def _reason(cell: CellView) -> str:
    if cell.state == "skipped" and cell.skip is not None:
        return message(cell.skip.id, cell.skip.args)
    bad = cell.bad.job if cell.state in ("failed", "cancelled") and cell.bad is not None else None
    return message(bad.message_id, bad.message_args) if bad else ""


def _run(run: RunView) -> dict[str, Any]:
    job, result = run.job, run.result
    return {
        "id": run.cell.pk,
        "repeat": run.cell.repeat,
        "place": run.cell.place,
        "job": job.pk if job else None,
        "job_state": job.state if job else None,
        "message": message(job.message_id, job.message_args) if job else "",
        "result": result_name(result) if result else None,
        "metrics": result.metrics if result else {},
    }
