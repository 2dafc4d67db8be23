"""The public API about its caller."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from dashboard.api.answers import Answer, answers
from dashboard.api.auth import caller
from dashboard.security.permissions import scope_of
from jobs.access.accounts import role_of
from jobs.models import Account, ApiToken


class Me(Answer):
    """The caller: what a token may do is what both its user's role and its scope allow."""

    name: str
    role: Account.Role
    scope: ApiToken.Scope


router = Router(tags=["Account"])


@router.get(
    "me", auth=caller("account.view"), **answers(Me), url_name="api-me", summary="Read the caller"
)
def read_me(request: HttpRequest) -> dict[str, Any]:
    """Name and role of the caller, and the scope of its token; a session has the scope admin."""
    user: Any = request.user
    return {"name": user.get_username(), "role": role_of(user), "scope": scope_of(user)}
