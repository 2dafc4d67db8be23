"""Engines: deployments, which outlive their job, and endpoints; chats with them."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint
from django.utils.timezone import now

from jobs.base import engine_addresses
from jobs.models.access import Source
from jobs.models.hosts import USER, Host
from jobs.models.jobs import Artifact, Job, Reported, StoredRecord


class Endpoint(models.Model):
    """An engine at a web address, which jobs measure and nobody here starts or stops. ``url`` ends
    before ``/v1``. ``api_key`` names a secret. ``device`` is in words ("8 × H800"). ``engine`` and
    ``engine_version`` are what a person stated; ``found`` is of the last answered check:
    ``{"models", "engine", "version", "max_context", "has_counters"}``. ``check_id`` and
    ``check_args``: message of the last check."""

    ANSWERS, SILENT = "endpoint:ok", "endpoint:silent"  # of ``check_id``

    name = models.CharField(max_length=100, unique=True)
    url = models.CharField(max_length=300)
    api_key = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=200)  # as the engine names it
    model_id = models.CharField(max_length=100, blank=True)  # an id of the catalogue
    device = models.CharField(max_length=100, blank=True)
    devices = models.PositiveIntegerField(null=True, blank=True)
    engine = models.CharField(max_length=64, blank=True)
    engine_version = models.CharField(max_length=64, blank=True)
    max_context = models.PositiveIntegerField(null=True, blank=True)  # tokens
    thinking_switch = models.CharField(max_length=32, blank=True, default="")  # of its template
    in_gateway = models.BooleanField(default=False)
    found = models.JSONField(default=dict)
    check_id = models.CharField(max_length=64, blank=True)
    check_args = models.JSONField(default=dict)
    checked_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(USER, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=now)
    archived_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def engine_name(self) -> str:
        """Found, else stated; "" if unknown."""
        return str(self.found.get("engine") or self.engine)

    @property
    def version(self) -> str:
        """Found, else stated; "" if unknown."""
        return str(self.found.get("version") or self.engine_version)

    @property
    def context(self) -> int | None:
        """Tokens of prompt and output together: stated, else found; None: unknown."""
        tokens = self.max_context or self.found.get("max_context")
        return int(tokens) if tokens else None

    @property
    def device_stated(self) -> dict[str, Any] | None:
        """The device as results keep it; None if nobody stated it."""
        return {"text": self.device, "count": self.devices} if self.device else None

    @property
    def is_answering(self) -> bool:
        return self.check_id == self.ANSWERS


class Deployment(Reported):
    """A model behind an OpenAI-compatible API. ``state`` changes only through
    ``jobs.schedule.deployments``. ``run`` counts the starts of its server: a restart is the next
    run, with the same plan. ``details`` is what its kind of job knows of it: stack, engine,
    container, tp, limits, the tokenizer's folder, the name of its API key."""

    class State(models.TextChoices):
        WAITING = "waiting"  # its job has not started the server yet
        LOADING = "loading"
        READY = "ready"
        UNHEALTHY = "unhealthy"
        STOPPING = "stopping"
        STOPPED = "stopped"
        FAILED = "failed"
        LOST = "lost"

    RUNNING_STATES: ClassVar = (State.LOADING, State.READY, State.UNHEALTHY)
    LIVE_STATES: ClassVar = (*RUNNING_STATES, State.STOPPING)
    UP_STATES: ClassVar = (State.WAITING, *LIVE_STATES)
    ENDED_STATES: ClassVar = (State.STOPPED, State.FAILED, State.LOST)

    name = models.CharField(max_length=100)  # also the served model name
    host = models.ForeignKey(Host, models.PROTECT, related_name="deployments")
    job = models.OneToOneField(Job, models.CASCADE, related_name="deployment")
    artifact = models.ForeignKey(Artifact, models.SET_NULL, null=True, related_name="deployments")
    model_id = models.CharField(max_length=100)
    details = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    created_by = models.ForeignKey(USER, models.SET_NULL, null=True, related_name="deployments")
    ready_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)
    host_url = models.CharField(max_length=200, blank=True)  # as its host sees it, no path
    dashboard_url = models.CharField(max_length=200, blank=True)  # as the dashboard sees it
    run = models.PositiveIntegerField(default=1)
    wanted = models.BooleanField(default=True)  # False: people want it stopped
    log_from = models.BigIntegerField(default=0)  # where in its log the present run begins

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [Index(fields=["state", "-created_at"], name="dep_by_state")]

    @property
    def url_to_call(self) -> str:
        """URL at which the dashboard may call the server; "" for none."""
        return self.callable_url(self.host, engine_addresses.parse(self.dashboard_url))

    @staticmethod
    def callable_url(host: Host, at: engine_addresses.EngineAddress | None) -> str:
        """URL of a server of ``host`` if the dashboard may call it; otherwise ""."""
        found = engine_addresses.special(at.ip) if at else engine_addresses.NO_MACHINE
        if at is None or found == engine_addresses.NO_MACHINE:
            return ""
        if engine_addresses.is_callable(found, on_this_machine=host.is_on_this_machine):
            return str(at)
        listed = Source.objects.filter(type=Source.Type.ENDPOINT, address=str(at))
        return str(at) if listed.exists() else ""

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


class ServedBlock(models.Model):
    """Metrics that a deployment's server reported, one watch: ``rows`` as in ``PointBlock``.
    ``until`` is the time of the last row, by our clock. Blocks are dropped after a day."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="blocks")
    watch = models.CharField(max_length=64)
    rows = models.JSONField()
    until = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["deployment_id", "until", "id"]
        indexes: ClassVar = [
            Index(fields=["deployment", "until"], name="served_by_deployment"),
            Index(fields=["until"], name="served_by_age"),
        ]


class Conversation(models.Model):
    """A chat of one person. ``deployment`` or ``endpoint`` was asked last."""

    user = models.ForeignKey(USER, models.CASCADE, related_name="conversations")
    deployment = models.ForeignKey(
        Deployment, models.SET_NULL, null=True, related_name="conversations"
    )
    endpoint = models.ForeignKey(Endpoint, models.SET_NULL, null=True, related_name="conversations")
    title = models.CharField(max_length=200, blank=True)
    params = models.JSONField(default=dict)  # temperature, top_p, max_tokens, system
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        ordering: ClassVar = ["-updated_at", "-id"]
        constraints: ClassVar = [
            CheckConstraint(
                condition=Q(deployment=None) | Q(endpoint=None), name="conversation_one_engine"
            )
        ]

    def __str__(self) -> str:
        return self.title or f"conversation {self.pk}"


class ChatTag(models.Model):
    """A word of its owner on a chat, once."""

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="tags")
    name = models.CharField(max_length=32)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            UniqueConstraint(fields=["name", "conversation"], name="tag_once_a_chat")
        ]


class ChatShare(models.Model):
    """A snapshot of a chat's shown branch, as :mod:`dashboard.chat.chat_file` writes it. Whoever is
    logged in and has its key reads it."""

    key = models.CharField(max_length=32, unique=True)
    user = models.ForeignKey(USER, models.CASCADE, related_name="chat_shares")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="shares")
    title = models.CharField(max_length=200)
    content = models.TextField()
    created_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]

    @classmethod
    def valid(cls) -> models.QuerySet["ChatShare"]:
        """Return the shares that have not expired."""
        return cls._default_manager.filter(expires_at__gt=now())


class Turn(StoredRecord):
    """A question and one attempt at its answer. The stream is in the log store, ``turn/<id>``.
    ``parent``: the turn before it, whose answer was sent back. Of the turns behind one parent, one
    is shown; those of one ``version`` have the same question. ``device``: hardware of the endpoint
    in words, as stated when it was asked. A turn that continues a cut answer begins with it.
    ``engine_type``: "" for a turn that was asked here; of an imported one that of its file."""

    class State(models.TextChoices):
        STREAMING = "streaming"
        DONE = "done"
        STOPPED = "stopped"
        FAILED = "failed"

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="turns")
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="next")
    index = models.PositiveIntegerField()  # number of turns before it
    attempt = models.PositiveIntegerField(default=0)  # of its index, in all branches
    version = models.PositiveIntegerField(default=0)
    is_shown = models.BooleanField(default=True)
    deployment = models.ForeignKey(Deployment, models.SET_NULL, null=True, related_name="turns")
    endpoint = models.ForeignKey(Endpoint, models.SET_NULL, null=True, related_name="turns")
    device = models.CharField(max_length=100, blank=True)
    engine_type = models.CharField(max_length=16, blank=True, default="")
    is_imported = models.BooleanField(default=False)
    prompt = models.TextField()
    request = models.JSONField(default=dict)  # the body that was sent
    state = models.CharField(max_length=16, choices=State, default=State.STREAMING)
    reasoning = models.TextField(blank=True)
    answer = models.TextField(blank=True)
    tool_calls = models.JSONField(default=list)  # [{"id", "name", "arguments": text of the model}]
    finish_reason = models.CharField(max_length=32, blank=True)
    error = models.TextField(blank=True)  # in the engine's words
    stats = models.JSONField(default=dict)  # ttft_ms, first_answer_ms, tokens_per_s, *_tokens
    created_at = models.DateTimeField(default=now)

    class Meta:
        ordering: ClassVar = ["conversation_id", "index", "attempt"]
        constraints: ClassVar = [
            UniqueConstraint(
                fields=["conversation", "index", "attempt"], name="turn_attempt_once_an_index"
            ),
            UniqueConstraint(
                fields=["parent"], condition=Q(is_shown=True), name="turn_shown_once_a_parent"
            ),
            UniqueConstraint(
                fields=["conversation"],
                condition=Q(is_shown=True, parent=None),
                name="turn_shown_first_once",
            ),
            CheckConstraint(
                condition=Q(deployment=None) | Q(endpoint=None), name="turn_one_engine"
            ),
        ]
        indexes: ClassVar = [
            Index(
                fields=["created_at", "stored_bytes"],
                name="turn_to_remove",
                condition=Q(stored_bytes__gt=0),
            ),
            Index(fields=["id"], name="turn_to_measure", condition=Q(stored_bytes=None)),
        ]
