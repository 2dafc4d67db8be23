"""The record of what people changed."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from jobs.models import AuditEntry


def record(
    user: AbstractBaseUser | AnonymousUser | None, action: str, subject: str, **detail: Any
) -> None:
    """Keep that ``user`` did ``action`` (a name of ``permissions.ACTIONS``) to ``subject`` ("job
    17").

    ``detail`` must be JSON. Without a user it was a command on the server.
    """
    user_id = user.pk if user is not None and user.is_authenticated else None
    AuditEntry.objects.create(user_id=user_id, action=action, subject=subject, detail=detail)
