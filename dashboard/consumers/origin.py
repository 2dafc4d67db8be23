"""Check of a socket's origin: only pages of this dashboard may open one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[Any]]


def same_origin(app: App) -> App:
    """``app``, for pages of the address that they ask at, or of ``PUBLIC_URL``, alone.

    A browser sends the cookie to every port of a machine, and a model's server has pages too.
    """
    deny: Any = WebsocketDenier()

    async def answer(scope: Scope, receive: Any, send: Any) -> Any:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        fine = is_own(headers.get(b"origin", ""), headers.get(b"host", ""))
        return await (app if fine else deny)(scope, receive, send)

    return answer


def is_own(origin: str, host: str) -> bool:
    """True when a page of ``origin`` may ask ``host``, which is us under one of our names."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        netloc = urlsplit(origin).netloc
    except ValueError:
        return False
    name, _port = split_domain_port(host)
    return bool(netloc) and netloc == host and validate_host(name, settings.ALLOWED_HOSTS)
