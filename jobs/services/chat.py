"""Writes of the playground: conversations and turns."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.timezone import now

from jobs.logstore import store
from jobs.models import Conversation, Endpoint, Turn
from jobs.queries.chat import ChatEngine

TITLE_LENGTH = 60


class BusyError(Exception):
    """An answer of the conversation is being written."""


def start_conversation(user: AbstractBaseUser, prompt: str) -> Conversation:
    title = " ".join(prompt.split())
    if len(title) > TITLE_LENGTH:
        title = title[: TITLE_LENGTH - 1].rstrip() + "…"
    return Conversation.objects.create(user_id=user.pk, title=title)


def add_turn(
    conversation: Conversation,
    engine: ChatEngine,
    *,
    prompt: str,
    request: Mapping[str, Any],
    params: Mapping[str, Any],
    again: Turn | None = None,
) -> Turn:
    """The next turn, to be started by the page; ``again``: another attempt at that turn, which is
    no longer shown. Raises ``BusyError``: another page has asked in this moment."""
    try:
        with transaction.atomic():
            Conversation.objects.filter(pk=conversation.pk).update(
                deployment=engine.deployment,
                endpoint=engine.endpoint,
                params=dict(params),
                updated_at=now(),
            )
            turns = Turn.objects.filter(conversation=conversation)
            if again is None:
                index, attempt = turns.aggregate(last=Max("index", default=-1))["last"] + 1, 0
            else:
                tried = turns.filter(index=again.index)
                index = again.index
                attempt = tried.aggregate(last=Max("attempt", default=0))["last"] + 1
            turns.filter(index=index).update(is_shown=False)
            turn = Turn.objects.create(
                conversation=conversation,
                index=index,
                attempt=attempt,
                deployment=engine.deployment,
                endpoint=engine.endpoint,
                device=engine.device,
                prompt=prompt,
                request=dict(request),
            )
    except IntegrityError as error:
        raise BusyError from error
    store().set_aside(turn.log_key)
    return turn


def close_turn(turn_id: int, *, state: Turn.State, **fields: Any) -> None:
    """Write the end of a turn, once. An attempt that failed without a word leaves the place. What
    is shown then is the newest attempt that has an answer, where there is one."""
    with transaction.atomic():
        turns = Turn.objects.filter(pk=turn_id, state=Turn.State.STREAMING)
        if not turns.update(state=state, **fields):
            return
        Conversation.objects.filter(turns=turn_id).update(updated_at=now())
        if state != Turn.State.FAILED:
            return
        turn = Turn.objects.get(pk=turn_id)
        if not turn.answer and turn.is_shown:
            others = Turn.objects.filter(conversation=turn.conversation_id, index=turn.index)
            if good := others.exclude(answer="").order_by("attempt").last():
                show_attempt(good)


def note_silent(url: str, problem: str) -> None:
    """Store that endpoints at ``url`` give no answer, until a check or a chat gets one."""
    found = {"check_id": Endpoint.SILENT, "check_args": {"url": url, "problem": problem}}
    answering = Endpoint.objects.filter(url=url, check_id=Endpoint.ANSWERS)
    answering.update(checked_at=now(), **found)


def note_answering(url: str) -> None:
    silent = Endpoint.objects.filter(url=url, check_id=Endpoint.SILENT)
    silent.update(check_id=Endpoint.ANSWERS, check_args={}, checked_at=now())


def show_attempt(turn: Turn) -> None:
    """Show this attempt of its question, and send its answer back from now on."""
    with transaction.atomic():
        attempts = Turn.objects.filter(conversation=turn.conversation_id, index=turn.index)
        attempts.exclude(pk=turn.pk).update(is_shown=False)
        attempts.filter(pk=turn.pk).update(is_shown=True)


def rename_conversation(conversation: Conversation, title: str) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(title=title[:200])


def delete_conversation(conversation: Conversation) -> None:
    for turn in Turn.objects.filter(conversation=conversation):
        key = turn.log_key
        turn.delete()
        store().remove(key)
    conversation.delete()
