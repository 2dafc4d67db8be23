"""Evaluations that a person may choose for a statement."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q

from jobs.models import Result

MOST = 50


def latest_evaluations() -> Sequence[Result]:
    """Return the latest evaluations, newest first."""
    rows = Result.objects.filter(type=Result.Type.EVALUATION).order_by("-created_at", "-id")
    return list(rows.select_related("deployment", "endpoint", "imported")[:MOST])


def results_of(
    jobs: Sequence[int], imports: Sequence[int]
) -> tuple[dict[int, Result], dict[int, Result]]:
    """Return results by number of their job, and by number of their import."""
    wanted = Result.objects.filter(Q(job__in=jobs) | Q(imported__in=imports))
    found = list(wanted.only("pk", "job_id", "imported_id"))
    of_jobs = {row.job_id: row for row in found if row.job_id is not None}
    return of_jobs, {row.imported_id: row for row in found if row.imported_id is not None}
