"""Identity of this dashboard, access to its API, and the audit log."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from jobs.errors import JobsError


class Instance(models.Model):
    """This dashboard's identity: one row. Hosts refuse to mix spools of different instances."""

    instance_id = models.UUIDField(default=uuid.uuid4, editable=False)
    swept_at = models.DateTimeField(null=True)  # last round of the reaper, of any process
    # Start of the reaper's rounds: before, the dashboard may have been away, not a host.
    awake_since = models.DateTimeField(null=True)
    tidied_at = models.DateTimeField(null=True)  # last round of retention, of any process
    storage = models.JSONField(default=dict)  # what it counted: jobs.queries.storage.Count

    def __str__(self) -> str:
        return str(self.instance_id)


class Account(models.Model):
    """A person's role: the one place that has it. Made with the user (``jobs.services.accounts``).

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
    """Rows that are added and read. Only a database shell goes around this."""

    update = aupdate = _update = _refuse
    bulk_update = abulk_update = _refuse
    update_or_create = aupdate_or_create = _refuse
    delete = adelete = _raw_delete = _refuse

    def bulk_create(self, *args: Any, **kwargs: Any) -> list[AuditEntry]:
        """Add entries, never in place of others."""
        if kwargs.get("update_conflicts"):
            _refuse()
        return super().bulk_create(*args, **kwargs)


class AuditEntry(models.Model):
    """One change that a person made: who, what, to which object, from where. Only added.

    ``origin``: address of the request, "manage.py" for a command on the server, "" if unknown.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True)
    # A name of dashboard.security.permissions, or account.login, account.password.
    action = models.CharField(max_length=50)
    subject = models.CharField(max_length=100)  # e.g. "job 17"
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(default=now, db_index=True)
    origin = models.CharField(max_length=64, default="", blank=True)

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
        super().save(*args, **kwargs)

    delete = adelete = _refuse
