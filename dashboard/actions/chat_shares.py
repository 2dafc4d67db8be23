"""Shares of chats: snapshots that everyone who is logged in reads by their address."""

from datetime import timedelta
from secrets import token_urlsafe
from typing import Any

from django.utils.timezone import now
from django.utils.translation import gettext as _

from dashboard.actions.action import Done, action
from dashboard.actions.chat import RUNNING
from dashboard.chat.chat_file import ChatFile
from dashboard.chat.export import chat_json
from jobs.base import bounds
from jobs.base.errors import LaunchError
from jobs.base.sanitize import sanitize_text
from jobs.models import ChatShare, Conversation, Turn

DAYS = (1, 7, 30)
MOST = 100  # of a person at once


@action("conversation.share")
def share(user: Any, chat: Conversation, days: int | None) -> Done[ChatShare]:
    """Store a snapshot of the branch that is shown. Raises ``LaunchError``: why not."""
    if days not in DAYS:
        raise LaunchError(_("Choose 1, 7 or 30 days."), "days")
    if ChatShare.valid().filter(user=user).count() >= MOST:
        raise LaunchError(_("You have %(most)s shares. Revoke some first."), most=MOST)
    turns = Turn.objects.filter(conversation=chat)
    if turns.filter(state=Turn.State.STREAMING).exists():
        raise LaunchError(str(RUNNING))
    if not turns.exists():
        raise LaunchError(_("This chat has no messages yet."))
    row = ChatShare.objects.create(
        key=token_urlsafe(16),
        user=user,
        conversation=chat,
        title=str(chat),
        content=_snapshot(chat),
        expires_at=now() + timedelta(days=days),
    )
    return Done(row, f"conversation {chat.pk}", days=days)


def _snapshot(chat: Conversation) -> str:
    """Return the branch as a file that one page shows. Raises ``LaunchError``: it is too long."""
    pieces: list[str] = []
    left = bounds.CHAT_PAGE_CHARS
    for piece in chat_json(chat, only_shown=True):
        pieces.append(sanitize_text(piece))
        left -= len(piece)
        if left < 0:
            text = _("A share has at most %(most)s characters. This branch is longer.")
            raise LaunchError(text, most=f"{bounds.CHAT_PAGE_CHARS:,}")
    return "".join(pieces)


@action("conversation.share")
def revoke(user: Any, row: ChatShare) -> Done[None]:
    """End a share: its address leads nowhere from now on."""
    subject = f"conversation {row.conversation_id}"
    row.delete()
    return Done(None, subject, did="revoke")


def shared_file(row: ChatShare) -> ChatFile:
    return ChatFile.model_validate_json(row.content)
