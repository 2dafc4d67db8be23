"""Rights of people, for pages, API, sockets, relay and commands.

Each role's part is in ``ACTIONS``. Beside it, ``jobs.schedule.launch_rights`` limits where members
launch, and :mod:`jobs.access.accounts` keeps one administrator.
"""

from collections.abc import Awaitable, Callable
from enum import Enum
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_http_methods

from jobs.access.accounts import role_of
from jobs.models import Account, ApiToken

View = Callable[..., HttpResponseBase]
AsyncView = Callable[..., Awaitable[HttpResponseBase]]


class Need(Enum):
    """The least that an action asks for: a role, and for some that the object is one's own."""

    ANYONE = "anyone"  # strangers too
    VIEWER = "viewer"  # everyone who is logged in
    SELF = "self"  # who made the object, and nobody else
    OWN = "own"  # who made the object, viewers too; admins
    MEMBER = "member"
    OWNER = "owner"  # the member who made the object; admins
    ADMIN = "admin"


# Every action of the product. An action that is not listed is a mistake of ours: it raises.
# Undoing: a pin by who set it (job.unpin), a confirmation by who may cancel the job, a change of a
# model by any admin.
ACTIONS: dict[str, Need] = {
    "overview.view": Need.VIEWER,
    "docs.view": Need.VIEWER,
    "job.view": Need.VIEWER,
    "job.launch": Need.MEMBER,  # where: jobs.schedule.launch_rights
    "job.repeat": Need.MEMBER,
    "job.confirm": Need.OWNER,
    "job.cancel": Need.OWNER,
    "job.order": Need.OWNER,  # its place and priority while it waits
    "job.pin": Need.MEMBER,  # keep its log and files
    "job.unpin": Need.OWNER,  # no more; of a retention.Pin, which is who set it
    "job.raise": Need.ADMIN,  # let it come before other people's jobs
    "matrix.rename": Need.OWNER,
    "host.view": Need.VIEWER,
    "host.add": Need.ADMIN,
    "host.change": Need.ADMIN,
    "host.launchers": Need.ADMIN,  # who may launch there
    "host.mark_lost": Need.ADMIN,
    "host.key": Need.ADMIN,
    "model.view": Need.VIEWER,
    "model.change": Need.ADMIN,
    "questions.view": Need.VIEWER,  # data sets of evaluations
    "questions.check": Need.MEMBER,  # has a host look for files
    "questions.change": Need.MEMBER,  # sets of the team, also those of others: no version is lost
    "deployment.view": Need.VIEWER,
    "deployment.stop": Need.OWNER,
    "deployment.restart": Need.OWNER,
    "endpoint.view": Need.VIEWER,
    "endpoint.create": Need.MEMBER,
    "endpoint.check": Need.MEMBER,  # has the dashboard send requests
    "endpoint.change": Need.OWNER,
    "result.view": Need.VIEWER,
    "level.view": Need.VIEWER,
    "level.add": Need.MEMBER,  # service levels of the team
    "level.change": Need.OWNER,
    "level.hide": Need.ADMIN,  # included ones, for everyone
    "prompts.view": Need.VIEWER,
    "prompts.add": Need.MEMBER,  # prompts of the team for benchmarks
    "prompts.change": Need.OWNER,  # remove and restore
    "result.tag": Need.MEMBER,
    "result.untag": Need.OWNER,  # of a Tag, which is who set it
    "result.note": Need.MEMBER,
    "result.change_note": Need.OWNER,  # edit or remove it
    "result.sign_off": Need.MEMBER,
    "result.withdraw": Need.OWNER,  # a sign-off, by who signed
    "result.baseline": Need.MEMBER,  # set, replace and remove: also those of others
    "result.save_view": Need.MEMBER,
    "result.change_view": Need.OWNER,
    "result.report": Need.MEMBER,  # words of a report for the team: also those of others
    "result.import": Need.MEMBER,
    "result.declare": Need.MEMBER,  # what the files of an import do not have: also those of others
    "result.remove": Need.OWNER,  # an import, with its result
    "playground.use": Need.VIEWER,
    "conversation.view": Need.OWN,
    "conversation.change": Need.SELF,  # ask, stop, choose an attempt, rename
    "conversation.delete": Need.SELF,
    "conversation.share": Need.SELF,  # and revoke; of a Conversation or a ChatShare
    "preset.view": Need.VIEWER,
    "preset.add": Need.MEMBER,  # settings of chats for the team
    "preset.change": Need.OWNER,
    "gateway.view": Need.VIEWER,  # use of one's own keys; administrators: of all
    "gateway.use": Need.MEMBER,  # with a token of the scope *models*, and with no other
    "account.view": Need.VIEWER,
    "token.create": Need.VIEWER,  # scopes: dashboard.actions.access.scopes_of
    "token.change": Need.OWN,  # limits of the scope *models*
    "token.delete": Need.OWN,
    "token.manage": Need.ADMIN,  # see and revoke those of others
    "user.manage": Need.ADMIN,
    "secret.manage": Need.ADMIN,
    "source.view": Need.VIEWER,
    "source.manage": Need.ADMIN,  # which places code and data may come from
    "storage.manage": Need.ADMIN,
    "audit.view": Need.ADMIN,
    "client.view": Need.ANYONE,  # wheels are public, and pip has no session
    "health.view": Need.ANYONE,
    "health.details": Need.VIEWER,
}
_OF_MEMBERS = (Need.MEMBER, Need.OWNER)
_OF_OWNERS = (Need.OWN, Need.OWNER)
# What a token of the scope *launch* may do besides reading: the work of a member.
LAUNCHES = frozenset(
    {
        *("job.launch", "job.repeat", "job.confirm", "job.cancel", "job.order"),
        *("job.pin", "job.unpin", "matrix.rename", "deployment.stop", "deployment.restart"),
        *("result.tag", "result.untag", "result.note", "result.change_note"),
        *("result.sign_off", "result.withdraw", "result.baseline"),
        *("result.save_view", "result.change_view"),
        *("endpoint.create", "endpoint.check", "endpoint.change"),
        *("result.import", "result.declare", "result.remove"),
        *("prompts.add", "prompts.change", "questions.change"),
    }
)


def allowed(user: AbstractBaseUser | AnonymousUser, action: str, obj: Any = None) -> bool:
    """May ``user`` do ``action``, to ``obj`` where the action is about one?

    An action that only the owner may do is allowed while no object is named: "may they do this at
    all?" Ask again with the object before doing it.

    A caller with an API token (``user.token_scope``) may do what both they and its scope may. Only
    a token of the scope *admin* carries the rights of an administrator. Raises ``KeyError``: no
    such action.
    """
    if ACTIONS[action] is Need.ANYONE:
        return True
    if not (user.is_authenticated and user.is_active):
        return False
    scope, role = scope_of(user), role_of(user)
    if scope is ApiToken.Scope.MODELS:
        return action == "gateway.use" and _may(role, user, action, obj)
    if scope is not ApiToken.Scope.ADMIN:
        is_launch = scope is ApiToken.Scope.LAUNCH and action in LAUNCHES
        if not (is_launch or action.endswith(".view")):
            return False
        if role is Account.Role.ADMIN:
            role = Account.Role.MEMBER
    return _may(role, user, action, obj)


def _may(role: Account.Role, user: AbstractBaseUser | AnonymousUser, action: str, obj: Any) -> bool:
    need = ACTIONS[action]
    if need is Need.SELF:
        return obj is None or _owner(obj) == user.pk
    if role is Account.Role.ADMIN:
        return True
    if need is Need.ADMIN or (need in _OF_MEMBERS and role is Account.Role.VIEWER):
        return False
    return need not in _OF_OWNERS or obj is None or _owner(obj) == user.pk


def scope_of(user: AbstractBaseUser | AnonymousUser) -> ApiToken.Scope:
    """The scope of the token that ``user`` calls with; *admin*, which is all, without a token."""
    return ApiToken.Scope(getattr(user, "token_scope", ApiToken.Scope.ADMIN))


class Denied(PermissionDenied):
    """A person may not do ``action`` to ``obj``. ``by_scope``: because of their token's scope."""

    def __init__(
        self, user: AbstractBaseUser | AnonymousUser, action: str, obj: Any = None
    ) -> None:
        super().__init__(action)
        narrow = scope_of(user) is not ApiToken.Scope.ADMIN
        self.by_scope = narrow and _may(role_of(user), user, action, obj)


def check(user: AbstractBaseUser | AnonymousUser, action: str, obj: Any = None) -> None:
    """Raise ``Denied``, a ``PermissionDenied``, unless :func:`allowed`."""
    if not allowed(user, action, obj):
        raise Denied(user, action, obj)


def requires(action: str, *methods: str) -> Callable[[View], View]:
    """A view that asks :func:`allowed` first; its ``rights_action`` says for what. ``methods``:
    those of the view, such as "GET"; none: a decorator or the view itself limits them. A view about
    one object of an owner asks :func:`check` again with the object."""
    if action not in ACTIONS:
        raise KeyError(action)

    def decorate(view: View) -> View:
        is_async = iscoroutinefunction(view)
        wrapped = _async_view(cast(AsyncView, view), action) if is_async else _view(view, action)
        if methods:
            wrapped = require_http_methods(list(methods))(wrapped)
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
    return getattr(obj, "created_by_id", getattr(obj, "user_id", None))
