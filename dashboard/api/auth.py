"""Who calls: a host with its key, a person with a token or a session."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from dashboard.rights import ACTIONS, allowed
from jobs.models import ApiToken, Host
from jobs.queries.instance import instance_id

PROTOCOL = 1
PROTOCOLS = (PROTOCOL,)  # ours and, once there is one, the one before
_USED_EVERY = timedelta(minutes=1)

HostView = Callable[..., HttpResponseBase]
ApiView = Callable[..., HttpResponseBase]


def hashed(secret: str) -> str:
    """How keys and tokens are kept: their SHA-256, for they are long and random."""
    return hashlib.sha256(secret.encode()).hexdigest()


def bearer(request: HttpRequest) -> str:
    """The secret of an ``Authorization: Bearer`` header; "" without one."""
    scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def host_answer(status: int = 200, **data: Any) -> JsonResponse:
    """JSON for a host; every answer says whose it is."""
    return JsonResponse({"instance": instance_id(), "protocol": PROTOCOL, **data}, status=status)


def host_only(view: HostView) -> HostView:
    """A view for hosts: ``view(request, host, …)``. Asks for the key, protocol and instance."""

    @wraps(view)
    def asks(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        host = host_of(request)
        if host is None:
            return host_answer(401, error="key")
        if request.headers.get("X-Protocol", "") not in [str(number) for number in PROTOCOLS]:
            return host_answer(426, error="protocol", upgrade_to=PROTOCOL)
        told = request.headers.get("X-Instance")
        if told is not None and told != instance_id():
            return host_answer(412, error="instance")
        return view(request, host, *args, **kwargs)

    asks.for_hosts = True  # type: ignore[attr-defined]  # read by the test of all views
    return cast(HostView, csrf_exempt(login_not_required(asks)))


def host_of(request: HttpRequest) -> Host | None:
    """The host whose key the request carries."""
    key = bearer(request)
    digest = hashed(key)
    host = Host.objects.filter(key_sha256=digest).first() if key else None
    return host if host and hmac.compare_digest(host.key_sha256, digest) else None


def api(action: str) -> Callable[[ApiView], ApiView]:
    """A view of the public API: a token or a session, and the right to do ``action``.

    ``request.user`` is the caller. A session that changes something needs its CSRF token.
    """
    if action not in ACTIONS:
        raise KeyError(action)

    def decorate(view: ApiView) -> ApiView:
        @wraps(view)
        def asks(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            # Another scheme is a proxy's own affair, and comes with each request of its pages.
            if request.headers.get("Authorization", "").lower().startswith("bearer"):
                user = user_of_token(request)
                if user is None:
                    return error(401, "token", _("This token is not known or has expired."))
                request.user = user
            elif CsrfViewMiddleware(view).process_view(request, view, args, kwargs):
                return error(403, "csrf", _("The CSRF token is missing or wrong."))
            if not request.user.is_authenticated:
                words = _("Send “Authorization: Bearer TOKEN”, or log in.")
                return error(401, "login", words)
            if not allowed(request.user, action):
                return error(403, "forbidden", _("You may not do this."))
            return view(request, *args, **kwargs)

        asks.rights_action = action  # type: ignore[attr-defined]  # read by the test of all views
        return cast(ApiView, csrf_exempt(login_not_required(asks)))

    return decorate


def user_of_token(request: HttpRequest) -> Any:
    """The user whose API token the request carries; None: unknown, expired, or a closed account."""
    moment = now()
    row = (
        ApiToken.objects.select_related("user")
        .filter(Q(expires_at=None) | Q(expires_at__gt=moment), token_sha256=hashed(bearer(request)))
        .first()
    )
    if row is None or not row.user.is_active:
        return None
    if row.last_used_at is None or moment - row.last_used_at > _USED_EVERY:
        ApiToken.objects.filter(pk=row.pk).update(last_used_at=moment)
    return row.user


def error(status: int, code: str, message: str, **more: Any) -> JsonResponse:
    """An error of the API: ``{"error": code, "message": words, …}``."""
    return JsonResponse({"error": code, "message": message, **more}, status=status)


def may(user: AbstractBaseUser | AnonymousUser, action: str, obj: Any) -> JsonResponse | None:
    """The answer that refuses ``action`` on ``obj``; None where it is allowed."""
    return (
        None if allowed(user, action, obj) else error(403, "forbidden", _("You may not do this."))
    )
