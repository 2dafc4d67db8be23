"""Engines that a greedy probe compared."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from jobs.models import Deployment, Endpoint, Job
from jobs.plans import ENGINES


@dataclass(frozen=True, slots=True)
class Side:
    """Engine of a probe: "deployment" or "reference". Both records None: removed."""

    name: str
    deployment: Deployment | None = None
    endpoint: Endpoint | None = None

    @property
    def title(self) -> str:
        """Name of the engine; "" where its record is gone."""
        record = self.deployment or self.endpoint
        return record.name if record else ""


def sides_of(job: Job) -> tuple[Side, ...]:
    """Return both engines in the order of the form."""
    return tuple(_side(job, name) for name in ENGINES)


def _side(job: Job, name: str) -> Side:
    ref = job.inputs.get(name) or {}
    if ref.get("endpoint"):
        return Side(name, endpoint=Endpoint.objects.filter(pk=ref["endpoint"]).first())
    wanted = Q(pk=ref["id"]) if ref.get("id") else Q(job_id=ref.get("job") or 0)
    return Side(name, deployment=Deployment.objects.filter(wanted).first())
