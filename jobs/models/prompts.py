"""Prompts that a team uploads for its benchmarks."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import now


class PromptSet(models.Model):
    """Prompts of a benchmark, by a name that forms and the API use.

    ``text``: JSON lines with the key "prompt", as a plan's file has them; ``sha256`` is of this
    text. ``longest``: estimated tokens of the longest prompt. ``removed_at``: no longer offered;
    its results still name it.
    """

    name = models.CharField(max_length=60)
    language = models.CharField(max_length=40, blank=True)
    text = models.TextField()
    prompts = models.PositiveIntegerField()
    bytes = models.PositiveIntegerField()
    longest = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(removed_at=None), name="prompt_set_name_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name
