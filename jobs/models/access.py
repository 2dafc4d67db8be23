"""Identity of this dashboard, access to it, audit log; secrets and sources that jobs may use."""

import hashlib
import json
import uuid
from datetime import UTC
from typing import Any, ClassVar

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.models import Index, UniqueConstraint
from django.utils.timezone import now

from jobs.base.errors import JobsError
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

    def __str__(self) -> str:
        return str(self.instance_id)


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

    user = models.ForeignKey(USER, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    token_sha256 = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=16, choices=Scope, default=Scope.ADMIN)
    created_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= now()


class AppendOnlyError(JobsError):
    """Attempt to change or delete a row of a table that is only added to."""

    id = "internal:append_only"


def _refuse(*args: Any, **kwargs: Any) -> Any:
    raise AppendOnlyError("entries of the audit log are never changed or deleted")


class AppendOnlyQuerySet(models.QuerySet["AuditEntry"]):
    """Rows that are added one by one, and read. Only a database shell goes around this."""

    update = aupdate = _update = _refuse
    bulk_create = abulk_create = bulk_update = abulk_update = _refuse
    update_or_create = aupdate_or_create = _refuse
    delete = adelete = _raw_delete = _refuse


class AuditEntry(models.Model):
    """One act of a person, a host or a stranger. Entries are only added; their numbers are their
    order. ``digest`` covers the entry and the digest before it, so a changed or missing entry
    breaks the chain (``jobs.queries.audit``). ``origin``: address of the request, "manage.py" for a
    command on the server, "" if unknown."""

    user = models.ForeignKey(USER, models.PROTECT, null=True, blank=True)
    action = models.CharField(max_length=50)
    subject = models.CharField(max_length=100)  # e.g. "job 17"
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(default=now, db_index=True)
    origin = models.CharField(max_length=64, default="", blank=True)
    digest = models.CharField(max_length=64, default="", editable=False)

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-at", "-id"]
        base_manager_name = "objects"
        indexes: ClassVar = [
            Index(fields=["user", "-at", "-id"], name="audit_by_person"),
            Index(fields=["action", "-at", "-id"], name="audit_by_action"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            _refuse()
        kwargs["force_insert"] = True  # a number that exists is an error, and no change
        with transaction.atomic():
            heads = Instance.objects.select_for_update().only("audit_head")
            head, _is_new = heads.get_or_create(pk=1)
            self.digest = self.digest_after(head.audit_head)
            super().save(*args, **kwargs)
            Instance.objects.filter(pk=1).update(audit_head=self.digest)

    delete = adelete = _refuse

    def digest_after(self, previous: str) -> str:
        """SHA-256 of the entry as it follows the entry with the digest ``previous``."""
        said = (self.user_id, self.action, self.subject, self.detail, self.origin)
        moment = self.at.astimezone(UTC).isoformat()
        text = json.dumps([previous, moment, *said], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


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

    @property
    def is_complete(self) -> bool:
        """False: stored by an earlier version, whose secrets had no purpose and no endpoints."""
        return self.purpose == self.Purpose.ENGINE or bool(self.purpose and self.endpoints)


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

    def __str__(self) -> str:
        return f"{self.type} {self.address}"
