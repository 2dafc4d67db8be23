"""Changes of jobs, their queue, pipelines, matrices and deployments."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.http import QueryDict

from dashboard.actions.action import Done, User, action
from dashboard.security.permissions import allowed, check
from dashboard.text.queue_words import read_priority
from jobs.base.numbers import number_from
from jobs.base.validation_errors import one_line
from jobs.launch import again, matrices, pipelines
from jobs.launch import launch as launching
from jobs.launch.matrices import MOST_TITLE, MatrixSpec
from jobs.models import Deployment, Host, Job, Matrix, MatrixCell
from jobs.schedule import deployments, lifecycle, preflights, queue
from jobs.services.upkeep import retention

Findings = Sequence[Mapping[str, Any]]


@action("job.launch")
def launch(
    user: AbstractBaseUser, /, kind: str, raw: Mapping[str, Any], host: Host, **choices: Any
) -> Done[Job]:
    """Queue a new job. ``choices`` and errors: ``jobs.launch.launch.launch``."""
    job = launching.launch(kind, raw, host=host, user=user, **choices)
    return Done(job, f"job {job.pk}", **_about(job))


@action("job.launch")
def launch_tour(user: AbstractBaseUser, host: Host) -> Done[list[Job]]:
    jobs = launching.launch_tour(host, user)
    return _each(jobs, lambda job: {"by": "tour", **_about(job)})


@action("job.launch")
def launch_pipeline(
    user: AbstractBaseUser, /, pipeline_id: str, model_id: str, **choices: Any
) -> Done[list[Job]]:
    """Queue the jobs of a pipeline. ``choices`` and errors: ``jobs.launch.pipelines``."""
    return _each(pipelines.launch_pipeline(pipeline_id, model_id, user=user, **choices), _about)


@action("job.launch")
def launch_matrix(
    user: AbstractBaseUser,
    /,
    spec: MatrixSpec,
    host: Host,
    *,
    confirmed: Findings = (),
    confirm: Sequence[str] = (),
    **choices: Any,
) -> Done[Matrix]:
    """Queue all runs of a matrix, with one entry. ``choices`` and errors: ``launch_matrix``."""
    if spec.title:
        spec = spec.model_copy(update={"title": one_line(spec.title, "title", most=MOST_TITLE)})
    matrix = matrices.launch_matrix(
        spec, host=host, user=user, confirmed=confirmed, confirm=confirm, **choices
    )
    accepted = [*confirmed, *({"check": name} for name in confirm)]
    count = matrix.cells.exclude(job=None).count()
    detail = {"workload": spec.workload, "jobs": count, **_detail(spec.kind, host, accepted)}
    return Done(matrix, f"matrix {matrix.pk}", **detail)


def _each(jobs: list[Job], detail: Callable[[Job], dict[str, Any]]) -> Done[list[Job]]:
    done = Done(jobs)
    for job in jobs:
        done.add(f"job {job.pk}", **detail(job))
    return done


def _about(job: Job) -> dict[str, Any]:
    return _detail(job.kind, job.host, job.confirmed)


def _detail(kind: str, host: Host, confirmed: Findings) -> dict[str, Any]:
    """Details of every launch: job type, host, and checks whose warnings are accepted."""
    checks = [item["check"] for item in confirmed]
    return {"kind": kind, "host": host.name, **({"confirmed": checks} if checks else {})}


@action("job.cancel")
def cancel(user: AbstractBaseUser, job: Job) -> Done[bool]:
    """Cancel a job. False: the job has already ended."""
    return Done(launching.cancel(job.pk, user), f"job {job.pk}")


@action("job.confirm", dispatches=True)
def confirm(user: AbstractBaseUser, job: Job, names: Collection[str] | None) -> Done[bool]:
    """Confirm the open warnings of the checks ``names``; None: of all. False: there are none."""
    warnings = [item for item in job.needs_confirmation if names is None or item["check"] in names]
    is_done = bool(warnings) and preflights.confirm(job.pk, warnings, user)
    return Done(is_done, f"job {job.pk}", checks=[item["check"] for item in warnings])


@action("job.repeat")
def retry(user: AbstractBaseUser, job_id: int) -> Done[Job]:
    """Launch the job's plan again as a new job. Raises ``LaunchError``: an input is missing."""
    job = again.retry_job(job_id, user, can_prioritize=allowed(user, "job.raise"))
    return Done(job, f"job {job.pk}", repeats=job_id)


def retry_all(user: User, job_ids: Sequence[int]) -> list[int]:
    """Retry jobs in this order, all or none; return the ids of the new jobs. Raises as above."""
    hosts = Job.objects.filter(pk__in=job_ids).values_list("host", flat=True)
    with transaction.atomic():
        for host in sorted(set(hosts)):  # two callers must not wait for each other
            lifecycle.lock_host(host)
        return [retry(user, job_id).pk for job_id in job_ids]


@action("job.repeat")
def resume(user: AbstractBaseUser, job_id: int) -> Done[Job]:
    """Continue a stopped evaluation as a new job. Raises ``LaunchError``: it cannot."""
    job = again.resume_job(job_id, user)
    return Done(job, f"job {job.pk}", resumes=job_id)


@action("job.pin")
def keep_files(user: AbstractBaseUser, job: Job, *, keep: bool) -> Done[bool]:
    """Keep a job's log and files, or apply retention again. False: nothing to keep, or to stop."""
    if not keep and job.pinned_at is not None:
        check(user, "job.unpin", retention.Pin(job.pk, job.pinned_by_id))
    is_done = retention.pin(job.pk, user) if keep else retention.unpin(job.pk)
    return Done(is_done, f"job {job.pk}", pinned=keep)


@action("job.order", dispatches=True)
def move(
    user: AbstractBaseUser, job: Job, asked: Mapping[str, Any] | QueryDict
) -> Done[queue.Move]:
    """Move a queued job, or with ``whole`` its group: ``to`` a step, or ``before`` or ``after``
    another. Raises ``NotMoved``."""
    moved = queue.move(
        job.pk,
        to=str(asked.get("to") or ""),
        before=number_from(str(asked.get("before") or "")),
        after=number_from(str(asked.get("after") or "")),
        can_overtake=allowed(user, "job.raise", job),
        whole=bool(asked.get("whole")),
    )
    if moved.was == moved.now:
        return Done(moved)
    return Done(moved, f"job {job.pk}", was=moved.was, now=moved.now)


@action("job.order", dispatches=True)
def set_priority(user: AbstractBaseUser, job: Job, name: str, *, whole: bool = False) -> Done[None]:
    """Set the priority of a queued job, or with ``whole`` of its row; above normal: administrators
    only. Raises ``NotMoved``."""
    priority = read_priority(name)
    if priority < Job.Priority.NORMAL:
        check(user, "job.raise", job)
    can_overtake = allowed(user, "job.raise", job)
    changed = queue.set_priority(job.pk, priority, can_overtake=can_overtake, whole=whole)
    return Done(None, f"job {job.pk}" if changed else "", priority=name, jobs=changed)


@action("job.order", dispatches=True)
def set_exclusive(user: AbstractBaseUser, job: Job, *, exclusive: bool) -> Done[None]:
    """Set exclusive use of a queued job on or off. Raises ``NotMoved``: it is no longer queued."""
    changed = queue.set_exclusive(job.pk, exclusive=exclusive)
    return Done(None, f"job {job.pk}" if changed else "", exclusive=exclusive)


@action("job.cancel")
def cancel_pipeline(user: AbstractBaseUser, jobs: Sequence[Job], chain_id: UUID) -> Done[list[Job]]:
    """Cancel all active jobs of a pipeline, which ``jobs`` are; return the cancelled ones."""
    return _each(again.cancel_rest(chain_id, user), lambda job: {"pipeline": str(chain_id)})


@action("job.repeat")
def retry_pipeline(user: AbstractBaseUser, chain_id: UUID) -> Done[list[Job]]:
    jobs = again.retry_failed_jobs(chain_id, user, can_prioritize=allowed(user, "job.raise"))
    return _each(jobs, lambda job: {"repeats": job.repeats_id})


@action("job.repeat")
def resume_matrix(user: AbstractBaseUser, matrix: Matrix) -> Done[list[Job]]:
    """Run cells that did not succeed again; return the new jobs."""
    jobs = matrices.resume_matrix(matrix, user, can_prioritize=allowed(user, "job.raise"))
    return Done(jobs, f"matrix {matrix.pk}", jobs=len(jobs))


@action("job.repeat")
def repeat_cell(user: AbstractBaseUser, cell: MatrixCell, *, count: int) -> Done[list[Job]]:
    """Run one cell of a matrix again, unless it is skipped or active; return the new jobs."""
    may_raise = allowed(user, "job.raise")
    jobs = matrices.repeat_cell(cell, user, count=count, can_prioritize=may_raise)
    return _each(jobs, lambda job: {"repeats": job.repeats_id, "matrix": cell.matrix_id})


@action("job.cancel")
def cancel_matrix(user: AbstractBaseUser, matrix: Matrix) -> Done[list[Job]]:
    jobs = matrices.cancel_matrix(matrix, user)
    return Done(jobs, f"matrix {matrix.pk}" if jobs else "", jobs=len(jobs))


@action("matrix.rename")
def rename_matrix(user: User, matrix: Matrix, title: str) -> Done[bool]:
    """Name a matrix. False: it has this name. Raises ``LaunchError``: no single line."""
    title = one_line(title, "title", most=MOST_TITLE)
    if title == matrix.title:
        return Done(False)
    spec = {**matrix.spec, "title": title}  # a matrix that is launched again has this name
    Matrix.objects.filter(pk=matrix.pk).update(title=title, spec=spec)
    return Done(True, f"matrix {matrix.pk}", title=title, before=matrix.title)


@action("storage.manage")
def remove_files(user: AbstractBaseUser, job: Job) -> Done[bool]:
    """Remove a job's log, files and points for good. False: nothing was removed."""
    is_removed = retention.remove_now(job.pk, user)
    job.refresh_from_db()
    return Done(is_removed, f"job {job.pk}", bytes=job.removed_bytes)


@action("deployment.stop", dispatches=True)  # one that waited to start again has ended now
def stop(user: AbstractBaseUser, deployment: Deployment) -> Done[bool]:
    """Stop a deployment's server. False: the deployment has already ended."""
    return Done(deployments.stop_deployment(deployment.pk, user), f"deployment {deployment.pk}")


@action("deployment.restart")
def restart(user: AbstractBaseUser, deployment: Deployment) -> Done[int]:
    """Start the next run of a deployment's plan; return its number. Raises ``NotRestartable``."""
    run = deployments.restart_deployment(deployment.pk, user)
    return Done(run, f"deployment {deployment.pk}", run=run)
