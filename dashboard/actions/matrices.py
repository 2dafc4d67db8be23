"""Changes of matrices, for pages and API: change and audit entry.

The caller has checked the permission, because pages and API refuse in different ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from dashboard.security import audit_log
from dashboard.security.permissions import allowed
from dashboard.security.request import logged_in
from jobs.launch import matrices
from jobs.launch.matrices import MatrixSpec
from jobs.models import Host, Job, Matrix, MatrixCell


def launch(
    user: AbstractBaseUser | AnonymousUser,
    spec: MatrixSpec,
    host: Host,
    *,
    priority: int = Job.Priority.NORMAL,
    confirmed: Iterable[Mapping[str, Any]] = (),
) -> Matrix:
    """Queue all runs of a matrix; return it.

    Raises:
        LaunchError: it cannot be launched.
    """
    accepted = list(confirmed)
    matrix = matrices.launch_matrix(
        spec, host=host, user=logged_in(user), priority=priority, confirmed=accepted
    )
    jobs = matrix.cells.exclude(job=None).count()
    detail = {"kind": spec.kind, "host": host.name, "workload": spec.workload, "jobs": jobs}
    if accepted:
        detail["confirmed"] = [item["check"] for item in accepted]
    audit_log.record(user, "job.launch", f"matrix {matrix.pk}", **detail)
    return matrix


def resume(user: AbstractBaseUser | AnonymousUser, matrix: Matrix) -> list[Job]:
    """Run cells that did not succeed again; return the new jobs.

    Raises:
        LaunchError: there is none, or an input is missing.
    """
    may_raise = allowed(user, "job.raise")
    jobs = matrices.resume_matrix(matrix, logged_in(user), can_prioritize=may_raise)
    audit_log.record(user, "job.repeat", f"matrix {matrix.pk}", jobs=len(jobs))
    return jobs


def repeat(
    user: AbstractBaseUser | AnonymousUser, cell: MatrixCell, *, count: int = 1
) -> list[Job]:
    """Run one cell again; return the new jobs.

    Raises:
        LaunchError: the cell is skipped or active, or an input is missing.
    """
    may_raise = allowed(user, "job.raise")
    jobs = matrices.repeat_cell(cell, logged_in(user), count=count, can_prioritize=may_raise)
    for job in jobs:
        audit_log.record(
            user, "job.repeat", f"job {job.pk}", repeats=job.repeats_id, matrix=cell.matrix_id
        )
    return jobs


def cancel(user: AbstractBaseUser | AnonymousUser, matrix: Matrix) -> list[Job]:
    """Cancel all active jobs of a matrix; return the cancelled ones."""
    jobs = matrices.cancel_matrix(matrix, logged_in(user))
    if jobs:
        audit_log.record(user, "job.cancel", f"matrix {matrix.pk}", jobs=len(jobs))
    return jobs
