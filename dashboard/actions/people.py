"""Changes of accounts and their API tokens, for page and commands: change, audit entry.

The caller has checked the permission. Without a user it is a command on the server.
"""

import secrets
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import transaction
from django.db.models import QuerySet

from dashboard.consumers.session_guard import check_soon
from dashboard.security.audit_log import record
from dashboard.security.counters import hashed
from dashboard.security.permissions import allowed, check
from jobs.access import accounts
from jobs.models import Account, ApiToken

_Person = AbstractBaseUser | AnonymousUser | None


def add(user: _Person, person: User, role: Account.Role) -> User:
    with transaction.atomic():
        person.save()
        accounts.set_role(person, role)
        record(user, "user.manage", f"user {person.pk}", did="add", role=role)
    return person


def set_role(user: _Person, person: User, role: Account.Role) -> bool:
    """Change the role of an account; open sockets are checked. False: no change.
    Raises ``jobs.access.accounts.LastAdministrator``: no administrator would be left."""
    before = accounts.set_role(person, role)
    if before is None:
        return False
    check_soon()
    record(user, "user.manage", f"user {person.pk}", did=role, before=before)
    return True


def set_active(user: _Person, person: User, *, active: bool) -> bool:
    """Deactivate or reactivate an account; open sockets are checked. False: no change.
    Raises ``jobs.access.accounts.LastAdministrator``: no administrator would be left."""
    if not accounts.set_active(person, active=active):
        return False
    check_soon()
    record(user, "user.manage", f"user {person.pk}", did="on" if active else "off")
    return True


def scopes_of(user: AbstractBaseUser) -> list[ApiToken.Scope]:
    """Return the scopes that add something to each other for ``user``, least first."""
    scopes = [ApiToken.Scope.READ]
    if allowed(user, "job.launch"):
        scopes.append(ApiToken.Scope.LAUNCH)
    if allowed(user, "token.manage"):
        scopes.append(ApiToken.Scope.ADMIN)
    return scopes


def tokens_for(user: AbstractBaseUser) -> QuerySet[ApiToken]:
    """Return the tokens that ``user`` sees, newest first: their own, an administrator all."""
    rows = ApiToken.objects.select_related("user")
    return rows if allowed(user, "token.manage") else rows.filter(user_id=user.pk)


def create_token(user: User, name: str, *, scope: str, expires_at: datetime | None, by: str) -> str:
    """Create a token of ``user``, with the caller's name. The token is returned only here.
    ``by``: place of its creation in the audit entry."""
    token = secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        user=user, name=name, token_sha256=hashed(token), scope=scope, expires_at=expires_at
    )
    record(user, "token.create", f"token {row.pk}", name=name, scope=scope, by=by)
    return token


def revoke_token(user: AbstractBaseUser, row: ApiToken, *, by: str) -> None:
    """End a token: its next call is refused.
    Raises ``PermissionDenied``: another user owns it."""
    check(user, "token.delete", row)
    number, details = row.pk, {"name": row.name, "of": row.user.get_username()}
    row.delete()
    record(user, "token.delete", f"token {number}", **details, by=by)
