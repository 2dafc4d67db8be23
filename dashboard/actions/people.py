"""Changes of accounts, for page and commands: change, audit entry, check of open sockets.

The caller has checked the permission. Without a user it is a command on the server.
"""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import transaction

from dashboard.consumers.session_guard import check_soon
from dashboard.security.audit_log import record
from jobs.access import accounts
from jobs.models import Account


def add(user: AbstractBaseUser | AnonymousUser | None, person: User, role: Account.Role) -> User:
    """Store a new account with its role; return it."""
    with transaction.atomic():
        person.save()
        accounts.set_role(person, role)
        record(user, "user.manage", f"user {person.pk}", did="add", role=role)
    return person


def set_role(
    user: AbstractBaseUser | AnonymousUser | None, person: User, role: Account.Role
) -> bool:
    """Change the role of an account. False: no change.

    Raises:
        jobs.access.accounts.LastAdministrator: no administrator would be left.
    """
    before = accounts.set_role(person, role)
    if before is None:
        return False
    check_soon()
    record(user, "user.manage", f"user {person.pk}", did=role, before=before)
    return True


def set_active(
    user: AbstractBaseUser | AnonymousUser | None, person: User, *, active: bool
) -> bool:
    """Deactivate or reactivate an account. False: no change.

    Raises:
        jobs.access.accounts.LastAdministrator: no administrator would be left.
    """
    if not accounts.set_active(person, active=active):
        return False
    check_soon()
    record(user, "user.manage", f"user {person.pk}", did="on" if active else "off")
    return True
