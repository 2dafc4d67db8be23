"""Jobs and what they leave behind."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from jobs.models.hosts import Host
from jobs.models.retained import Retained

# Between two jobs of one second fit thirty others, each put between the last two.
PLACES_A_SECOND = 1 << 30


def place_of(moment: datetime) -> int:
    """The place in its host's line of a job that is made at ``moment``: behind all older ones."""
    return int(moment.timestamp() * PLACES_A_SECOND)


def last_place() -> int:
    """The place of a job that is made now."""
    return place_of(now())


class Job(Retained):
    """One run of one kind of work on a host.

    State changes only through ``jobs.schedule.lifecycle``, and only forward::

        queued -> starting -> running -> succeeded | failed | errored | cancelled | lost

    *failed*: the work failed. *errored*: the dashboard failed. *lost*: outcome unknown.
    Each change stores a message: ``message_id`` names it (``dashboard.text.messages``),
    ``message_args`` fill it.
    """

    class State(models.TextChoices):
        QUEUED = "queued"
        STARTING = "starting"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        ERRORED = "errored"
        CANCELLED = "cancelled"
        LOST = "lost"

    class Priority(models.IntegerChoices):
        """Order of jobs on their host. Names in APIs and commands are in small letters."""

        URGENT = 0
        NORMAL = 1
        LOW = 2

    # The order in which jobs wait for their host: see ``jobs.schedule.queue``.
    QUEUE_ORDER: ClassVar = ("priority", "place", "pk")
    OPEN_STATES: ClassVar = (State.QUEUED, State.STARTING, State.RUNNING)
    ON_HOST_STATES: ClassVar = (State.STARTING, State.RUNNING)

    kind = models.CharField(max_length=32)  # a key of jobs.kinds.KINDS
    title = models.CharField(max_length=200)  # what it works on: "SmolLM2-135M, int8"
    params = models.JSONField(default=dict)  # validated by the kind's Params class
    host = models.ForeignKey(Host, models.PROTECT, related_name="jobs")
    plan = models.JSONField(default=dict)  # jobs.plans.Plan.to_json(), as previewed
    plan_sha256 = models.CharField(max_length=64)
    values = models.JSONField(default=dict)  # slot name -> value, as filled
    # Assets that the plan's slots come from: {"artifact": {"id": 3}} or {"artifact": {"job": 17}}.
    inputs = models.JSONField(default=dict)
    # Product of a success: {"type": "artifact", ...}; null for kinds that make a result.
    product = models.JSONField(null=True)
    made = models.JSONField(null=True)  # the product as registered, with its tool's measurements
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    message_id = models.CharField(max_length=64, blank=True)
    message_args = models.JSONField(default=dict)
    after = models.ManyToManyField("self", symmetrical=False, related_name="before", blank=True)
    chain = models.UUIDField(null=True, db_index=True)  # jobs created together
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.NORMAL)
    # Its place among queued jobs of its priority: given by age, moved by people.
    place = models.BigIntegerField(default=last_place)
    exclusive = models.BooleanField(default=False)  # starts when nothing else runs, and alone
    model_id = models.CharField(max_length=100, blank=True)  # the catalogue's, where it has one
    repeats = models.ForeignKey("self", models.SET_NULL, null=True, related_name="repeated_by")
    resumed = models.BooleanField(default=False)  # it takes over the answers of ``repeats``
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="jobs"
    )
    created_at = models.DateTimeField(default=now)
    dispatched_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    duration_s = models.FloatField(null=True)  # by the host's monotonic clock
    cancel_asked_at = models.DateTimeField(null=True)
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    # Findings of its host that a person must confirm before it starts, and confirmed ones:
    # jobs.schedule.confirmations.
    needs_confirmation = models.JSONField(default=list)
    confirmed = models.JSONField(default=list)
    # Differences of the plan from the guide: jobs.kinds.lib.guide_diff.
    guide = models.JSONField(default=dict)
    # The claim: fencing between a host and this job.
    claim_token = models.UUIDField(default=uuid.uuid4, editable=False)
    claim_id = models.CharField(max_length=64, blank=True)  # the host's own nonce
    claimed_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)  # last heartbeat that named this job
    missing_since = models.DateTimeField(null=True)  # its host answers, without this job
    # Received bytes of the host's streams.
    log_bytes = models.BigIntegerField(default=0)
    log_sha256 = models.CharField(max_length=64, blank=True)
    events_bytes = models.BigIntegerField(default=0)
    points_bytes = models.BigIntegerField(default=0)
    points_refused = models.BooleanField(default=False)  # they broke the protocol; no more come
    # The host's "ended" event, stored until log and outputs are complete.
    ended = models.JSONField(null=True)
    progress = models.JSONField(null=True)  # {"done": float, "total": float, "unit": str}
    # Load of its host while it runs: jobs.services.host_load.
    host_load = models.JSONField(default=dict)
    # Counts of an evaluation so far: jobs.services.intake.scores.
    scores = models.JSONField(null=True)
    # Set: log and files stay at any age and size, see jobs.services.pins.
    pinned_at = models.DateTimeField(null=True)
    pinned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    unpinned_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["state", "-created_at", "-id"], name="job_by_state"),
            models.Index(fields=["kind", "-created_at", "-id"], name="job_by_kind"),
            models.Index(fields=["host", "-created_at", "-id"], name="job_by_host"),
            models.Index(fields=["created_by", "-created_at", "-id"], name="job_by_person"),
            models.Index(fields=["host", "state", "priority", "place", "id"], name="job_in_queue"),
            models.Index(fields=["-created_at", "-id"], name="job_by_age"),
            models.Index(
                fields=["-created_at", "-id"],
                name="job_pinned",
                condition=Q(pinned_at__isnull=False),
            ),
            models.Index(
                fields=["finished_at", "id"],
                name="job_to_remove",
                condition=Q(stored_bytes__gt=0, pinned_at=None),
            ),
            # With all that is summed, so that no row is read for it.
            models.Index(
                fields=["-stored_bytes", "-id", "points_bytes", "finished_at"],
                name="job_by_size",
                condition=Q(stored_bytes__gt=0),
            ),
            models.Index(
                fields=["id"],
                name="job_to_measure",
                condition=Q(stored_bytes=None, finished_at__isnull=False),
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="job_finished_at_set_when_closed",
                condition=Q(state__in=["queued", "starting", "running"], finished_at=None)
                | ~Q(state__in=["queued", "starting", "running"]) & Q(finished_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk} ({self.state})"

    @property
    def is_open(self) -> bool:
        """True while the job may still change."""
        return self.state in self.OPEN_STATES

    @classmethod
    def released(cls) -> models.Q:
        """Return the filter of jobs after which the next may start: see :attr:`is_released`."""
        measured = models.Q(product__isnull=True) & ~models.Q(state__in=cls.OPEN_STATES)
        return models.Q(state=cls.State.SUCCEEDED) | measured

    @property
    def is_released(self) -> bool:
        """True once jobs ``after`` this one may start: it succeeded, or it only came first (a
        measurement, which makes nothing that they need) and has ended."""
        return self.state == self.State.SUCCEEDED or (self.product is None and not self.is_open)

    @property
    def open_confirmations(self) -> list[dict[str, Any]]:
        """Return the preflight warnings that a person must confirm before the start."""
        return list(self.needs_confirmation) if self.state == self.State.QUEUED else []


class JobStep(models.Model):
    """One step of a job's plan, as it went. Made for every step when the job is created."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="steps")
    index = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=64)
    started_at = models.DateTimeField(null=True)  # by the host's clock
    duration_s = models.FloatField(null=True)
    exit_code = models.IntegerField(null=True)  # negative: ended by that signal
    log_from = models.BigIntegerField(null=True)  # byte offsets in the job's log
    log_to = models.BigIntegerField(null=True)

    class Meta:
        ordering: ClassVar = ["job_id", "index"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "index"], name="step_index_once_a_job")
        ]

    def __str__(self) -> str:
        return f"{self.name} of job {self.job_id}"


class OutputFile(models.Model):
    """A file that a job left, kept under ``DATA_DIR/outputs/<job>/<path>``."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="outputs")
    name = models.CharField(max_length=64)  # the plan's Output.name
    path = models.CharField(max_length=400)  # relative to the job's work folder
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    received_bytes = models.BigIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["job_id", "path"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "path"], name="output_path_once_a_job")
        ]

    def __str__(self) -> str:
        return self.path

    @property
    def is_whole(self) -> bool:
        """True when every byte has arrived."""
        return self.received_bytes == self.bytes


class PointBlock(models.Model):
    """Points of one watch: ``rows`` is ``[[seconds since the epoch, {metric: value}], …]``.

    ``offset`` is where the block begins in the host's points file (bytes).
    """

    job = models.ForeignKey(Job, models.CASCADE, related_name="point_blocks")
    offset = models.BigIntegerField()
    watch = models.CharField(max_length=64)
    rows = models.JSONField()

    class Meta:
        ordering: ClassVar = ["job_id", "offset", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "offset", "watch"], name="points_once_an_offset")
        ]

    def __str__(self) -> str:
        return f"{len(self.rows)} points of {self.watch}, job {self.job_id}"
