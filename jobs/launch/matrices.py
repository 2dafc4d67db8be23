"""A matrix: its cells, limits and order of runs; preview, launch, resume and cancel. Each run of a
cell is an ordinary job; all jobs are rows from the start, in the order of their runs."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated, Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Max
from django.utils.timezone import now
from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobs import plans
from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.base.sanitize import sanitize
from jobs.base.validation_errors import messages
from jobs.catalog import MODELS, STACKS
from jobs.catalog.presets import WORKLOADS, Concurrency
from jobs.kinds import KINDS
from jobs.kinds.lib.base import Kind, Target
from jobs.kinds.lib.guide import guide_diff
from jobs.kinds.lib.load import has_chosen_length
from jobs.launch import launch
from jobs.launch.again import repeat
from jobs.launch.launch import InvalidParams, LaunchPreview, draft_of
from jobs.models import Host, Job, Matrix, MatrixCell
from jobs.queries.jobs.durations import usual_of
from jobs.schedule import agent_tasks, dispatch, lifecycle, preflights
from jobs.schedule.targets import by_hand, target_of

# Fields of a kind's Params that a cell sets.
AXES = ("input_tokens", "output_tokens", "concurrency", "requests")
_OF_A_CELL = ("row", "column", "input_tokens", "output_tokens", "concurrency")
MOST_CELLS = 240
MOST_RUNS = 600
MOST_TITLE = 200  # characters
# A cell that was lost longer ago waits for a person: its deployment may be gone.
_RECOVERED_FOR = timedelta(hours=1)
_MOST_ADDED = 10  # further runs of a cell, at once
_Length = Annotated[int, Field(ge=1, le=1048576)]


@dataclass(frozen=True, slots=True)
class CellLimits:
    """Known limits before a cell runs; None: unknown, or no limit."""

    max_input: int | None = None
    max_total: int | None = None  # of one request
    max_concurrency: int | None = None  # of the engine
    total_tokens: int | None = None  # of all concurrent requests
    context: int | None = None  # of the model

    def skip(self, prompt: int | None, output: int, level: int) -> Message | None:
        if self.max_concurrency and level > self.max_concurrency:
            return Message("matrix:max_concurrency", {"most": self.max_concurrency})
        if prompt is None:  # the kind knows the lengths of its own prompts
            return None
        if self.max_input and prompt > self.max_input:
            return Message("matrix:max_input", {"most": self.max_input})
        total = prompt + output
        if self.context and total > self.context:
            return Message("matrix:context", {"asked": total, "most": self.context})
        if self.max_total and total > self.max_total:
            return Message("matrix:max_total", {"asked": total, "most": self.max_total})
        if self.total_tokens and level * total > self.total_tokens:
            args = {"concurrency": level, "asked": total, "most": self.total_tokens}
            return Message("matrix:total_tokens", args)
        return None


@dataclass(frozen=True, slots=True)
class CellOfLengths:
    """One combination. ``skip``: reason why it does not run."""

    row: int
    column: int
    input_tokens: int | None  # None: the prompts have their own lengths
    output_tokens: int
    concurrency: int
    skip: Message | None = None


@dataclass(frozen=True, slots=True)
class CellRun:
    """One measurement of a cell. ``repeat`` counts from 1; 0 is a warm-up that does not count."""

    cell: CellOfLengths
    repeat: int


def cells_of(
    inputs: Sequence[int | None],
    outputs: Sequence[int],
    concurrency: Sequence[int],
    limits: CellLimits,
) -> tuple[CellOfLengths, ...]:
    """All combinations, row by row: a row has one pair of lengths, a column one concurrency."""
    pairs = [(prompt, output) for output in outputs for prompt in inputs]
    return tuple(
        CellOfLengths(row, column, prompt, output, level, limits.skip(prompt, output, level))
        for row, (prompt, output) in enumerate(pairs)
        for column, level in enumerate(concurrency)
    )


def runs_of(
    cells: Sequence[CellOfLengths],
    repeats: int,
    *,
    shuffled: bool = False,
    seed: int = 0,
    stops_early: bool = False,
    warm_up: bool = False,
) -> tuple[CellRun, ...]:
    """The runs of all cells without a skip, in the order of their start. Each repeat is a block
    with every cell once, so drift affects all cells alike. ``shuffled``: each block has its own
    order, from ``seed``. With ``stops_early`` whole rows are shuffled, and concurrency rises in
    each. ``warm_up``: the cell of the first run comes first, once more."""
    draw = random.Random(seed)  # noqa: S311 -- an order that can be repeated, no secret
    open_cells = [cell for cell in cells if cell.skip is None]
    if stops_early:
        open_cells.sort(key=lambda cell: (cell.row, cell.concurrency))
    runs: list[CellRun] = []
    for number in range(1, repeats + 1):
        block = list(open_cells)
        if shuffled and stops_early:
            rows = sorted({cell.row for cell in block})
            draw.shuffle(rows)
            block.sort(key=lambda cell: rows.index(cell.row))
        elif shuffled:
            draw.shuffle(block)
        runs += [CellRun(cell, number) for cell in block]
    return (*(CellRun(run.cell, 0) for run in runs[:1] if warm_up), *runs)


class MatrixSpec(BaseModel):
    """A matrix as requested. ``title`` "": the name of its deployment. ``params``: values of the
    other fields of ``kind``. ``warm_up``: the first run is done once before all others, and does
    not count. ``requests`` counts per run; with ``requests_each``, per concurrent request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field("", max_length=MOST_TITLE)
    kind: str
    workload: str = "own"
    params: dict[str, Any] = {}
    input_tokens: tuple[_Length, ...] = Field((), max_length=32)
    output_tokens: tuple[_Length, ...] = Field(min_length=1, max_length=32)
    concurrency: tuple[Concurrency, ...] = Field(min_length=1, max_length=32)
    requests: int = Field(4, ge=1, le=10000)
    requests_each: bool = True
    repeats: int = Field(1, ge=1, le=100)
    shuffled: bool = False
    warm_up: bool = False
    order_seed: int = Field(1, ge=0, le=2147483647)
    stops_early: bool = False

    def raw(self, cell: CellOfLengths) -> dict[str, Any]:
        """Values of the form of a cell's job, on an exclusive host by default."""
        own = {name: value for name, value in self.params.items() if name not in AXES}
        values: dict[str, Any] = {"exclusive": True, **own}
        if cell.input_tokens is not None:
            values["input_tokens"] = cell.input_tokens
        return values | {
            "output_tokens": cell.output_tokens,
            "concurrency": (cell.concurrency,),
            "requests": self.requests * (cell.concurrency if self.requests_each else 1),
        }

    def served(self, target: Target) -> Mapping[str, Any]:
        return target.asset("deployment", str(self.params.get("deployment", ""))).data

    def cells(self, target: Target) -> tuple[CellOfLengths, ...]:
        """All cells, with the reasons of those that cannot run on ``target``: limits of the
        deployment, its stack, its model and the workload."""
        try:
            served = self.served(target)
        except LaunchError:  # reported at the field
            served = {}
        published = WORKLOADS[self.workload].limits
        stack = STACKS.get(str(served.get("stack", "")))
        engine = str(served.get("engine") or served.get("toolchain") or "")
        model = MODELS.get(str(served.get("model_id", "")))
        inputs = [int(most) for most in (served.get("max_input"), published.max_input) if most]
        limits = CellLimits(
            max_input=min(inputs, default=None),
            max_total=int(served.get("max_total") or 0) or None,
            max_concurrency=stack.vllm.max_concurrency if stack and engine == "vllm" else None,
            total_tokens=published.total_tokens,
            context=model.context_tokens if model else None,
        )
        prompts = self.input_tokens if has_input(KINDS[self.kind], self.params) else (None,)
        return cells_of(prompts, self.output_tokens, self.concurrency, limits)

    def check(self) -> None:
        """Raise ``LaunchError`` at the field if the matrix cannot be planned."""
        if self.kind not in {kind.name for kind in kinds()}:
            raise LaunchError(_("This job type has no matrix. Choose another."), "kind")
        if self.workload not in WORKLOADS or WORKLOADS[self.workload].commands:
            raise LaunchError(_("Unknown workload. Choose one from the list."), "workload")
        has_prompts = has_input(KINDS[self.kind], self.params)
        if has_prompts and not self.input_tokens:
            raise LaunchError(_("Enter at least one prompt length."), "input_tokens")
        for name in AXES[:3]:
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise LaunchError(_("Enter each value only once."), name)
        lengths = len(self.input_tokens) if has_prompts else 1
        cells = lengths * len(self.output_tokens) * len(self.concurrency)
        runs = cells * self.repeats
        if cells > MOST_CELLS:
            message = _("A matrix has at most %(most)d cells; requested: %(cells)d.")
            raise LaunchError(message, "concurrency", most=MOST_CELLS, cells=cells)
        if runs > MOST_RUNS:
            message = _("A matrix has at most %(most)d runs; requested: %(runs)d.")
            raise LaunchError(message, "repeats", most=MOST_RUNS, runs=runs)


def kinds() -> list[Kind]:
    needed = {"deployment", "output_tokens", "concurrency", "requests"}
    return [kind for kind in KINDS.values() if needed <= set(kind.Params.model_fields)]


def has_input(kind: Kind, params: Mapping[str, Any]) -> bool:
    """True if prompts of ``kind`` have a chosen length, with other ``params`` than defaults."""
    fields = kind.Params.model_fields
    names = [name for name in ("dataset", "prompts") if name in fields]
    values: dict[str, Any] = {n: params.get(n) or fields[n].default for n in names}
    return "input_tokens" in fields and has_chosen_length(values)


@dataclass(frozen=True, slots=True)
class CellPreview:
    """A cell with the preview of its job; None where it is skipped."""

    cell: CellOfLengths
    preview: LaunchPreview | None = None


@dataclass(frozen=True, slots=True)
class MatrixPreview:
    """Cells of a possible launch and the order of their runs. ``errors``: field → message.
    ``expected_s``: from earlier jobs on this host; ``unknown``: cells without such jobs.
    ``by_hand``: slots of a script that no host fills."""

    spec: MatrixSpec
    cells: tuple[CellPreview, ...] = ()
    runs: tuple[CellRun, ...] = ()
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
            if one.preview and one.preview.plan:
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
        return MatrixPreview(spec, errors=error.fields)
    planned: list[CellPreview] = []
    first: LaunchPreview | None = None
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
    usual = usual_of(host, _drafts(spec, planned, target))
    known = [times.typical_s for times in usual if times is not None]
    return MatrixPreview(
        spec,
        tuple(planned),
        runs,
        expected_s=sum(known) * spec.repeats if known else None,
        unknown=len(usual) - len(known),
        by_hand=by_hand(target),
    )


def _drafts(spec: MatrixSpec, planned: Sequence[CellPreview], target: Target) -> list[Job]:
    """Return the jobs of the cells that can run, unsaved."""
    kind, model_id = KINDS[spec.kind], str(spec.served(target).get("model_id", ""))
    return [
        Job(
            kind=kind.name,
            title=kind.title_of(one.preview.params, target),
            params=one.preview.params.model_dump(mode="json"),
            model_id=model_id,
        )
        for one in planned
        if one.preview is not None
    ]


def _like(
    first: LaunchPreview, spec: MatrixSpec, cell: CellOfLengths, target: Target
) -> LaunchPreview:
    """The preview of a further cell: rights, secrets, sources and slots are those of ``first``,
    because only lengths, concurrency and requests differ. ``script``, ``guide``: empty."""
    kind = KINDS[spec.kind]
    try:
        params = launch.params_of(kind, spec.raw(cell), target)
        plan = kind.plan(params, target)
    except ValidationError as error:
        return LaunchPreview(errors=messages(error))
    except LaunchError as error:
        return LaunchPreview(errors=error.fields)
    return replace(first, params=params, plan=plan, script="", guide={})


def launch_matrix(
    spec: MatrixSpec,
    *,
    host: Host,
    user: AbstractBaseUser | None,
    priority: int = Job.Priority.NORMAL,
    confirmed: Iterable[Mapping[str, Any]] = (),
    confirm: Sequence[str] = (),
) -> Matrix:
    """Queue all runs of a matrix, or none. ``confirmed``, ``confirm``: see
    :func:`jobs.launch.launch.launch`. Raises ``InvalidParams``: see its ``fields``."""
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
            if one.preview and (params := one.preview.params) and (plan := one.preview.plan)
        }
        matrix = Matrix.objects.create(
            title=spec.title or str(spec.served(target).get("name", ""))[:MOST_TITLE],
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
            draft.confirmed = preflights.confirmed_for(job_preview.plan, accepted)
            missing = launch.missing_environments(kind, job_preview.params, target)
            job = launch.create(
                *(draft, host, user),
                environments=missing,
                target=target,
                chain=matrix.chain,
                starts=False,
            )
            _row(matrix, run, place, job).save()
            if missing:  # promised from now on
                target = target_of(host)
        skipped = [CellRun(one.cell, 1) for one in planned.cells if one.cell.skip is not None]
        MatrixCell.objects.bulk_create(
            _row(matrix, run, place, None)
            for place, run in enumerate(skipped, start=len(planned.runs))
        )
        transaction.on_commit(dispatch.run)
    return matrix


def _row(matrix: Matrix, run: CellRun, place: int, job: Job | None) -> MatrixCell:
    cell, skip = run.cell, run.cell.skip or Message("")
    return MatrixCell(
        matrix=matrix,
        repeat=run.repeat,
        place=place,
        job=job,
        skip_id=skip.id,
        skip_args=dict(skip.args),
        **{name: getattr(cell, name) for name in _OF_A_CELL},
    )


def resume_matrix(
    matrix: Matrix, user: AbstractBaseUser | None, *, can_prioritize: bool = False
) -> list[Job]:
    """Run again, whole, every cell that failed, was cancelled or was lost, in the first order.
    Raises ``LaunchError``: there is none, or an input is missing; then none is queued."""
    with transaction.atomic():
        lifecycle.lock_host(matrix.host_id)
        broken = MatrixCell.objects.filter(
            matrix=matrix, skip_id="", job__state__in=Job.UNSUCCESSFUL_STATES
        )
        rows = list(broken.order_by("place", "pk"))
        if not rows:
            raise LaunchError(_("No cell failed or was cancelled."))
        Matrix.objects.filter(pk=matrix.pk).update(cancelled_at=None)
        jobs = [_attempt(row, user, can_prioritize=can_prioritize) for row in rows]
        transaction.on_commit(dispatch.run)
    return jobs


def repeat_cell(
    cell: MatrixCell, user: AbstractBaseUser | None, *, count: int = 1, can_prioritize: bool = False
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
        adds = cell.job.state not in Job.UNSUCCESSFUL_STATES
        jobs = [
            _attempt(cell, user, can_prioritize=can_prioritize, adds=adds)
            for _number in range(min(count, _MOST_ADDED) if adds else 1)
        ]
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
        job__finished_at__gt=now() - _RECOVERED_FOR,
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


def _attempt(
    cell: MatrixCell,
    user: AbstractBaseUser | None,
    *,
    can_prioritize: bool = False,
    adds: bool = False,
) -> Job:
    """Queue the job of a cell once more. ``adds``: as a further run, behind all others."""
    old = Job.objects.select_related("host").get(cell=cell)
    job = repeat(old, user, can_prioritize=can_prioritize, chain=old.chain, starts=False)
    if adds:
        values = {name: getattr(cell, name) for name in ("matrix_id", *_OF_A_CELL)}
        same = MatrixCell.objects.filter(matrix=cell.matrix_id)
        values["place"] = same.aggregate(last=Max("place"))["last"] + 1
        runs = same.filter(row=cell.row, column=cell.column)
        values["repeat"] = runs.aggregate(last=Max("repeat"))["last"] + 1
        MatrixCell.objects.create(**values, job=job)
    else:
        MatrixCell.objects.filter(pk=cell.pk).update(job=job)
    return job
