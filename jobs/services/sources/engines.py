"""Addresses behind an engine's web address, and special ones among them."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs import endpoints
from jobs.errors import LaunchError
from jobs.models import Source
from jobs.services.sources.addresses import permits

RANGES: Mapping[str, str | Promise] = {
    endpoints.LOOPBACK_RANGE: gettext_lazy("loopback, the dashboard's own machine"),
    endpoints.OWN: gettext_lazy("an address of the dashboard's own machine"),
    endpoints.LINK_LOCAL: gettext_lazy("link-local, devices of one network segment"),
    endpoints.METADATA: gettext_lazy("a cloud metadata service, which returns credentials"),
    endpoints.NO_MACHINE: gettext_lazy("an address of no machine"),
}
_LOCAL_NAME = "localhost"


class SpecialAddress(LaunchError):
    """A special address that the list does not name. ``args_of_message``: of the message of it."""

    def __init__(self, url: str, ip: str, found: str) -> None:
        entry = _at(url, ip)
        text = _(
            "%(url)s has the address %(ip)s: %(what)s. Ask an administrator to add %(entry)s under "
            "Sources, type “endpoint”."
        )
        args = {"url": url, "ip": ip, "entry": entry}
        super().__init__(text % {**args, "what": RANGES[found]}, "url")
        self.args_of_message = args


def special_range(url: str) -> str | Promise:
    """Return the special range of a web address, in words; "" for others. No name is resolved."""
    host = _host(url)
    if host == _LOCAL_NAME or host.endswith(f".{_LOCAL_NAME}"):
        return RANGES[endpoints.LOOPBACK_RANGE]
    try:
        return RANGES.get(endpoints.special(endpoints.ip_from(host)), "")
    except ValueError:
        return ""


def resolve(url: str, listed: Iterable[str]) -> tuple[str, ...]:
    """Return the IP addresses of an engine's ``url`` that the dashboard may call.

    The caller connects to these, because a second look may find others. ``listed``: addresses of
    permitted endpoints; a special address must be among them itself, instead of a name.

    Raises:
        SpecialAddress: the name has special addresses only, and none is listed.
        OSError: the name has no address.
    """
    port = urlsplit(url).port or 0
    known = socket.getaddrinfo(_host(url), port, type=socket.SOCK_STREAM)
    ranges = {str(at[0]): _range(str(at[0])) for *_kind, at in known}
    entries = list(listed)
    if allowed := tuple(ip for ip, found in ranges.items() if _may_call(url, ip, found, entries)):
        return allowed
    raise SpecialAddress(url, *next(iter(ranges.items())))


def _range(ip: str) -> str:
    return endpoints.special(endpoints.ip_from(ip.partition("%")[0]))


def _may_call(url: str, ip: str, found: str, listed: Iterable[str]) -> bool:
    if found in ("", endpoints.NO_MACHINE):
        return not found
    return any(permits(Source.Type.ENDPOINT, entry, _at(url, ip)) for entry in listed)


def _at(url: str, ip: str) -> str:
    """Return ``url`` with ``ip`` in the place of its host."""
    parts = urlsplit(url)
    port = "" if parts.port is None else f":{parts.port}"
    return parts._replace(netloc=f"[{ip}]{port}" if ":" in ip else f"{ip}{port}").geturl()


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
