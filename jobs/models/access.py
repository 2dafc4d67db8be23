"""Identity of this dashboard, access to it; secrets and sources that jobs may use."""

import uuid
from copy import copy
from typing import Any, ClassVar

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q, UniqueConstraint
from django.utils.timezone import now

from jobs.models.hosts import USER, Host


class Instance(models.Model):
    """This dashboard's identity: one row. Hosts refuse to mix spools of different instances."""

    instance_id = models.UUIDField(default=uuid.uuid4, editable=False)
    swept_at = models.DateTimeField(null=True)  # last round of the reaper, of any process
    # Start of the reaper's rounds: before, the dashboard may have been away, not a host.
    awake_since = models.DateTimeField(null=True)
    tidied_at = models.DateTimeField(null=True)  # last round of retention, of any process
    storage = models.JSONField(default=dict)  # what it counted: jobs.queries.storage.Count
    # Digest of the last entry of the audit log. Its row lock puts writers in order.
    audit_head = models.CharField(max_length=64, default="", blank=True)


class Account(models.Model):
    """A person's role: the one place that has it. Made with the user (``jobs.access.accounts``).
    Django's ``is_staff`` follows it, and nothing reads ``is_staff``."""

    class Role(models.TextChoices):
        VIEWER = "viewer"
        MEMBER = "member"
        ADMIN = "admin"

    user = models.OneToOneField(USER, models.CASCADE, primary_key=True, related_name="account")
    role = models.CharField(max_length=16, choices=Role, default=Role.VIEWER)


class ApiToken(models.Model):
    """A person's key to the API. Only its SHA-256 is kept; the token is shown once. ``scope``
    bounds what its user may do with it: :func:`dashboard.security.permissions.allowed`."""

    class Scope(models.TextChoices):
        READ = "read"
        LAUNCH = "launch"
        ADMIN = "admin"
        MODELS = "models"  # the gateway, and nothing else

    user = models.ForeignKey(USER, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    token_sha256 = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=16, choices=Scope, default=Scope.ADMIN)
    created_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    # Limits of a token of the scope *models*; None: no limit, no models: all of them.
    allowed_models = models.JSONField(default=list)
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True)
    token_budget = models.PositiveBigIntegerField(null=True, blank=True)
    tokens_used = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= now()

    @classmethod
    def valid(cls) -> models.QuerySet["ApiToken"]:
        """Return the tokens that have not expired."""
        return cls._default_manager.filter(Q(expires_at=None) | Q(expires_at__gt=now()))

    def caller(self, user: Any) -> Any:
        """Return ``user``, its owner, as one who calls with it: within its scope."""
        caller = copy(user)
        caller.token_scope, caller.token_id = self.scope, self.pk
        return caller


class GatewayUse(models.Model):
    """Requests and tokens of one key for one model in one hour. The rows outlive their key, whose
    name they keep. ``failed``: requests without a complete answer. ``held``: those that waited for
    the end of a benchmark. ``estimated_tokens``: those of ``completion_tokens`` that no engine
    counted, one for each piece of a cut stream."""

    token = models.ForeignKey(ApiToken, models.SET_NULL, null=True, related_name="use")
    token_name = models.CharField(max_length=100)
    user = models.ForeignKey(USER, models.CASCADE, related_name="+")
    model = models.CharField(max_length=200)
    hour = models.DateTimeField(db_index=True)
    requests = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    held = models.PositiveBigIntegerField(default=0)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    estimated_tokens = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["-hour", "model", "id"]
        constraints: ClassVar = [
            UniqueConstraint(fields=["token", "model", "hour"], name="gateway_use_once_an_hour")
        ]


class GatewayBesideJob(models.Model):
    """Requests of one key to an engine while a job measured it."""

    job = models.ForeignKey("Job", models.CASCADE, related_name="+")
    user = models.ForeignKey(USER, models.CASCADE, related_name="+")
    token_name = models.CharField(max_length=100)
    requests = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            UniqueConstraint(fields=["job", "user", "token_name"], name="gateway_beside_job_once")
        ]


class IdempotencyKey(models.Model):
    """One request that created jobs. ``key`` and ``request`` are SHA-256. ``answer``: address of
    the page, or body of the API's answer."""

    user = models.ForeignKey(USER, models.CASCADE, related_name="+")
    key = models.CharField(max_length=64)
    request = models.CharField(max_length=64)
    answer = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(default=now, db_index=True)

    class Meta:
        constraints: ClassVar = [
            UniqueConstraint(fields=["user", "key"], name="idempotency_key_once")
        ]


class Secret(models.Model):
    """A secret that jobs name. Its value is stored encrypted (``jobs.access.secret_keys``).
    ``endpoints``: URL prefixes to which commands may send it. An engine key without any may go to
    every deployment; a hub token or registry password needs one."""

    class Purpose(models.TextChoices):
        HUB = "hub"
        REGISTRY = "registry"
        ENGINE = "engine"

    name = models.CharField(max_length=64, unique=True)
    purpose = models.CharField(max_length=16, choices=Purpose, blank=True)  # "": unknown
    endpoints = models.JSONField(default=list)
    all_hosts = models.BooleanField(default=False)
    hosts = models.ManyToManyField(Host, related_name="+", blank=True)
    everyone = models.BooleanField(default=False)
    people = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", blank=True)
    encrypted = models.TextField()
    created_at = models.DateTimeField(default=now)
    set_at = models.DateTimeField(default=now)  # time of the present value

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Source(models.Model):
    """A place from which jobs may fetch code or data, or an engine that they may call, added by an
    administrator. ``address``: a URL, the name of an image, or OWNER/NAME@REVISION of a model on a
    hub; a prefix for some types (``jobs.access.sources``)."""

    class Type(models.TextChoices):
        GIT = "git"
        INDEX = "index"
        HUB = "hub"
        REVISION = "revision"
        IMAGE = "image"
        DATA = "data"
        ENDPOINT = "endpoint"

    type = models.CharField(max_length=16, choices=Type)
    address = models.CharField(max_length=300)
    note = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(USER, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=now)

    class Meta:
        ordering: ClassVar = ["type", "address"]
        constraints: ClassVar = [UniqueConstraint(fields=["type", "address"], name="source_once")]
