"""Authentication of hosts by their keys."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from dashboard.security.counters import hashed
from dashboard.security.request import bearer
from jobs.models import Host
from jobs.queries.instance import instance_id

PROTOCOL = Host.PROTOCOL
PROTOCOLS = (PROTOCOL, PROTOCOL - 1)  # ours and the one before

HostView = Callable[..., HttpResponseBase]


def host_answer(status: int = 200, **data: Any) -> JsonResponse:
    """JSON for a host; every answer says whose it is."""
    return JsonResponse({"instance": instance_id(), "protocol": PROTOCOL, **data}, status=status)


def host_only(view: HostView, *, protocols: tuple[int, ...] = PROTOCOLS) -> HostView:
    """A view for hosts: ``view(request, host, …)``. Asks for the key, protocol and instance."""

    @wraps(view)
    def asks(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        host = host_of(request)
        if host is None:
            return host_answer(401, error="key")
        if request.headers.get("X-Protocol", "") not in [str(number) for number in protocols]:
            return host_answer(426, error="protocol", upgrade_to=PROTOCOL)
        instance = request.headers.get("X-Instance")
        if instance is not None and instance != instance_id():
            return host_answer(412, error="instance")
        return view(request, host, *args, **kwargs)

    asks.for_hosts = True  # type: ignore[attr-defined]  # read by the test of all views
    return cast(HostView, csrf_exempt(login_not_required(asks)))


# Gives a host new work: a host of an earlier protocol gets the answer to upgrade.
upgraded_host_only = partial(host_only, protocols=(PROTOCOL,))


def host_of(request: HttpRequest) -> Host | None:
    """The host whose key the request carries."""
    key = bearer(request)
    digest = hashed(key)
    host = Host.objects.filter(key_sha256=digest).first() if key else None
    return host if host and hmac.compare_digest(host.key_sha256, digest) else None
