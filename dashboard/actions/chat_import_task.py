"""Task of confined workers: an exported chat, read and stored as a chat of the importer."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from pydantic import ValidationError

from dashboard.actions.results import clean_chat_tags
from dashboard.chat.chat_file import ChatFile, FileTurn, turn_of
from jobs.base import bounds
from jobs.base.errors import LaunchError
from jobs.base.sanitize import sanitize
from jobs.base.validation_errors import message_of
from jobs.logstore import store
from jobs.models import Conversation, Turn
from jobs.services.chat import set_tags

_TEXTS = (
    *("device", "prompt", "reasoning", "answer", "tool_calls", "finish_reason", "error"),
    *("stats", "request"),
)


def store_chat(user_id: int, content: bytes) -> int:
    """Store a chat with all branches and attempts of its file; return its number. Raises
    ``LaunchError`` at ``file``: the first fault."""
    file = _parsed(content)
    _check_places(file.turns)
    with transaction.atomic():
        chat = Conversation.objects.create(user_id=user_id, title=sanitize(file.title))
        Conversation.objects.filter(pk=chat.pk).update(created_at=file.created_at)
        numbers: dict[int | None, int] = {}
        try:
            set_tags(chat, clean_chat_tags(file.tags, user_id))
        except LaunchError as refused:
            raise _fault("tags", str(refused)) from None
        for row in file.turns:
            numbers[row.id] = _stored(row, chat, numbers.get(row.parent_id)).pk
    return chat.pk


def _parsed(content: bytes) -> ChatFile:
    if len(content) > bounds.CHAT_FILE_BYTES:
        text = _("The file has more than %(most)s MiB.")
        raise LaunchError(text, "file", most=bounds.CHAT_FILE_BYTES // 2**20)
    try:
        return ChatFile.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            raise LaunchError(_("The file is not JSON."), "file") from None
        raise _fault(".".join(map(str, first["loc"])), _wrong(first)) from None


def _wrong(first: Mapping[str, Any]) -> str:
    return _("Unknown field.") if first["type"] == "extra_forbidden" else message_of(first)


def _fault(place: str, wrong: str) -> LaunchError:
    text = _("“%(field)s”: %(wrong)s") % {"field": place[:100], "wrong": wrong}
    return LaunchError(text, "file")


def _check_places(turns: Sequence[FileTurn]) -> None:
    """Raise ``LaunchError`` where turns do not follow each other as branches do."""
    attempts, shown = set[tuple[int, int]](), set[int | None]()
    for at, row in enumerate(turns):
        before = row.parent_id or 0
        parent = turns[before - 1] if 0 < before <= at else None
        is_first = row.parent_id is None and row.index == 0
        if row.id != at + 1:
            raise _fault(f"turns.{at}.id", _("Turns are numbered from 1 in their order."))
        if not is_first and (parent is None or row.index != parent.index + 1):
            raise _fault(f"turns.{at}.parent_id", _("No turn before it has this number and index."))
        if (row.index, row.attempt) in attempts:
            raise _fault(f"turns.{at}.attempt", _("Another turn has this index and attempt."))
        if row.is_shown and row.parent_id in shown:
            raise _fault(f"turns.{at}.is_shown", _("Another turn behind this parent is shown."))
        attempts.add((row.index, row.attempt))
        shown |= {row.parent_id} if row.is_shown else set()


def _stored(row: FileTurn, chat: Conversation, parent_id: int | None) -> Turn:
    turn = turn_of(row)
    turn.pk, turn.conversation, turn.parent_id, turn.is_imported = None, chat, parent_id, True
    if turn.state == Turn.State.STREAMING:
        turn.state = Turn.State.STOPPED
    for name in _TEXTS:
        setattr(turn, name, sanitize(getattr(turn, name)))
    turn.save()
    store().set_aside(turn.log_key)
    return turn
