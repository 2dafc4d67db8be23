"""Calls of a chat: address and key of its engine, or why it may not be called now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from django.contrib.auth.models import AbstractBaseUser

from jobs.access import secrets, source_addresses, sources
from jobs.base.errors import LaunchError
from jobs.models import Deployment, Endpoint
from jobs.queries.chat import ChatEngine


@dataclass(frozen=True, slots=True)
class Call:
    """Address of an engine, and the key that its requests carry; "" for none.

    ``ips``: what the host of ``url`` meant when it was checked; empty for a deployment.
    ``listed``: permitted endpoints, where the host is a name that :func:`resolved` is to look up.
    """

    url: str
    api_key: str = field(default="", repr=False)
    ips: tuple[str, ...] = ()
    listed: tuple[str, ...] | None = None


class NotCallable(Exception):
    """An engine that may not be called. ``id``: of a chat's message, which ``message_args`` fill;
    ``text``: for a form, "" for the message."""

    def __init__(
        self, message_id: str, text: str = "", args: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message_id)
        self.id, self.text, self.message_args = message_id, text, dict(args or {})


def call_of(engine: ChatEngine, user: AbstractBaseUser | None) -> Call:
    """Return how ``user`` may call ``engine`` now. All rules are read again at each call.

    A name is not looked up: the call then goes through :func:`resolved`.

    Raises:
        NotCallable: it is not ready, or a rule forbids the call.
    """
    if not engine.is_offered:
        raise NotCallable("chat:archived" if engine.endpoint else "chat:not-ready")
    if isinstance(engine.row, Endpoint):
        return _to_endpoint(engine.row, user)
    return _to_deployment(engine.row)


async def resolved(call: Call) -> Call:
    """Return ``call`` with the addresses of its name, which are looked up once.

    Raises:
        NotCallable: there is none within ``LOOKUP_S``, or none that may be called.
    """
    if call.listed is None:
        return call
    try:
        found = asyncio.wrap_future(source_addresses.lookup(call.url))
        ips = await asyncio.wait_for(found, source_addresses.LOOKUP_S)
        allowed = source_addresses.callable_ips(call.url, ips, call.listed)
    except source_addresses.SpecialAddress as error:
        raise NotCallable("chat:special", str(error), error.args_of_message) from None
    except OSError:  # also of a lookup that takes too long
        raise NotCallable("chat:unknown-name", "", {"url": call.url}) from None
    return replace(call, ips=allowed, listed=None)


def _to_endpoint(endpoint: Endpoint, user: AbstractBaseUser | None) -> Call:
    try:
        listed = tuple(sources.check_endpoint(endpoint.url))
        if source_addresses.has_name(endpoint.url):
            call = Call(endpoint.url, listed=listed)
        else:
            call = Call(endpoint.url, ips=source_addresses.resolve(endpoint.url, listed))
    except source_addresses.SpecialAddress as error:
        raise NotCallable("chat:special", str(error), error.args_of_message) from None
    except LaunchError as error:
        raise NotCallable("chat:not-permitted", str(error), {"url": endpoint.url}) from None
    except OSError:
        raise NotCallable("chat:unknown-name", "", {"url": endpoint.url}) from None
    if not endpoint.api_key:
        return call
    try:
        key = secrets.endpoint_key_for(user, endpoint.api_key, endpoint.url)
    except secrets.Refused as refused:
        args = {"name": endpoint.api_key}
        raise NotCallable("chat:key", refused.text, args) from None
    return replace(call, api_key=key)


def _to_deployment(deployment: Deployment) -> Call:
    url = deployment.url_to_call
    if not url:
        raise NotCallable("chat:address")
    name = str((deployment.details or {}).get("api_key") or "")
    return Call(url, secrets.engine_key(name, deployment) if name else "")
