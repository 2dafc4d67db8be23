"""Preflight of a plan on its host, before it runs."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from jobs.models.hosts import Host
from jobs.models.jobs import Job


class Preflight(models.Model):
    """One question to a host: do the checks of this plan hold? ``job`` is null for a form's."""

    host = models.ForeignKey(Host, models.CASCADE, related_name="preflights")
    job = models.ForeignKey(Job, models.CASCADE, null=True, related_name="preflights")
    plan = models.JSONField()
    plan_sha256 = models.CharField(max_length=64)
    values = models.JSONField(default=dict)  # slots whose values are known
    asked_at = models.DateTimeField(default=now)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    done_at = models.DateTimeField(null=True)
    # [{"name", "level": ok|warn|failed|unknown, "message_id", "message_args"}], in plan order.
    findings = models.JSONField(default=list)

    class Meta:
        ordering: ClassVar = ["-asked_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["host"], name="preflight_open", condition=Q(done_at=None)),
            models.Index(fields=["plan_sha256", "host"], name="preflight_of_plan"),
        ]

    def __str__(self) -> str:
        return f"preflight {self.pk} on {self.host}"
