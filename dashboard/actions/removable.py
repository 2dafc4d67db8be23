"""Removal of a team's own rows, and its undoing: permission, change, audit entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from dashboard.security import audit_log
from dashboard.security.permissions import check
from jobs.services import removable
from jobs.services.removable import Row

_User = AbstractBaseUser | AnonymousUser


@dataclass(frozen=True, slots=True)
class Removable(Generic[Row]):
    """Rows of one model. ``action``: the right to change one."""

    action: str

    def remove(self, user: _User, row: Row) -> None:
        """Remove a row, which can be undone.

        Raises:
            PermissionDenied: it is of somebody else.
        """
        check(user, self.action, row)
        if removable.remove(row):
            self._record(user, row, "delete")

    def restore(self, user: _User, row: Row) -> None:
        """Restore a removed row.

        Raises:
            PermissionDenied: it is of somebody else.
            LaunchError: another row has its name now.
        """
        check(user, self.action, row)
        if row.removed_at is not None:
            removable.restore(row)
            self._record(user, row, "undo")

    def _record(self, user: _User, row: Row, did: str) -> None:
        target = f"{self.action.partition('.')[0]} {row.pk}"
        audit_log.record(user, self.action, target, name=row.name, did=did)
