"""Secrets of jobs: what each is for, where it may go, and its encrypted value."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from jobs.models.hosts import Host


class Secret(models.Model):
    """A secret that jobs name. Its value is stored encrypted (``jobs.access.secret_keys``).

    ``endpoints``: URL prefixes to which commands may send it. An engine key without any may go to
    every deployment; a hub token or registry password needs one.
    """

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
