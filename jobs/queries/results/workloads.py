"""Workloads of own results, to declare an import equal to one."""

from __future__ import annotations

from django.db.models import Max

from jobs.models import Result

MOST = 50


def own_workloads() -> list[str]:
    """Return the names of the latest workloads of own results, newest first."""
    rows = Result.objects.filter(imported=None).exclude(what="").order_by()
    found = rows.values("what").annotate(newest=Max("created_at")).order_by("-newest")
    return [row["what"] for row in found[:MOST]]
