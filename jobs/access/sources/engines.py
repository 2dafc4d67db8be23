"""Addresses behind an engine's web address, and special ones among them."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import urlsplit

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.access.sources.addresses import permits
from jobs.base import engine_addresses
from jobs.base.errors import LaunchError
from jobs.models import Source

RANGES: Mapping[str, str | Promise] = {
    engine_addresses.LOOPBACK_RANGE: gettext_lazy("loopback, the dashboard's own machine"),
    engine_addresses.OWN: gettext_lazy("an address of the dashboard's own machine"),
    engine_addresses.LINK_LOCAL: gettext_lazy("link-local, devices of one network segment"),
    engine_addresses.METADATA: gettext_lazy("a cloud metadata service, which returns credentials"),
    engine_addresses.NO_MACHINE: gettext_lazy("an address of no machine"),
}
_LOCAL_NAME = "localhost"
LOOKUP_S = 5.0
# The system's resolver cannot be interrupted: a thread waits on when nobody waits for it any more.
_lookups = ThreadPoolExecutor(max_workers=8, thread_name_prefix="lookup")


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
        return RANGES[engine_addresses.LOOPBACK_RANGE]
    try:
        return RANGES.get(engine_addresses.special(engine_addresses.ip_from(host)), "")
    except ValueError:
        return ""


def resolve(url: str, listed: Iterable[str]) -> tuple[str, ...]:
    """Return the IP addresses of an engine's ``url`` that the dashboard may call.

    Waits at most ``LOOKUP_S``. The caller connects to these, because a second look may find others.
    ``listed``: as for :func:`callable_ips`.

    Raises:
        SpecialAddress: the name has special addresses only, and none is listed.
        OSError: the name has no address, or no answer came in time.
    """
    if not has_name(url):
        return callable_ips(url, _addresses(url), listed)
    found = lookup(url)
    try:
        ips = found.result(LOOKUP_S)
    except TimeoutError:
        found.cancel()
        raise TimeoutError(f"no address of the name within {LOOKUP_S:g} s") from None
    return callable_ips(url, ips, listed)


def has_name(url: str) -> bool:
    """Return True if the host of a web address is no IP address, and is to be looked up."""
    try:
        engine_addresses.ip_from(_host(url))
    except ValueError:
        return True
    return False


def lookup(url: str) -> Future[list[str]]:
    """Look up the IP addresses of a web address in another thread. Fails with OSError."""
    return _lookups.submit(_addresses, url)


def callable_ips(url: str, ips: Sequence[str], listed: Iterable[str]) -> tuple[str, ...]:
    """Return those of an engine's addresses ``ips`` that the dashboard may call.

    ``listed``: addresses of permitted endpoints; a special address must be among them itself,
    instead of a name.

    Raises:
        SpecialAddress: all are special, and none is listed.
    """
    ranges = {ip: _range(ip) for ip in ips}
    entries = list(listed)
    if allowed := tuple(ip for ip, found in ranges.items() if _may_call(url, ip, found, entries)):
        return allowed
    raise SpecialAddress(url, *next(iter(ranges.items())))


def _addresses(url: str) -> list[str]:
    port = urlsplit(url).port or 0
    try:
        known = socket.getaddrinfo(_host(url), port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or too long
        raise OSError(f"no host name: {error}") from None
    return [str(at[0]) for *_kind, at in known]


def _range(ip: str) -> str:
    return engine_addresses.special(engine_addresses.ip_from(ip.partition("%")[0]))


def _may_call(url: str, ip: str, found: str, listed: Iterable[str]) -> bool:
    if found in ("", engine_addresses.NO_MACHINE):
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
