"""Changes of permitted sources, for page, API and commands: permission, change, audit entry."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from dashboard.security import audit_log
from dashboard.security.permissions import check
from dashboard.security.request import logged_in
from jobs.access import sources
from jobs.models import Source
from jobs.schedule import dispatch


def add(
    user: AbstractBaseUser | AnonymousUser | None, source_type: str, address: str, note: str = ""
) -> Source:
    """Add a source to the list. Without a user it is a command on the server.

    Raises:
        PermissionDenied: ``user`` is no administrator.
        LaunchError: a wrong or missing part; ``field`` names it.
    """
    if user is not None:
        check(user, "source.manage")
    row = sources.add(source_type, address, note=note, user=logged_in(user) if user else None)
    _record(user, row, "add")
    return row


def remove(user: AbstractBaseUser | AnonymousUser | None, source_id: int) -> Source | None:
    """Remove a source from the list and return it; None: unknown. Queued jobs that need it fail.

    Raises:
        PermissionDenied: ``user`` is no administrator.
    """
    if user is not None:
        check(user, "source.manage")
    row = sources.remove(source_id)
    if row is not None:
        _record(user, row, "delete")
        dispatch.run()
    return row


def _record(user: AbstractBaseUser | AnonymousUser | None, row: Source, did: str) -> None:
    detail = {"did": did, "source_type": row.type, "address": row.address, "note": row.note}
    audit_log.record(user, "source.manage", f"source {row.pk}", **detail)
