"""The record of what people changed, and from where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from jobs.models import AuditEntry

COMMAND = "manage.py"  # origin of what no request did
_origin: ContextVar[str] = ContextVar("origin", default=COMMAND)


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
    """Add that ``user`` did ``action`` (a name of ``permissions.ACTIONS``) to ``subject`` ("job
    17").

    ``detail`` must be JSON. The action and each name of ``detail`` have a label in
    :mod:`dashboard.text.audit_labels`. Without a user it was a command on the server.
    """
    user_id = user.pk if user is not None and user.is_authenticated else None
    AuditEntry.objects.create(
        user_id=user_id, action=action, subject=subject, detail=detail, origin=_origin.get()
    )
