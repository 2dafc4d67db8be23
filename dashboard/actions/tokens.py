"""API tokens: making one, which there are, revoking one. For the page and the commands."""

from __future__ import annotations

import secrets
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser, User
from django.db.models import QuerySet

from dashboard.security.audit_log import record
from dashboard.security.counters import hashed
from dashboard.security.permissions import allowed, check
from jobs.models import ApiToken


def create(user: User, name: str, *, scope: str, expires_at: datetime | None, by: str) -> str:
    """Create a token of ``user`` with the caller's name. The token is returned only here.

    ``by``: where it was made, for the record of changes.
    """
    token = secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        user=user, name=name, token_sha256=hashed(token), scope=scope, expires_at=expires_at
    )
    record(user, "token.create", f"token {row.pk}", name=name, scope=scope, by=by)
    return token


def scopes_of(user: AbstractBaseUser) -> list[ApiToken.Scope]:
    """Return the scopes that add something to each other for ``user``, least first."""
    scopes = [ApiToken.Scope.READ]
    if allowed(user, "job.launch"):
        scopes.append(ApiToken.Scope.LAUNCH)
    if allowed(user, "token.manage"):
        scopes.append(ApiToken.Scope.ADMIN)
    return scopes


def seen_by(user: AbstractBaseUser) -> QuerySet[ApiToken]:
    """The tokens that ``user`` sees, newest first: their own, an administrator all."""
    rows = ApiToken.objects.select_related("user")
    return rows if allowed(user, "token.manage") else rows.filter(user_id=user.pk)


def revoke(user: AbstractBaseUser, row: ApiToken, *, by: str) -> None:
    """End a token: its next call is refused.

    Raises:
        PermissionDenied: another user owns it.
    """
    check(user, "token.delete", row)
    number, details = row.pk, {"name": row.name, "of": row.user.get_username()}
    row.delete()
    record(user, "token.delete", f"token {number}", **details, by=by)
