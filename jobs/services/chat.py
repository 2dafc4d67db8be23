"""Writes of the playground: conversations and turns. A turn's end is written by who relays it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Max
from django.utils.timezone import now

from jobs.logstore import store
from jobs.models import Conversation, Deployment, Turn

TITLE_LENGTH = 60


def start_conversation(user: AbstractBaseUser, prompt: str) -> Conversation:
    """A new conversation, named after its first question."""
    words = " ".join(prompt.split())
    title = words if len(words) <= TITLE_LENGTH else words[: TITLE_LENGTH - 1].rstrip() + "…"
    return Conversation.objects.create(user_id=user.pk, title=title)


def add_turn(
    conversation: Conversation,
    deployment: Deployment,
    *,
    prompt: str,
    request: Mapping[str, Any],
    params: Mapping[str, Any],
) -> Turn:
    """The next turn, to be started by the page. The conversation remembers how it was asked."""
    with transaction.atomic():
        last = Turn.objects.filter(conversation=conversation).aggregate(last=Max("index"))["last"]
        Conversation.objects.filter(pk=conversation.pk).update(
            deployment=deployment, params=dict(params), updated_at=now()
        )
        turn = Turn.objects.create(
            conversation=conversation,
            index=0 if last is None else last + 1,
            prompt=prompt,
            request=dict(request),
        )
    store().set_aside(f"turn/{turn.pk}")
    return turn


def rename_conversation(conversation: Conversation, title: str) -> None:
    """Give it another title."""
    Conversation.objects.filter(pk=conversation.pk).update(title=title[:200])


def delete_conversation(conversation: Conversation) -> None:
    """Delete it with its turns and their streams."""
    for turn in Turn.objects.filter(conversation=conversation):
        delete_turn(turn)
    conversation.delete()


def delete_turn(turn: Turn) -> None:
    """Delete a turn and the files of its stream."""
    key = f"turn/{turn.pk}"
    turn.delete()
    store().remove(key)
