"""Service levels of a team: named limits of latency."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import now


class ServiceLevel(models.Model):
    """Named limits that a deployment must hold, or the mark of an included level as hidden.

    ``limits``: metric of ``jobs.queries.results.levels.METRICS`` -> highest value. ``goodput``:
    least share of requests within all limits, 0 to 1; None: any. ``key``: "" for the team's own,
    else the hidden included level, whose row has no limits. ``removed_at``: removed or hidden,
    which can be undone.
    """

    key = models.CharField(max_length=32, blank=True)
    name = models.CharField(max_length=60)
    limits = models.JSONField(default=dict)
    goodput = models.FloatField(null=True, blank=True)
    note = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["key"], condition=~Q(key=""), name="included_level_once"
            ),
            models.UniqueConstraint(
                fields=["name"], condition=Q(key="", removed_at=None), name="level_name_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name
