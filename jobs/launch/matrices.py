"""Preview, launch, resume and cancel of a matrix: an ordinary job for each run of a cell.

All jobs are rows from the start, in the order of their runs; nothing here waits for one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Max
from django.utils.timezone import now
from django.utils.translation import gettext as _
from pydantic import ValidationError

from jobs import plans
from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.base.sanitize import sanitize
from jobs.base.validation_errors import messages
from jobs.kinds import KINDS
from jobs.kinds.lib.base import Target
from jobs.kinds.lib.guide import guide_diff
from jobs.launch import launch
from jobs.launch.again import repeat
from jobs.launch.launch import InvalidParams, Preview, draft_of
from jobs.launch.matrix_spec import AXES, Cell, MatrixSpec, Run, runs_of
from jobs.models import Host, Job, Matrix, MatrixCell
from jobs.queries.jobs.durations import usual_of
from jobs.schedule import agent_tasks, dispatch, lifecycle
from jobs.schedule.targets import by_hand, target_of

# A cell that was lost longer ago waits for a person: its deployment may be gone.
RECOVERED_FOR = timedelta(hours=1)
_ENDED_BADLY = (Job.State.FAILED, Job.State.ERRORED, Job.State.LOST, Job.State.CANCELLED)
_MOST_ADDED = 10  # further runs of a cell, at once


@dataclass(frozen=True, slots=True)
class CellPreview:
    """A cell with the preview of its job; None where it is skipped."""

    cell: Cell
    preview: Preview | None = None


@dataclass(frozen=True, slots=True)
class MatrixPreview:
    """Cells of a possible launch and the order of their runs. ``errors``: field → message.
    ``expected_s``: from earlier jobs on this host; ``unknown``: cells without such jobs.
    ``by_hand``: slots of a script that no host fills."""

    spec: MatrixSpec
    cells: tuple[CellPreview, ...] = ()
    runs: tuple[Run, ...] = ()
    errors: dict[str, str] = field(default_factory=dict)
    expected_s: float | None = None
    unknown: int = 0
    by_hand: Mapping[str, str] = field(default_factory=dict)

    @property
    def first(self) -> CellPreview | None:
        return next((one for one in self.cells if one.preview is not None), None)

    @property
    def skipped(self) -> int:
        return sum(one.cell.skip is not None for one in self.cells)

    @property
    def running(self) -> int:
        return len(self.cells) - self.skipped

    @property
    def script(self) -> str:
        """All runs as one bash script, each in a folder of its own; "" without a run."""
        if not self.runs:
            return ""
        scripts = {}
        for one in self.cells:
            if one.preview is not None and one.preview.plan is not None:
                known = {name: text for name, text in one.preview.open_slots.items() if text}
                slots = {**self.by_hand, **known, **one.preview.values}
                scripts[one.cell] = plans.script(one.preview.plan, slots)
        lines = ["#!/usr/bin/env bash", f"# matrix of {len(self.runs)} runs", "set -u"]
        for number, run in enumerate(self.runs, start=1):
            cell, mark, folder = run.cell, "END_OF_RUN", f"run-{number:03d}"
            while mark in scripts[cell]:
                mark += "_"
            prompt = "" if cell.input_tokens is None else f"input {cell.input_tokens}, "
            words = f"output {cell.output_tokens}, concurrency {cell.concurrency}"
            lines += [
                "",
                f"# {number}: {prompt}{words}, repeat {run.repeat}",
                # A failed run does not end the matrix.
                f"mkdir -p {folder} && (cd {folder} && JOB={number} bash -s) <<'{mark}' "
                f'|| echo "run {number} failed" >&2',
                scripts[cell].rstrip("\n"),
                mark,
            ]
        return "\n".join(lines) + "\n"


def preview_matrix(
    spec: MatrixSpec,
    host: Host,
    target: Target | None = None,
    *,
    user: AbstractBaseUser | None = None,
) -> MatrixPreview:
    """Preview a matrix on ``host`` by ``user``. Changes nothing. A limit of deployment, stack,
    model or workload skips a cell. A refusal of the plan at a length or a concurrency skips it too;
    any other refusal is an error of the form."""
    target = target or target_of(host)
    try:
        spec.check()
    except LaunchError as error:
        return MatrixPreview(spec, errors={error.field: str(error)})
    planned: list[CellPreview] = []
    first: Preview | None = None
    for cell in spec.cells(target):
        if cell.skip is not None:
            planned.append(CellPreview(cell))
            continue
        if first is None:
            job_preview = launch.preview(spec.kind, spec.raw(cell), host, target, user=user)
        else:
            job_preview = _like(first, spec, cell, target)
        if job_preview.plan is not None:
            first = first or job_preview
            planned.append(CellPreview(cell, job_preview))
            continue
        if not job_preview.errors.keys() <= set(AXES):
            return MatrixPreview(spec, errors=job_preview.errors)
        reason = "; ".join(job_preview.errors.values())
        refused = Message("matrix:refused", {"reason": sanitize(reason)[:300]})
        planned.append(CellPreview(replace(cell, skip=refused)))
    if first is None:
        errors = {"concurrency": _("No cell can run. See the reasons in the table.")}
        return MatrixPreview(spec, tuple(planned), errors=errors)
    runs = runs_of(
        [one.cell for one in planned],
        spec.repeats,
        shuffled=spec.shuffled,
        seed=spec.order_seed,
        stops_early=spec.stops_early,
        warm_up=spec.warm_up,
    )
    expected, unknown = _expected(planned, spec, host, target)
    return MatrixPreview(
        spec,
        tuple(planned),
        runs,
        expected_s=expected,
        unknown=unknown,
        by_hand=by_hand(target),
    )


def _like(first: Preview, spec: MatrixSpec, cell: Cell, target: Target) -> Preview:
    """Return the preview of a further cell. Rights, secrets, sources and slots are those of
    ``first``, because only lengths, concurrency and requests differ; ``script`` and ``guide`` are
    empty."""
    kind = KINDS[spec.kind]
    try:
        params = launch.params_of(kind, spec.raw(cell), target)
        plan = kind.plan(params, target)
    except ValidationError as error:
        return Preview(errors=messages(error))
    except LaunchError as error:
        return Preview(errors={error.field: str(error)})
    return replace(first, params=params, plan=plan, script="", guide={})


def _expected(
    planned: Sequence[CellPreview], spec: MatrixSpec, host: Host, target: Target
) -> tuple[float | None, int]:
    """Return the sum of typical durations of all runs, and the number of cells without one."""
    kind = KINDS[spec.kind]
    drafts = [
        Job(
            kind=kind.name,
            title=kind.title_of(one.preview.params, target),
            params=one.preview.params.model_dump(mode="json"),
            model_id=str(_served(spec, target).get("model_id", "")),
        )
        for one in planned
        if one.preview is not None
    ]
    usual = usual_of(host, drafts)
    known = [times.typical_s for times in usual if times is not None]
    return (sum(known) * spec.repeats if known else None), len(usual) - len(known)


def _served(spec: MatrixSpec, target: Target) -> Mapping[str, Any]:
    return target.asset("deployment", str(spec.params.get("deployment", ""))).data


def launch_matrix(
    spec: MatrixSpec,
    *,
    host: Host,
    user: AbstractBaseUser | None,
    priority: int = Job.Priority.NORMAL,
    confirmed: Iterable[Mapping[str, Any]] = (),
    confirm: Sequence[str] = (),
) -> Matrix:
    """Queue all runs of a matrix; return it. ``confirmed``, ``confirm``: see
    :func:`jobs.launch.launch.launch`. Raises ``InvalidParams``: see its ``fields``; then nothing is
    queued."""
    with transaction.atomic():
        host = lifecycle.lock_host(host.pk)
        target = target_of(host)
        planned = preview_matrix(spec, host, target, user=user)
        if planned.errors or planned.first is None or planned.first.preview is None:
            raise InvalidParams(planned.errors)
        named = launch.confirmed_by_name(planned.first.preview.plan, confirm, user)
        accepted, kind = [*confirmed, *named], KINDS[spec.kind]
        previews = {
            one.cell: replace(one.preview, guide=guide_diff(kind, params, target, plan))
            for one in planned.cells
            if one.preview is not None
            and (params := one.preview.params) is not None
            and (plan := one.preview.plan) is not None
        }
        matrix = Matrix.objects.create(
            title=str(_served(spec, target).get("name", ""))[:200],
            kind=spec.kind,
            host=host,
            model_id=draft_of(kind, previews[planned.runs[0].cell], target).model_id,
            spec=spec.model_dump(mode="json"),
            created_by_id=user.pk if user else None,
        )
        for place, run in enumerate(planned.runs):
            job_preview = previews[run.cell]
            draft = draft_of(kind, job_preview, target)
            draft.priority = priority
            draft.confirmed = launch.confirmed_for(job_preview.plan, accepted)
            missing = launch.missing_environments(kind, job_preview.params, target)
            job = launch.create(
                draft, host, user, environments=missing, target=target, starts=False
            )
            _row(matrix, run, place, job).save()
            if missing:  # promised from now on
                target = target_of(host)
        skipped = [Run(one.cell, 1) for one in planned.cells if one.cell.skip is not None]
        MatrixCell.objects.bulk_create(
            _row(matrix, run, place, None)
            for place, run in enumerate(skipped, start=len(planned.runs))
        )
        transaction.on_commit(dispatch.run)
    return matrix


def _row(matrix: Matrix, run: Run, place: int, job: Job | None) -> MatrixCell:
    cell, skip = run.cell, run.cell.skip or Message("")
    return MatrixCell(
        matrix=matrix,
        row=cell.row,
        column=cell.column,
        repeat=run.repeat,
        place=place,
        input_tokens=cell.input_tokens,
        output_tokens=cell.output_tokens,
        concurrency=cell.concurrency,
        job=job,
        skip_id=skip.id,
        skip_args=dict(skip.args),
    )


def resume_matrix(
    matrix: Matrix, user: AbstractBaseUser | None, *, can_prioritize: bool = False
) -> list[Job]:
    """Run again, whole, every cell that failed, was cancelled or was lost, in the first order.
    Done, running, queued and skipped cells stay as they are. Raises ``LaunchError``: there is none,
    or an input is missing; then none is queued."""
    with transaction.atomic():
        lifecycle.lock_host(matrix.host_id)
        broken = MatrixCell.objects.filter(matrix=matrix, skip_id="", job__state__in=_ENDED_BADLY)
        rows = list(broken.order_by("place", "pk"))
        if not rows:
            raise LaunchError(_("No cell failed or was cancelled."))
        Matrix.objects.filter(pk=matrix.pk).update(cancelled_at=None)
        jobs = [_attempt(row, user, can_prioritize=can_prioritize) for row in rows]
        transaction.on_commit(dispatch.run)
    return jobs


def repeat_cell(
    cell: MatrixCell,
    user: AbstractBaseUser | None,
    *,
    count: int = 1,
    can_prioritize: bool = False,
) -> list[Job]:
    """Run one cell again: a failed run is replaced, a measured cell gets ``count`` more runs.
    Raises ``LaunchError``: the cell is skipped or still active, or an input is missing."""
    with transaction.atomic():
        lifecycle.lock_host(cell.matrix.host_id)
        cell = MatrixCell.objects.select_related("matrix", "job").get(pk=cell.pk)
        if cell.job is None:
            raise LaunchError(_("This cell is skipped."))
        if cell.job.is_open:
            raise LaunchError(_("This cell is still queued or running."))
        if cell.job.state in _ENDED_BADLY:
            jobs = [_attempt(cell, user, can_prioritize=can_prioritize)]
        else:
            numbers = range(min(count, _MOST_ADDED))
            jobs = [_added(cell, user, can_prioritize=can_prioritize) for _number in numbers]
        transaction.on_commit(dispatch.run)
    return jobs


def cancel_matrix(matrix: Matrix, user: AbstractBaseUser | None) -> list[Job]:
    """Cancel every active job of the matrix; return the cancelled ones. Results are kept."""
    Matrix.objects.filter(pk=matrix.pk).update(cancelled_at=now())
    jobs = Job.objects.filter(cell__matrix=matrix, state__in=Job.OPEN_STATES, cancel_asked_at=None)
    # Queued ones before running ones, so that none starts meanwhile.
    ordered = sorted(jobs, key=lambda job: (job.state != Job.State.QUEUED, -job.pk))
    cancelled = [job for job in ordered if lifecycle.ask_cancel(job.pk, user)]
    for job in cancelled:
        if job.state in Job.ON_HOST_STATES:
            agent_tasks.send(matrix.host.name, "stop", job.pk)
    dispatch.run()  # places have become free
    return cancelled


def recover_lost() -> int:
    """Queue each recently lost cell of an active matrix once more, whole; return the count."""
    lost = MatrixCell.objects.filter(
        job__state=Job.State.LOST,
        job__finished_at__gt=now() - RECOVERED_FOR,
        job__repeats=None,
        matrix__cancelled_at=None,
        skip_id="",
    )
    recovered = 0
    for row in lost.select_related("matrix__created_by", "job").order_by("pk"):
        try:
            with transaction.atomic():
                lifecycle.lock_host(row.matrix.host_id)
                if MatrixCell.objects.filter(pk=row.pk, job=row.job).exists():
                    _attempt(row, row.matrix.created_by)
                    recovered += 1
        except LaunchError:
            continue  # the page offers to resume, and says what is missing
    return recovered


def _retried(
    cell: MatrixCell, user: AbstractBaseUser | None, *, can_prioritize: bool = False
) -> Job:
    old = Job.objects.select_related("host").get(cell=cell)
    return repeat(old, user, can_prioritize=can_prioritize, starts=False)


def _attempt(
    row: MatrixCell, user: AbstractBaseUser | None, *, can_prioritize: bool = False
) -> Job:
    job = _retried(row, user, can_prioritize=can_prioritize)
    MatrixCell.objects.filter(pk=row.pk).update(job=job)
    return job


def _added(cell: MatrixCell, user: AbstractBaseUser | None, *, can_prioritize: bool) -> Job:
    """Queue one more run of a cell, behind all others."""
    job = _retried(cell, user, can_prioritize=can_prioritize)
    same = MatrixCell.objects.filter(matrix=cell.matrix_id)
    last = same.aggregate(Max("place"))["place__max"]
    repeats = same.filter(row=cell.row, column=cell.column).aggregate(Max("repeat"))["repeat__max"]
    copied = ("matrix_id", "row", "column", "input_tokens", "output_tokens", "concurrency")
    values = {name: getattr(cell, name) for name in copied}
    MatrixCell.objects.create(**values, repeat=repeats + 1, place=last + 1, job=job)
    return job
