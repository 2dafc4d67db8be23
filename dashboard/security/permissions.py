"""Permissions, in one place for pages, API routes, sockets and the relay.

Finer roles change this file only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from jobs.models import ApiToken

View = Callable[..., HttpResponseBase]
AsyncView = Callable[..., Awaitable[HttpResponseBase]]


class Role(Enum):
    """The least that an action asks for."""

    ANYONE = "anyone"  # strangers too
    MEMBER = "member"  # everyone who is logged in
    OWNER = "owner"  # who made the object; admins too
    ADMIN = "admin"


# Every action of the product. An action that is not listed is a mistake of ours: it raises.
ACTIONS: dict[str, Role] = {
    "overview.view": Role.MEMBER,
    "docs.view": Role.MEMBER,
    "job.view": Role.MEMBER,
    "job.launch": Role.MEMBER,
    "job.repeat": Role.MEMBER,
    "job.confirm": Role.OWNER,
    "job.cancel": Role.OWNER,
    "job.order": Role.OWNER,  # its place and priority while it waits
    "job.pin": Role.MEMBER,  # keep its log and files
    "job.unpin": Role.OWNER,  # no more; of a jobs.services.pins.Pin, which is who set it
    "job.raise": Role.ADMIN,  # let it come before other people's jobs
    "host.view": Role.MEMBER,
    "host.add": Role.ADMIN,
    "host.change": Role.ADMIN,
    "host.mark_lost": Role.ADMIN,
    "host.key": Role.ADMIN,
    "model.view": Role.MEMBER,
    "model.change": Role.ADMIN,
    "deployment.view": Role.MEMBER,
    "deployment.stop": Role.OWNER,
    "deployment.restart": Role.OWNER,
    "result.view": Role.MEMBER,
    "playground.use": Role.MEMBER,
    "conversation.view": Role.OWNER,
    "conversation.delete": Role.OWNER,
    "account.view": Role.MEMBER,
    "token.create": Role.MEMBER,
    "token.delete": Role.OWNER,
    "token.manage": Role.ADMIN,  # see and revoke those of others
    "user.manage": Role.ADMIN,
    "secret.manage": Role.ADMIN,
    "source.view": Role.MEMBER,
    "source.manage": Role.ADMIN,  # which places code and data may come from
    "storage.manage": Role.ADMIN,
    "audit.view": Role.ADMIN,
    "health.view": Role.ANYONE,
    "health.details": Role.MEMBER,
}
_OWNER_FIELDS = ("created_by_id", "user_id")
# What a token of the scope *launch* may do besides reading: the work of a member.
LAUNCHES = frozenset(
    {
        *("job.launch", "job.repeat", "job.confirm", "job.cancel", "job.order"),
        *("job.pin", "job.unpin", "deployment.stop", "deployment.restart"),
    }
)


def allowed(user: AbstractBaseUser | AnonymousUser, action: str, obj: Any = None) -> bool:
    """May ``user`` do ``action``, to ``obj`` where the action is about one?

    An action that only the owner may do is allowed to every member while no object is named: "may
    they do this at all?" Ask again with the object before doing it.

    A caller with an API token (``user.token_scope``) may do what both they and its scope may. Only
    a token of the scope *admin* carries the rights of an administrator.

    Raises:
        KeyError: no such action.
    """
    role = ACTIONS[action]
    if role is Role.ANYONE:
        return True
    if not (user.is_authenticated and user.is_active):
        return False
    scope = scope_of(user)
    if not _in_scope(scope, action):
        return False
    if getattr(user, "is_staff", False) and scope is ApiToken.Scope.ADMIN:
        return True
    if role is Role.OWNER:
        return obj is None or _owner(obj) == user.pk
    return role is Role.MEMBER


def scope_of(user: AbstractBaseUser | AnonymousUser) -> ApiToken.Scope:
    """The scope of the token that ``user`` calls with; *admin*, which is all, without a token."""
    return ApiToken.Scope(getattr(user, "token_scope", ApiToken.Scope.ADMIN))


def _in_scope(scope: ApiToken.Scope, action: str) -> bool:
    if scope is ApiToken.Scope.ADMIN or action.endswith(".view"):
        return True
    return scope is ApiToken.Scope.LAUNCH and action in LAUNCHES


def check(user: AbstractBaseUser | AnonymousUser, action: str, obj: Any = None) -> None:
    """Raise ``PermissionDenied`` unless :func:`allowed`."""
    if not allowed(user, action, obj):
        raise PermissionDenied(action)


def requires(action: str) -> Callable[[View], View]:
    """A view that asks :func:`allowed` first; its ``rights_action`` says for what.

    A view about one object of an owner asks :func:`check` again with the object.
    """
    if action not in ACTIONS:
        raise KeyError(action)

    def decorate(view: View) -> View:
        is_async = iscoroutinefunction(view)
        wrapped = _async_view(cast(AsyncView, view), action) if is_async else _view(view, action)
        wrapped.rights_action = action  # type: ignore[attr-defined]  # read by the test of all views
        return wrapped

    return decorate


def _view(view: View, action: str) -> View:
    @wraps(view)
    def asks(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        check(request.user, action)
        return view(request, *args, **kwargs)

    return asks


def _async_view(view: AsyncView, action: str) -> View:
    @wraps(view)
    async def asks(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        check(await request.auser(), action)
        return await view(request, *args, **kwargs)

    return cast(View, asks)


def _owner(obj: Any) -> Any:
    for field in _OWNER_FIELDS:
        if hasattr(obj, field):
            return getattr(obj, field)
    return None
