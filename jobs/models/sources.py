"""Permitted sources of code and data, in addition to those of the catalogue; and engines."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from jobs.base import engine_addresses


class Source(models.Model):
    """A place from which jobs may fetch code or data, or an engine that they may call, added by an
    administrator.

    ``address`` is a URL, the name of an image, or OWNER/NAME@REVISION of a model on a hub; of git
    repositories, images, data and endpoints it may be a prefix
    (``jobs.access.source_addresses``).
    """

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
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now)

    class Meta:
        ordering: ClassVar = ["type", "address"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["type", "address"], name="source_once"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.address}"

    @classmethod
    def names(cls, at: engine_addresses.Endpoint) -> bool:
        """Return True if the list has this very address and port of an engine."""
        return cls.objects.filter(type=cls.Type.ENDPOINT, address=str(at)).exists()
