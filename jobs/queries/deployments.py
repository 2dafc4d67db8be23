"""What the pages about deployments show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery

from jobs.models import Deployment, DeploymentEvent, Result

LISTED = 100
_EVENTS = 50
_RESULTS = 20


@dataclass(frozen=True, slots=True)
class DeploymentPage:
    """One deployment: its history, and what was measured on it, newest first."""

    deployment: Deployment
    events: Sequence[DeploymentEvent]
    results: Sequence[Result]


def deployments(*, only_live: bool) -> Sequence[Deployment]:
    """Deployments, newest first, at most ``LISTED``; those that ended are left out on wish."""
    found = _all()
    if only_live:
        found = found.filter(state__in=(Deployment.State.WAITING, *Deployment.LIVE_STATES))
    return list(found[:LISTED])


def deployment_page(deployment_id: int) -> DeploymentPage:
    """Everything on the page of one. Raises ``Deployment.DoesNotExist``."""
    deployment = _all().get(pk=deployment_id)
    return DeploymentPage(
        deployment,
        list(DeploymentEvent.objects.filter(deployment=deployment)[:_EVENTS]),
        list(Result.objects.filter(deployment=deployment).select_related("host")[:_RESULTS]),
    )


def _all() -> QuerySet[Deployment]:
    """All, each with ``changed_at``: since when it is in its state; None where nothing tells."""
    events = DeploymentEvent.objects.filter(deployment=OuterRef("pk"), state=OuterRef("state"))
    return Deployment.objects.select_related("host", "artifact", "job", "created_by").annotate(
        changed_at=Subquery(events.values("at")[:1])
    )
