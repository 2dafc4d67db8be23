"""Jobs and what they leave behind: steps, files, points, assets; preflights and matrices."""

import uuid
from collections.abc import Iterable
from typing import Any, ClassVar

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint, Value
from django.db.models.functions import Concat, Lower
from django.utils.timezone import now

from jobs.models.hosts import USER, Host


def searched_words(*fields: str) -> models.GeneratedField:
    """Column of a row's own words in lower case: see ``jobs.queries.text_search``."""
    parts = [part for name in fields for part in (F(name), Value(" "))]
    return models.GeneratedField(
        expression=Lower(Concat(*parts[:-1])), output_field=models.TextField(), db_persist=True
    )


class StoredRecord(models.Model):
    """A record with a log of its own. ``stored_bytes``: size of its files; None: to be measured."""

    stored_bytes = models.BigIntegerField(null=True)

    class Meta:
        abstract = True

    @property
    def log_key(self) -> str:
        """Key in the log store: "job/17"."""
        return f"{self._meta.model_name}/{self.pk}"


class Retained(StoredRecord):
    """A record whose files may be removed. ``removed_at`` is written before the first file goes, so
    that no page shows half of it; ``stored_bytes`` is None until the last one is gone."""

    class Why(models.TextChoices):
        AGE = "age"
        SIZE = "size"
        PERSON = "person"

    removed_at = models.DateTimeField(null=True)
    removed_why = models.CharField(max_length=16, choices=Why, blank=True)
    removed_args = models.JSONField(default=dict)  # the limit, or who did it
    removed_bytes = models.BigIntegerField(default=0)  # as they lay on the disk

    class Meta:
        abstract = True


class Reported(Retained):
    """A job or a server that a host reports on: its last message, and the bytes received."""

    message_id = models.CharField(max_length=64, blank=True)
    message_args = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=now)
    claim_token = models.UUIDField(default=uuid.uuid4, editable=False)  # fences off earlier claims
    seen_at = models.DateTimeField(null=True)  # last heartbeat that named it
    missing_since = models.DateTimeField(null=True)  # its host answers, without it
    # Received bytes of the host's streams.
    log_bytes = models.BigIntegerField(default=0)
    events_bytes = models.BigIntegerField(default=0)
    points_bytes = models.BigIntegerField(default=0)
    progress = models.JSONField(null=True)  # {"done": float, "total": float, "unit": str}

    class Meta:
        abstract = True


# Between two jobs of one second fit thirty others, each put between the last two.
PLACES_A_SECOND = 1 << 30


def last_place() -> int:
    """Return a place in a host's queue behind all that were given before."""
    return int(now().timestamp() * PLACES_A_SECOND)


class Job(Reported):
    """One run of one kind of work on a host.

    State changes only through ``jobs.schedule.lifecycle``, and only forward::

        queued -> starting -> running -> succeeded | failed | errored | cancelled | lost

    *failed*: the work failed. *errored*: the dashboard failed. *lost*: outcome unknown.
    Each change stores a message of ``dashboard.text.messages`` and what fills it.
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
        URGENT = 0
        NORMAL = 1
        LOW = 2

    # The order in which jobs wait for their host: see ``jobs.schedule.queue``.
    QUEUE_ORDER: ClassVar = ("priority", "place", "pk")
    OPEN_STATES: ClassVar = (State.QUEUED, State.STARTING, State.RUNNING)
    ON_HOST_STATES: ClassVar = (State.STARTING, State.RUNNING)
    BROKEN_STATES: ClassVar = (State.FAILED, State.ERRORED, State.LOST)
    UNSUCCESSFUL_STATES: ClassVar = (*BROKEN_STATES, State.CANCELLED)

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
    after = models.ManyToManyField("self", symmetrical=False, related_name="before", blank=True)
    chain = models.UUIDField(null=True)  # jobs created together: a pipeline, or a matrix
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.NORMAL)
    # Its place among queued jobs of its priority: people take turns, and move jobs.
    place = models.BigIntegerField(default=last_place)
    exclusive = models.BooleanField(default=False)  # starts when nothing else runs, and alone
    model_id = models.CharField(max_length=100, blank=True)  # the catalogue's, where it has one
    repeats = models.ForeignKey("self", models.SET_NULL, null=True, related_name="repeated_by")
    resumed = models.BooleanField(default=False)  # it takes over the answers of ``repeats``
    created_by = models.ForeignKey(USER, models.SET_NULL, null=True, related_name="jobs")
    dispatched_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    duration_s = models.FloatField(null=True)  # by the host's monotonic clock
    cancel_asked_at = models.DateTimeField(null=True)
    cancelled_by = models.ForeignKey(USER, models.SET_NULL, null=True, related_name="+")
    # Findings of its host that a person must confirm before it starts, and confirmed ones:
    # jobs.schedule.preflights.
    needs_confirmation = models.JSONField(default=list)
    confirmed = models.JSONField(default=list)
    # Differences of the plan from the guide: jobs.kinds.lib.guide.
    guide = models.JSONField(default=dict)
    claim_id = models.CharField(max_length=64, blank=True)  # the host's own nonce
    claimed_at = models.DateTimeField(null=True)
    log_sha256 = models.CharField(max_length=64, blank=True)
    points_refused = models.BooleanField(default=False)  # they broke the protocol; no more come
    # The host's "ended" event, stored until log and outputs are complete.
    ended = models.JSONField(null=True)
    # Load of its host while it runs: jobs.services.intake.heartbeats.
    host_load = models.JSONField(default=dict)
    # Counts of an evaluation so far: jobs.services.intake.streams.
    scores = models.JSONField(null=True)
    # Set: log and files stay at any age and size, see jobs.services.upkeep.retention.
    pinned_at = models.DateTimeField(null=True)
    pinned_by = models.ForeignKey(USER, models.SET_NULL, null=True, related_name="+")
    unpinned_at = models.DateTimeField(null=True)
    search = searched_words("title", "kind")

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [
            Index(fields=["state", "-created_at", "-id"], name="job_by_state"),
            Index(fields=["kind", "-created_at", "-id"], name="job_by_kind"),
            Index(fields=["host", "-created_at", "-id"], name="job_by_host"),
            Index(fields=["created_by", "-created_at", "-id"], name="job_by_person"),
            Index(fields=["host", "state", "priority", "place", "id"], name="job_in_queue"),
            Index(fields=["state", "-finished_at", "-id"], name="job_by_state_ended"),
            Index(fields=["host", "-finished_at", "-id"], name="job_by_host_ended"),
            # With all that a text is searched in, so that no row is read for it.
            Index(
                fields=["-created_at", "-id", "search", "host", "created_by"], name="job_by_text"
            ),
            # The newest of a group stands for it in lists.
            Index(
                fields=["chain", "id"],
                name="job_in_group",
                condition=Q(chain__isnull=False),
            ),
            Index(
                fields=["-created_at", "-id"],
                name="job_pinned",
                condition=Q(pinned_at__isnull=False),
            ),
            Index(
                fields=["finished_at", "id"],
                name="job_to_remove",
                condition=Q(stored_bytes__gt=0, pinned_at=None),
            ),
            # With all that is summed, so that no row is read for it.
            Index(
                fields=["-stored_bytes", "-id", "points_bytes", "finished_at"],
                name="job_by_size",
                condition=Q(stored_bytes__gt=0),
            ),
            Index(
                fields=["id"],
                name="job_to_measure",
                condition=Q(stored_bytes=None, finished_at__isnull=False),
            ),
        ]
        constraints: ClassVar = [
            CheckConstraint(
                name="job_finished_at_set_when_closed",
                condition=Q(state__in=["queued", "starting", "running"], finished_at=None)
                | ~Q(state__in=["queued", "starting", "running"]) & Q(finished_at__isnull=False),
            )
        ]

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN_STATES

    @classmethod
    def on(
        cls, hosts: Iterable[Host | int], states: Iterable[str]
    ) -> models.QuerySet["Job", "Job"]:
        """Jobs of these hosts in these states, in no order: sorted by date, SQLite would walk all
        jobs that a host has ever had."""
        return cls.objects.filter(host__in=hosts, state__in=states).order_by()

    @classmethod
    def in_states(cls, states: Iterable[str]) -> Q:
        """Filter of the few jobs in these states, found by their index first: of several states
        SQLite expects most of all jobs, and would walk them."""
        return Q(pk__in=cls.objects.filter(state__in=states).order_by().values("pk"))

    @classmethod
    def released(cls) -> Q:
        """Filter of jobs after which the next may start: see :attr:`is_released`."""
        measured = Q(product__isnull=True) & ~Q(state__in=cls.OPEN_STATES)
        return Q(state=cls.State.SUCCEEDED) | measured

    @property
    def is_released(self) -> bool:
        """True once jobs ``after`` this one may start: it succeeded, or it only came first (a
        measurement, which makes nothing that they need) and has ended."""
        return self.state == self.State.SUCCEEDED or (self.product is None and not self.is_open)

    @property
    def open_confirmations(self) -> list[dict[str, Any]]:
        """Preflight warnings that a person must confirm before the start."""
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
            UniqueConstraint(fields=["job", "index"], name="step_index_once_a_job")
        ]


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
            UniqueConstraint(fields=["job", "path"], name="output_path_once_a_job")
        ]

    @property
    def is_whole(self) -> bool:
        return self.received_bytes == self.bytes


class PointBlock(models.Model):
    """Points of one watch: ``rows`` is ``[[seconds since the epoch, {metric: value}], …]``.
    ``offset`` is where the block begins in the host's points file (bytes)."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="point_blocks")
    offset = models.BigIntegerField()
    watch = models.CharField(max_length=64)
    rows = models.JSONField()

    class Meta:
        ordering: ClassVar = ["job_id", "offset", "id"]
        constraints: ClassVar = [
            UniqueConstraint(fields=["job", "offset", "watch"], name="points_once_an_offset")
        ]


class Asset(models.Model):
    """Something on a host's disk, registered by the job that made it. ``details``: other facts."""

    host = models.ForeignKey(Host, models.CASCADE)
    job = models.ForeignKey(Job, models.SET_NULL, null=True)
    path = models.CharField(max_length=500)
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=now)

    class Meta:
        abstract = True
        ordering: ClassVar = ["-created_at", "-id"]


class Environment(Asset):
    """Environment of a tool: a virtual one, or a docker image ("image:vllm_vacc"), whose ``path``
    is its name. ``fingerprint``: of its pinned requirements, or the image's id."""

    name = models.CharField(max_length=64)  # "llama.cpp", "evalscope"
    fingerprint = models.CharField(max_length=64)
    versions = models.JSONField(default=dict)

    class Meta(Asset.Meta):
        constraints: ClassVar = [
            UniqueConstraint(fields=["host", "name", "fingerprint"], name="environment_once_a_host")
        ]


class Weights(Asset):
    """A model's weights, checked. ``precision`` is that of the file: Q4_1, BF16 …"""

    model_id = models.CharField(max_length=100)  # an id of the catalogue
    precision = models.CharField(max_length=16)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)

    class Meta(Asset.Meta):
        constraints: ClassVar = [
            UniqueConstraint(fields=["host", "model_id", "path"], name="weights_once_a_host")
        ]


class Artifact(Asset):
    """Output of a compile. ``label``: the precision with its source, as shown: "Q8_0 from Q4_1"."""

    model_id = models.CharField(max_length=100)
    toolchain = models.CharField(max_length=32)
    precision = models.CharField(max_length=16)  # as asked for: fp16, int8
    label = models.CharField(max_length=64)
    source_precision = models.CharField(max_length=16)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    deleted_at = models.DateTimeField(null=True)


class Dataset(Asset):
    """Data to calibrate, measure or evaluate with, checked. ``files`` counts them."""

    name = models.CharField(max_length=64)  # "c4", "opencompass"
    files = models.PositiveIntegerField()
    bytes = models.BigIntegerField()

    class Meta(Asset.Meta):
        constraints: ClassVar = [
            UniqueConstraint(fields=["host", "name", "path"], name="dataset_once_a_host")
        ]


class Preflight(models.Model):
    """One question to a host: do the checks of this plan hold? ``job`` is null for a form's."""

    host = models.ForeignKey(Host, models.CASCADE, related_name="preflights")
    job = models.ForeignKey(Job, models.CASCADE, null=True, related_name="preflights")
    plan = models.JSONField()
    plan_sha256 = models.CharField(max_length=64)
    values = models.JSONField(default=dict)  # slots whose values are known
    asked_at = models.DateTimeField(default=now)
    asked_by = models.ForeignKey(USER, models.SET_NULL, null=True)
    done_at = models.DateTimeField(null=True)
    # [{"name", "level": ok|warn|failed|unknown, "message_id", "message_args"}], in plan order.
    findings = models.JSONField(default=list)

    class Meta:
        ordering: ClassVar = ["-asked_at", "-id"]
        indexes: ClassVar = [
            Index(fields=["host"], name="preflight_open", condition=Q(done_at=None)),
            Index(fields=["plan_sha256", "host"], name="preflight_of_plan"),
        ]


class Matrix(models.Model):
    """Benchmark jobs that fill one table. ``spec``: a ``jobs.launch.matrices.MatrixSpec``;
    ``chain``: that of its jobs."""

    title = models.CharField(max_length=200)
    kind = models.CharField(max_length=32)  # a key of jobs.kinds.KINDS
    host = models.ForeignKey(Host, models.PROTECT, related_name="matrices")
    model_id = models.CharField(max_length=100, blank=True)
    spec = models.JSONField()
    chain = models.UUIDField(default=uuid.uuid4, unique=True)
    created_by = models.ForeignKey(USER, models.SET_NULL, null=True, related_name="matrices")
    created_at = models.DateTimeField(default=now)
    # Set: lost cells are not run again automatically.
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]


class MatrixCell(models.Model):
    """One run of one cell. A skipped cell has a reason and no run. ``repeat`` counts from 1;
    ``WARM_UP`` is an additional run before all others, which does not count. ``job`` is the last
    attempt; earlier ones are in the chain of ``Job.repeats``."""

    WARM_UP: ClassVar = 0

    matrix = models.ForeignKey(Matrix, models.CASCADE, related_name="cells")
    row = models.PositiveSmallIntegerField()
    column = models.PositiveSmallIntegerField()
    repeat = models.PositiveSmallIntegerField(default=1)
    place = models.PositiveSmallIntegerField()  # order of the start
    input_tokens = models.PositiveIntegerField(null=True)  # null: the prompts have their own
    output_tokens = models.PositiveIntegerField()
    concurrency = models.PositiveIntegerField()
    job = models.OneToOneField(Job, models.SET_NULL, null=True, related_name="cell")
    skip_id = models.CharField(max_length=64, blank=True)  # a message; "": not skipped
    skip_args = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["matrix_id", "place", "id"]
        constraints: ClassVar = [
            UniqueConstraint(fields=["matrix", "row", "column", "repeat"], name="matrix_cell_once")
        ]
