"""Evaluations that a person may choose for a statement."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.models import Result

MOST = 50


def latest_evaluations() -> Sequence[Result]:
    """Return the latest evaluations, newest first."""
    rows = Result.objects.filter(type=Result.Type.EVALUATION).order_by("-created_at", "-id")
    return list(rows.select_related("deployment", "endpoint", "imported")[:MOST])
