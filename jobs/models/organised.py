"""Additions of people to results: tags, notes, sign-offs, baselines; saved views of the list."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from jobs.base.numbers import result_number
from jobs.models.results import Result


class Added(models.Model):
    """Base: who added it, and when. ``created_by`` is None for a deleted account."""

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now)

    class Meta:
        abstract = True


class Tag(Added):
    """A word on a result, once."""

    result = models.ForeignKey(Result, models.CASCADE, related_name="tags")
    name = models.CharField(max_length=32)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "result"], name="tag_once_a_result"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {result_number(self.result_id)}"


class Note(Added):
    """A text about a result. ``edited_at`` is None until its first change."""

    result = models.ForeignKey(Result, models.CASCADE, related_name="notes")
    text = models.TextField()
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    edited_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["created_at", "id"]

    def __str__(self) -> str:
        return f"note {self.pk} of {result_number(self.result_id)}"


class SignOff(Added):
    """A release of a result: ``purpose`` says to whom. Rows stay when it is withdrawn."""

    result = models.ForeignKey(Result, models.CASCADE, related_name="sign_offs")
    purpose = models.CharField(max_length=120)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"sign-off {self.pk} of {result_number(self.result_id)}"


class Baseline(Added):
    """The result that later ones of its subject are judged by, until ``ended_at``.

    ``runs`` are the ids of the result and of its counted repeats when it was set.
    """

    result = models.ForeignKey(Result, models.CASCADE, related_name="baselines")
    runs = models.JSONField(default=list)
    subject = models.CharField(max_length=64)  # Result.subject
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["subject", "-created_at", "-id"], name="baseline_by_subject")
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["subject"], condition=Q(ended_at=None), name="baseline_once_a_subject"
            ),
        ]

    def __str__(self) -> str:
        return f"baseline {self.pk}, {result_number(self.result_id)}"


class SavedView(Added):
    """Filters, order and columns of the result list under a name; one's own unless shared."""

    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1500, blank=True)
    is_shared = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["created_by", "name"], name="view_once_a_person"),
        ]

    def __str__(self) -> str:
        return f"view {self.name}"
