"""Authentication of hosts by their keys."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from dashboard.security.counters import hashed
from dashboard.security.request import bearer
from jobs.base.numbers import number_from
from jobs.models import Host
from jobs.queries.instance import instance_id

logger = logging.getLogger(__name__)

PROTOCOL = Host.PROTOCOL

HostView = Callable[..., HttpResponseBase]


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
        spoken = request.headers.get("X-Protocol", "")
        if spoken != str(PROTOCOL):
            _note_protocol(host, number_from(spoken))
            return host_answer(426, error="protocol", upgrade_to=PROTOCOL)
        instance = request.headers.get("X-Instance")
        if instance is not None and instance != instance_id():
            return host_answer(412, error="instance")
        return view(request, host, *args, **kwargs)

    asks.for_hosts = True  # type: ignore[attr-defined]  # read by the test of all views
    return cast(HostView, csrf_exempt(login_not_required(asks)))


def _note_protocol(host: Host, spoken: int | None) -> None:
    """Note what an outdated host speaks, once: its page says that it must be updated."""
    if not spoken or not 0 < spoken < PROTOCOL or spoken == host.protocol:
        return
    Host.objects.filter(pk=host.pk).update(protocol=spoken)
    logger.warning("%s speaks host protocol %s: update it to %s", host.name, spoken, PROTOCOL)


def host_of(request: HttpRequest) -> Host | None:
    """The host whose key the request carries."""
    key = bearer(request)
    digest = hashed(key)
    host = Host.objects.filter(key_sha256=digest).first() if key else None
    return host if host and hmac.compare_digest(host.key_sha256, digest) else None
