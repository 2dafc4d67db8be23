"""Conversations of the playground."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from jobs.models.deployments import Deployment
from jobs.models.endpoints import Endpoint
from jobs.models.retained import StoredRecord


class Conversation(models.Model):
    """A chat of one person. ``deployment`` or ``endpoint`` was asked last."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="conversations")
    deployment = models.ForeignKey(
        Deployment, models.SET_NULL, null=True, related_name="conversations"
    )
    endpoint = models.ForeignKey(Endpoint, models.SET_NULL, null=True, related_name="conversations")
    title = models.CharField(max_length=200, blank=True)
    params = models.JSONField(default=dict)  # temperature, top_p, max_tokens, system
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        ordering: ClassVar = ["-updated_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(deployment=None) | Q(endpoint=None), name="conversation_one_engine"
            )
        ]

    def __str__(self) -> str:
        return self.title or f"conversation {self.pk}"


class Turn(StoredRecord):
    """A question and one attempt at its answer. The stream is in the log store, ``turn/<id>``.

    A question that was asked again has several, of which one is shown: later requests send its
    answer back. ``device``: hardware of the endpoint in words, as stated when it was asked.
    """

    class State(models.TextChoices):
        STREAMING = "streaming"
        DONE = "done"
        STOPPED = "stopped"
        FAILED = "failed"

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="turns")
    index = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField(default=0)
    is_shown = models.BooleanField(default=True)
    deployment = models.ForeignKey(Deployment, models.SET_NULL, null=True, related_name="turns")
    endpoint = models.ForeignKey(Endpoint, models.SET_NULL, null=True, related_name="turns")
    device = models.CharField(max_length=100, blank=True)
    prompt = models.TextField()
    request = models.JSONField(default=dict)  # the body that was sent
    state = models.CharField(max_length=16, choices=State, default=State.STREAMING)
    reasoning = models.TextField(blank=True)
    answer = models.TextField(blank=True)
    finish_reason = models.CharField(max_length=32, blank=True)
    error = models.TextField(blank=True)  # in the engine's words
    stats = models.JSONField(default=dict)  # ttft_ms, first_answer_ms, tokens_per_s, *_tokens
    created_at = models.DateTimeField(default=now)

    class Meta:
        ordering: ClassVar = ["conversation_id", "index", "attempt"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["conversation", "index", "attempt"], name="turn_attempt_once_an_index"
            ),
            models.UniqueConstraint(
                fields=["conversation", "index"],
                condition=Q(is_shown=True),
                name="turn_shown_once_an_index",
            ),
            models.CheckConstraint(
                condition=Q(deployment=None) | Q(endpoint=None), name="turn_one_engine"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["created_at", "stored_bytes"],
                name="turn_to_remove",
                condition=Q(stored_bytes__gt=0),
            ),
            models.Index(fields=["id"], name="turn_to_measure", condition=Q(stored_bytes=None)),
        ]

    def __str__(self) -> str:
        return f"turn {self.index} of conversation {self.conversation_id}"
