"""The record of what people changed, took away and were refused, and from where."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import time
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction
from django.http import HttpRequest

from dashboard.config.env import LOGGER
from dashboard.security.counters import count_one, hashed
from dashboard.security.permissions import check
from jobs.base.engine_addresses import network
from jobs.models import AuditEntry, Conversation
from jobs.queries.audit import plain

COMMAND = "manage.py"  # origin of what no request did
WINDOW_S = 3600
MOST_AN_HOUR = 1000  # entries by :func:`record_often` of one person, one host, or all strangers
_origin: ContextVar[str] = ContextVar("origin", default=COMMAND)
_export = logging.getLogger(LOGGER)


@contextmanager
def origin(address: str) -> Iterator[None]:
    """Record ``address`` as the origin of all that happens inside; "" if it is unknown."""
    token = _origin.set(address[:64])
    try:
        yield
    finally:
        _origin.reset(token)


def current_origin() -> str:
    """Return the origin of what happens now, to hand it to another process."""
    return _origin.get()


def record(
    user: AbstractBaseUser | AnonymousUser | None, action: str, subject: str, **detail: Any
) -> None:
    """Add that ``user`` did ``action`` to ``subject`` ("job 17"). ``detail`` must be JSON without
    fractions. The action and each name of ``detail`` have a label in :mod:`dashboard.text.audit`.
    Without a user it was a command on the server, a host or a stranger."""
    person: Any = user if user is not None and user.is_authenticated else None
    entry = AuditEntry.objects.create(
        user=person, action=action, subject=subject[:100], detail=detail, origin=_origin.get()
    )
    if _export.handlers:
        # Robust: an error there must not undo the answer to what is stored already.
        transaction.on_commit(lambda: _write(entry), robust=True)


def record_often(
    user: AbstractBaseUser | AnonymousUser | None,
    action: str,
    subject: str,
    *,
    actor: str = "strangers",
    key: str = "",
    **detail: Any,
) -> None:
    """Record what a program can repeat: the 1st, 10th, 100th … time within an hour.

    The same ``key`` (default: subject) from the same person and address is one thing. Its later
    entries have their number as ``count``. Above ``MOST_AN_HOUR`` things of a person, or of
    ``actor`` without a person, only the 10,000th, 100,000th … is recorded.
    """
    who = f"user {user.pk}" if user is not None and user.is_authenticated else actor
    thing = (action, str(detail.get("did", "")), who, key or subject, network(_origin.get()))
    count = _count("\n".join(thing))
    if not _is_power_of_ten(count):
        return
    total = _count(who)
    if total > MOST_AN_HOUR and not _is_power_of_ten(total):
        return
    record(user, action, subject, **detail, **({"count": count} if count > 1 else {}))


def record_reading(user: AbstractBaseUser | AnonymousUser, chat: Conversation) -> None:
    """Record that ``user``, an administrator, reads the chat of another person. Raises
    ``PermissionDenied``: they may not."""
    check(user, "conversation.view", chat)
    if chat.user_id != user.pk:
        of = chat.user.get_username()
        record_often(user, "conversation.view", f"conversation {chat.pk}", of=of)


def record_hidden(request: HttpRequest) -> None:
    """Record a refused request whose answer is 404: to its person the object does not exist."""
    record_often(request.user, "access.refused", f"{request.method} {request.path}")


def _count(name: str) -> int:
    return count_one(f"audit:{int(time()) // WINDOW_S}:{hashed(name)}", keep_s=WINDOW_S)


def _is_power_of_ten(count: int) -> bool:
    return str(count).strip("0") == "1"


def _write(entry: AuditEntry) -> None:
    _export.info("%s", json.dumps(plain(entry)))
