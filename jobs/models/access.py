"""Identity of this dashboard, access to its API, and the audit log."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC
from typing import Any, ClassVar

from django.conf import settings
from django.db import models, transaction
from django.utils.timezone import now

from jobs.base.errors import JobsError


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

    Django's ``is_staff`` follows it, and nothing reads ``is_staff``.
    """

    class Role(models.TextChoices):
        VIEWER = "viewer"
        MEMBER = "member"
        ADMIN = "admin"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="account"
    )
    role = models.CharField(max_length=16, choices=Role, default=Role.VIEWER)

    def __str__(self) -> str:
        return f"{self.user}: {self.role}"


class ApiToken(models.Model):
    """A person's key to the API. Only its SHA-256 is kept; the token is shown once.

    ``scope`` bounds what its user may do with it: :func:`dashboard.security.permissions.allowed`.
    """

    class Scope(models.TextChoices):
        READ = "read"
        LAUNCH = "launch"
        ADMIN = "admin"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
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
        """Return True if the token has expired."""
        return self.expires_at is not None and self.expires_at <= now()


class AppendOnlyError(JobsError):
    """Attempt to change or delete a row of a table that is only added to."""

    id = "internal:append_only"


def _refuse(*args: Any, **kwargs: Any) -> Any:
    """Refuse a change of rows that are only added.

    Raises:
        AppendOnlyError: always.
    """
    raise AppendOnlyError("entries of the audit log are never changed or deleted")


class AppendOnlyQuerySet(models.QuerySet["AuditEntry"]):
    """Rows that are added one by one, and read. Only a database shell goes around this."""

    update = aupdate = _update = _refuse
    bulk_create = abulk_create = bulk_update = abulk_update = _refuse
    update_or_create = aupdate_or_create = _refuse
    delete = adelete = _raw_delete = _refuse


class AuditEntry(models.Model):
    """One act of a person, a host or a stranger: who, what, on which object, from where.

    Entries are only added. Their numbers are their order. ``digest`` covers the entry and the
    digest before it, so a changed or missing entry breaks the chain (``jobs.queries.audit``).
    ``origin``: address of the request, "manage.py" for a command on the server, "" if unknown.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True)
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
            models.Index(fields=["user", "-at", "-id"], name="audit_by_person"),
            models.Index(fields=["action", "-at", "-id"], name="audit_by_action"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the entry.

        Raises:
            AppendOnlyError: it is stored already.
        """
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
        """Return the SHA-256 of the entry as it follows the entry with the digest ``previous``."""
        said = (self.user_id, self.action, self.subject, self.detail, self.origin)
        moment = self.at.astimezone(UTC).isoformat()
        text = json.dumps([previous, moment, *said], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
