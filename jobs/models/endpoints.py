"""Endpoints: engines that this dashboard did not start."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.timezone import now


class Endpoint(models.Model):
    """An engine at a web address, which jobs measure and nobody here starts or stops.

    ``url`` ends before ``/v1``. ``api_key`` names a secret. ``device`` describes the hardware in
    words ("8 × H800"), ``devices`` counts it. ``engine`` and ``engine_version`` are what a person
    stated; ``found`` is what the last answered check found:
    ``{"models", "engine", "version", "max_context", "has_counters"}``. ``check_id`` and
    ``check_args`` are the message of the last check.
    """

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
    found = models.JSONField(default=dict)
    check_id = models.CharField(max_length=64, blank=True)
    check_args = models.JSONField(default=dict)
    checked_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now)
    archived_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def engine_name(self) -> str:
        """Return the engine: found, else stated; "" if unknown."""
        return str(self.found.get("engine") or self.engine)

    @property
    def version(self) -> str:
        """Return the engine's version: found, else stated; "" if unknown."""
        return str(self.found.get("version") or self.engine_version)

    @property
    def context(self) -> int | None:
        """Return tokens of prompt and output together: stated, else found; None: unknown."""
        told = self.max_context or self.found.get("max_context")
        return int(told) if told else None

    @property
    def device_stated(self) -> dict[str, Any] | None:
        """Return the device as results keep it; None if nobody stated it."""
        return {"text": self.device, "count": self.devices} if self.device else None

    @property
    def is_answering(self) -> bool:
        """Return True if the last check succeeded."""
        return self.check_id == "endpoint:ok"
