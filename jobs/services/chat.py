"""Writes of the playground: conversations and turns."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Max, Q, QuerySet, Value
from django.db.models.functions import Concat
from django.utils.timezone import now

from jobs.logstore import store
from jobs.models import ChatTag, Conversation, Endpoint, Turn
from jobs.notifications import notify
from jobs.queries.chat import ChatEngine
from jobs.queries.chat_branches import branch_of

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
    parent: Turn | None = None,
    continued: str = "",
) -> Turn:
    """Store a turn behind ``parent``, to be started by the page. With the question of another turn
    there it is a further attempt; else its branch is another. Those others are no longer shown.
    ``continued``: the answer that it continues. Raises ``BusyError``: another page has asked in
    this moment."""
    try:
        with transaction.atomic():
            Conversation.objects.filter(pk=conversation.pk).update(
                deployment=engine.deployment,
                endpoint=engine.endpoint,
                params=dict(params),
                updated_at=now(),
            )
            turns = Turn.objects.filter(conversation=conversation)
            siblings = turns.filter(parent=parent)
            index = 0 if parent is None else parent.index + 1
            attempts = turns.filter(index=index).aggregate(last=Max("attempt", default=-1))
            siblings.filter(is_shown=True).update(is_shown=False)
            turn = Turn.objects.create(
                conversation=conversation,
                parent=parent,
                index=index,
                attempt=attempts["last"] + 1,
                version=_version(siblings, prompt),
                deployment=engine.deployment,
                endpoint=engine.endpoint,
                device=engine.device,
                prompt=prompt,
                request=dict(request),
                answer=continued,
            )
    except IntegrityError as error:
        raise BusyError from error
    store().set_aside(turn.log_key)
    notify("chat", id=conversation.pk)
    return turn


def _version(siblings: QuerySet[Turn], prompt: str) -> int:
    """Return the version of a message with this text, else the next one."""
    same = siblings.filter(prompt=prompt).values_list("version", flat=True).first()
    last: int = siblings.aggregate(last=Max("version", default=-1))["last"]
    return last + 1 if same is None else same


def close_turn(turn_id: int, *, state: Turn.State, **fields: Any) -> None:
    """Write the end of a turn, once. An attempt that failed without a word leaves the place. What
    is shown then is the newest attempt that has an answer, where there is one."""
    with transaction.atomic():
        turns = Turn.objects.filter(pk=turn_id, state=Turn.State.STREAMING)
        said = fields.pop("answer", "")
        answer = Concat("answer", Value(said)) if said else ""  # behind the one that it continues
        if not turns.update(state=state, answer=answer, **fields):
            return
        Conversation.objects.filter(turns=turn_id).update(updated_at=now())
        if state != Turn.State.FAILED:
            return
        turn = Turn.objects.get(pk=turn_id)
        if not turn.answer and turn.is_shown and (good := answered(turn)):
            show_attempt(good)


def answered(turn: Turn) -> Turn | None:
    """Return the newest attempt at the turn's message that has an answer."""
    others = Turn.objects.filter(conversation=turn.conversation_id, parent=turn.parent_id)
    return others.filter(version=turn.version).exclude(answer="").order_by("attempt").last()


def note_silent(url: str, problem: str) -> None:
    """Store that endpoints at ``url`` give no answer, until a check or a chat gets one."""
    found = {"check_id": Endpoint.SILENT, "check_args": {"url": url, "problem": problem}}
    answering = Endpoint.objects.filter(url=url, check_id=Endpoint.ANSWERS)
    answering.update(checked_at=now(), **found)


def note_answering(url: str) -> None:
    silent = Endpoint.objects.filter(url=url, check_id=Endpoint.SILENT)
    silent.update(check_id=Endpoint.ANSWERS, check_args={}, checked_at=now())


def show_attempt(turn: Turn) -> None:
    """Show the branch of this turn, and send its answers back from now on."""
    ids = [one.pk for one in branch_of(turn.conversation_id, turn.pk)]
    with transaction.atomic():
        turns = Turn.objects.filter(conversation=turn.conversation_id)
        beside = turns.filter(Q(parent__in=ids) | Q(parent=None), is_shown=True)
        beside.exclude(pk__in=ids).update(is_shown=False)
        turns.filter(pk__in=ids, is_shown=False).update(is_shown=True)
    notify("chat", id=turn.conversation_id)


def rename_conversation(conversation: Conversation, title: str) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(title=title[:200])


def set_tags(conversation: Conversation, names: Sequence[str]) -> None:
    """Give a chat these tags, and no others."""
    with transaction.atomic():
        conversation.tags.exclude(name__in=names).delete()
        new = [ChatTag(conversation=conversation, name=name) for name in names]
        ChatTag.objects.bulk_create(new, ignore_conflicts=True)


def delete_conversation(conversation: Conversation) -> None:
    for turn in Turn.objects.filter(conversation=conversation).order_by("-index"):  # children first
        key = turn.log_key
        turn.delete()
        store().remove(key)
    conversation.delete()
