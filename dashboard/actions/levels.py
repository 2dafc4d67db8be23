"""Changes of service levels: permission, change, audit entry."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from dashboard.actions.removable import Removable
from dashboard.security import audit_log
from dashboard.security.permissions import check
from dashboard.security.request import member
from jobs.models import ServiceLevel
from jobs.services import levels

_User = AbstractBaseUser | AnonymousUser
ROWS: Removable[ServiceLevel] = Removable("level.change")


def add(user: _User, typed: Mapping[str, str]) -> ServiceLevel:
    """Add a level of the team.

    Raises:
        PermissionDenied: ``user`` is no member.
        LaunchError: a wrong or missing part; ``field`` names it.
    """
    check(user, "level.add")
    row = levels.add(typed, user=member(user))
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


def hide(user: _User, key: str, *, hidden: bool) -> bool:
    """Hide or show an included level for everyone. False: unknown.

    Raises:
        PermissionDenied: ``user`` is no administrator.
    """
    check(user, "level.hide")
    if not levels.hide(key, hidden=hidden, user=member(user)):
        return False
    did = "hide" if hidden else "show"
    audit_log.record(user, "level.hide", f"level {key}", did=did)
    return True
