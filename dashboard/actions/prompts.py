"""Changes of prompt sets: permission, change, audit entry."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from dashboard.actions.removable import Removable
from dashboard.security import audit_log
from dashboard.security.permissions import check
from dashboard.security.request import member
from jobs.models import PromptSet
from jobs.services import prompts

_User = AbstractBaseUser | AnonymousUser
ROWS: Removable[PromptSet] = Removable("prompts.change")


def add(user: _User, name: str, language: str, file: str, content: bytes) -> PromptSet:
    """Add a prompt set.

    Raises:
        PermissionDenied: ``user`` is no member.
        LaunchError: a wrong part; ``field`` names it.
    """
    check(user, "prompts.add")
    row = prompts.add(name, language, file, content, user=member(user))
    audit_log.record(
        user,
        "prompts.add",
        f"prompts {row.pk}",
        name=row.name,
        prompts=row.prompts,
        sha256=row.sha256,
    )
    return row
