"""Changes of prompt sets: permission, change, audit entry."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied

from dashboard.security import audit_log
from dashboard.security.permissions import check
from dashboard.security.request import logged_in
from jobs.models import PromptSet
from jobs.services import prompts

_User = AbstractBaseUser | AnonymousUser


def add(user: _User, name: str, language: str, file: str, content: bytes) -> PromptSet:
    """Add a prompt set.

    Raises:
        PermissionDenied: ``user`` is no member.
        LaunchError: a wrong part; ``field`` names it.
    """
    check(user, "prompts.add")
    person = logged_in(user)
    if person is None:
        raise PermissionDenied
    row = prompts.add(name, language, file, content, user=person)
    audit_log.record(
        user,
        "prompts.add",
        f"prompts {row.pk}",
        name=row.name,
        prompts=row.prompts,
        sha256=row.sha256,
    )
    return row


def remove(user: _User, row: PromptSet) -> None:
    """Remove a prompt set, which can be undone.

    Raises:
        PermissionDenied: it is of somebody else.
    """
    check(user, "prompts.change", row)
    if prompts.remove(row):
        audit_log.record(user, "prompts.change", f"prompts {row.pk}", name=row.name, did="delete")


def restore(user: _User, row: PromptSet) -> None:
    """Restore a removed prompt set.

    Raises:
        PermissionDenied: it is of somebody else.
        LaunchError: another set has its name now.
    """
    check(user, "prompts.change", row)
    if row.removed_at is not None:
        prompts.restore(row)
        audit_log.record(user, "prompts.change", f"prompts {row.pk}", name=row.name, did="undo")
