"""Changes of service levels: permission, change, audit entry."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied

from dashboard.security import audit_log
from dashboard.security.permissions import check
from dashboard.security.request import logged_in
from jobs.models import ServiceLevel
from jobs.services import levels

_User = AbstractBaseUser | AnonymousUser


def add(user: _User, typed: Mapping[str, str]) -> ServiceLevel:
    """Add a level of the team.

    Raises:
        PermissionDenied: ``user`` is no member.
        LaunchError: a wrong or missing part; ``field`` names it.
    """
    check(user, "level.add")
    row = levels.add(typed, user=_known(user))
    audit_log.record(user, "level.add", f"level {row.pk}", name=row.name)
    return row


def change(user: _User, row: ServiceLevel, typed: Mapping[str, str]) -> ServiceLevel:
    """Change a level.

    Raises:
        PermissionDenied: it is of somebody else.
        LaunchError: a wrong or missing part; ``field`` names it.
    """
    check(user, "level.change", row)
    row = levels.change(row, typed)
    audit_log.record(user, "level.change", f"level {row.pk}", name=row.name)
    return row


def remove(user: _User, row: ServiceLevel) -> None:
    """Remove a level, which can be undone.

    Raises:
        PermissionDenied: it is of somebody else.
    """
    check(user, "level.change", row)
    if levels.remove(row):
        audit_log.record(user, "level.change", f"level {row.pk}", name=row.name, did="delete")


def restore(user: _User, row: ServiceLevel) -> None:
    """Restore a removed level.

    Raises:
        PermissionDenied: it is of somebody else.
        LaunchError: another level has its name now.
    """
    check(user, "level.change", row)
    if row.removed_at is not None:
        levels.restore(row)
        audit_log.record(user, "level.change", f"level {row.pk}", name=row.name, did="undo")


def hide(user: _User, key: str, *, hidden: bool) -> bool:
    """Hide or show an included level for everyone. False: unknown.

    Raises:
        PermissionDenied: ``user`` is no administrator.
    """
    check(user, "level.hide")
    if not levels.hide(key, hidden=hidden, user=_known(user)):
        return False
    did = "hide" if hidden else "show"
    audit_log.record(user, "level.hide", f"level {key}", did=did)
    return True


def _known(user: _User) -> AbstractBaseUser:
    person = logged_in(user)
    if person is None:
        raise PermissionDenied
    return person
