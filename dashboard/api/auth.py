"""Authentication of callers: a token or a session, and their right to an operation."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, JsonResponse
from django.utils.timezone import now
from django.utils.translation import gettext as _
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from dashboard.api.errors import Refused
from dashboard.security import login_throttle
from dashboard.security.counters import hashed
from dashboard.security.permissions import ACTIONS, check
from dashboard.security.request import bearer
from dashboard.server.json_errors import error
from jobs.models import ApiToken

_USED_EVERY = timedelta(minutes=1)


class _Way(AuthBase):
    """A way to authenticate a caller who may do ``action``."""

    def __init__(self, action: str) -> None:
        self.action = action
        super().__init__()

    def __call__(self, request: HttpRequest) -> Any:
        user = self.user(request)
        if user is not None:
            check(user, self.action)
        return user

    def user(self, request: HttpRequest) -> Any:
        """Return who calls; None: ask the next way. Raises ``Refused``."""
        raise NotImplementedError


class TokenAuth(_Way):
    """A caller who sends ``Authorization: Bearer TOKEN``."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def user(self, request: HttpRequest) -> Any:
        # Another scheme is a proxy's own affair, and comes with each request of its pages.
        if not request.headers.get("Authorization", "").lower().startswith("bearer"):
            return None
        user = user_of_token(request)
        if user is None:
            raise Refused(_unknown_token(request))
        request.user = user
        return user


class SessionAuth(_Way):
    """A caller who has logged in to the pages. A change carries the CSRF token too."""

    openapi_type = "apiKey"
    openapi_in = "cookie"
    openapi_name = settings.SESSION_COOKIE_NAME

    def user(self, request: HttpRequest) -> Any:
        if check_csrf(request):
            raise Refused(error(403, "csrf", _("The CSRF token is missing or wrong.")))
        if not request.user.is_authenticated:
            text = _("Send “Authorization: Bearer TOKEN”, or log in.")
            raise Refused(_unauthorized("login", text))
        return request.user


def caller(action: str) -> list[AuthBase]:
    """``auth=`` of an operation: a token or a session, and the right to do ``action``.

    ``request.user`` is the caller then.
    """
    if action not in ACTIONS:
        raise KeyError(action)
    return [TokenAuth(action), SessionAuth(action)]


def _unauthorized(code: str, text: str) -> JsonResponse:
    answer = error(401, code, text)
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _unknown_token(request: HttpRequest) -> JsonResponse:
    """401; 429 for an address that has sent too many unknown ones. A known token is never kept
    waiting.
    """
    if wait_s := login_throttle.seconds_until_next_token(request.META.get("REMOTE_ADDR", "")):
        text = _("Too many unknown tokens from your address. Check your token, then try again.")
        answer = error(429, "too_many", text)
        answer.headers["Retry-After"] = str(wait_s)
        return answer
    return _unauthorized("token", _("Unknown or expired token."))


def user_of_token(request: HttpRequest) -> Any:
    """The user whose API token the request carries; None: unknown, expired, or a closed account."""
    moment = now()
    row = (
        ApiToken.objects.select_related("user__account")
        .filter(Q(expires_at=None) | Q(expires_at__gt=moment), token_sha256=hashed(bearer(request)))
        .first()
    )
    if row is None or not row.user.is_active:
        return None
    if row.last_used_at is None or moment - row.last_used_at > _USED_EVERY:
        ApiToken.objects.filter(pk=row.pk).update(last_used_at=moment)
    row.user.token_scope = row.scope  # type: ignore[attr-defined]  # for dashboard.security.permissions
    return row.user
