"""Deployments: servers that outlive the job that started them."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from jobs.base import engine_addresses
from jobs.models.assets import Artifact
from jobs.models.hosts import Host
from jobs.models.jobs import Job
from jobs.models.retained import Retained
from jobs.models.sources import Source


class Deployment(Retained):
    """A model behind an OpenAI-compatible API.

    ``state`` changes only through ``jobs.schedule.deployments``. ``run`` counts the starts of its
    server: a restart is the next run, with the same plan. ``details`` is what its kind of job knows
    of it: stack, engine, container, tp, limits, the tokenizer's folder, the name of its API key.
    """

    class State(models.TextChoices):
        WAITING = "waiting"  # its job has not started the server yet
        LOADING = "loading"
        READY = "ready"
        UNHEALTHY = "unhealthy"
        STOPPING = "stopping"
        STOPPED = "stopped"
        FAILED = "failed"
        LOST = "lost"

    LIVE_STATES: ClassVar = (State.LOADING, State.READY, State.UNHEALTHY, State.STOPPING)
    ENDED_STATES: ClassVar = (State.STOPPED, State.FAILED, State.LOST)

    name = models.CharField(max_length=100)  # also the served model name
    host = models.ForeignKey(Host, models.PROTECT, related_name="deployments")
    job = models.OneToOneField(Job, models.CASCADE, related_name="deployment")
    artifact = models.ForeignKey(Artifact, models.SET_NULL, null=True, related_name="deployments")
    model_id = models.CharField(max_length=100)
    details = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    message_id = models.CharField(max_length=64, blank=True)
    message_args = models.JSONField(default=dict)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="deployments"
    )
    created_at = models.DateTimeField(default=now)
    ready_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)
    host_url = models.CharField(max_length=200, blank=True)  # as its host sees it, no path
    dashboard_url = models.CharField(max_length=200, blank=True)  # as the dashboard sees it
    run = models.PositiveIntegerField(default=1)
    wanted = models.BooleanField(default=True)  # False: people want it stopped
    claim_token = models.UUIDField(default=uuid.uuid4, editable=False)
    seen_at = models.DateTimeField(null=True)
    missing_since = models.DateTimeField(null=True)
    log_bytes = models.BigIntegerField(default=0)
    log_from = models.BigIntegerField(default=0)  # where in its log the present run begins
    progress = models.JSONField(null=True)  # of its loading, as a job's
    events_bytes = models.BigIntegerField(default=0)
    points_bytes = models.BigIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [models.Index(fields=["state", "-created_at"], name="dep_by_state")]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"

    @property
    def url_to_call(self) -> str:
        """Return the URL at which the dashboard may call the server; "" for none."""
        return self.callable_url(self.host, engine_addresses.parse(self.dashboard_url))

    @staticmethod
    def callable_url(host: Host, at: engine_addresses.Endpoint | None) -> str:
        """Return the URL of a server of ``host`` if the dashboard may call it; otherwise ""."""
        found = engine_addresses.special(at.ip) if at else engine_addresses.NO_MACHINE
        if at is None or found == engine_addresses.NO_MACHINE:
            return ""
        is_allowed = engine_addresses.is_callable(found, on_this_machine=host.is_on_this_machine)
        return str(at) if is_allowed or Source.names(at) else ""

    @property
    def is_open(self) -> bool:
        """True while its server runs or is to be started; after a restart it is again."""
        return self.state not in self.ENDED_STATES


class DeploymentEvent(models.Model):
    """One change of a deployment's state."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="events")
    run = models.PositiveIntegerField()
    state = models.CharField(max_length=16, choices=Deployment.State)
    message_id = models.CharField(max_length=64, blank=True)
    message_args = models.JSONField(default=dict)
    at = models.DateTimeField(default=now)

    class Meta:
        ordering: ClassVar = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.deployment_id}: {self.state}"


class ServedBlock(models.Model):
    """Metrics that a deployment's server reported, one watch: ``rows`` as in ``PointBlock``.

    ``until`` is the time of the last row, by our clock. Blocks are dropped after a day
    (``jobs.services.intake.points``).
    """

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="blocks")
    watch = models.CharField(max_length=64)
    rows = models.JSONField()
    until = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["deployment_id", "until", "id"]
        indexes: ClassVar = [
            models.Index(fields=["deployment", "until"], name="served_by_deployment"),
            models.Index(fields=["until"], name="served_by_age"),
        ]

    def __str__(self) -> str:
        return f"{len(self.rows)} points of {self.watch}, deployment {self.deployment_id}"
