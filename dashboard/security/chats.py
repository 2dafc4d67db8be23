"""Reading of chats: one's own; an administrator also those of others, with an audit entry."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from dashboard.security import audit_log
from dashboard.security.permissions import check
from jobs.models import Conversation


def read(user: AbstractBaseUser | AnonymousUser, chat: Conversation) -> None:
    """Record that ``user`` reads the chat of another person.

    Raises:
        PermissionDenied: they may not.
    """
    check(user, "conversation.view", chat)
    if chat.user_id != user.pk:
        of = chat.user.get_username()
        audit_log.record_often(user, "conversation.view", f"conversation {chat.pk}", of=of)
