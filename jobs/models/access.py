"""Identity of this dashboard, access to its API, and the audit log."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.timezone import now


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


class AuditEntry(models.Model):
    """One change that a person made: who, what, to which object."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    action = models.CharField(max_length=50)  # a name of dashboard.security.permissions
    subject = models.CharField(max_length=100)  # e.g. "job 17"
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(default=now, db_index=True)

    class Meta:
        ordering: ClassVar = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
