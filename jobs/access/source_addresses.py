"""Addresses of sources: their form by type, what an entry of the list permits, special ranges.

Hubs and package indexes are permitted by the exact address. Below one, anyone may have a folder:
``https://hub.example/theirs/repo/resolve/main`` as a hub would serve files of their own. A revision
is exact too, because everyone may propose changes to a model, which then have a revision. Git
repositories, images, data and endpoints are permitted by prefix, up to the end of a path segment.
"""

import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from ipaddress import IPv4Address
from urllib.parse import urlsplit

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.base import engine_addresses
from jobs.base.errors import LaunchError
from jobs.base.web_addresses import parts_of
from jobs.models import Source

# Stricter than clients: no upper case in the host, no account, no escape, no empty segment.
_WEB = re.compile(
    r"https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:[0-9]{1,5})?"
    r"(/[A-Za-z0-9._~+-]+)*/?"
)
_IMAGE = re.compile(
    r"(?P<registry>[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?)"
    r"(?P<path>(/[a-z0-9]+([._-]+[a-z0-9]+)*)*)(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
)
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*"
_REVISION = re.compile(rf"{_NAME}/{_NAME}@[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)*")
# Numbers that resolvers read as an IPv4 address, such as 2130706433, 0x7f000001 and 127.1.
_NUMBER = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)")
_SCHEMES: Mapping[str, tuple[str, ...]] = {
    Source.Type.GIT: ("https",),
    Source.Type.INDEX: ("http", "https"),
    Source.Type.HUB: ("http", "https"),
    Source.Type.DATA: ("http", "https"),
    Source.Type.ENDPOINT: ("http", "https"),
}
_LONGEST_LABEL = 63  # of a host's name, between two dots
_EXACT = frozenset({Source.Type.HUB, Source.Type.INDEX, Source.Type.REVISION})
_RANGES: Mapping[str, str | Promise] = {
    engine_addresses.LOOPBACK_RANGE: gettext_lazy("loopback, the dashboard's own machine"),
    engine_addresses.OWN: gettext_lazy("an address of the dashboard's own machine"),
    engine_addresses.LINK_LOCAL: gettext_lazy("link-local, devices of one network segment"),
    engine_addresses.METADATA: gettext_lazy("a cloud metadata service, which returns credentials"),
    engine_addresses.NO_MACHINE: gettext_lazy("an address of no machine"),
}
LOOKUP_S = 5.0
# The system's resolver cannot be interrupted: a thread waits on when nobody waits for it any more.
_lookups = ThreadPoolExecutor(max_workers=8, thread_name_prefix="lookup")
# (where, segments of the path, tag): comparable parts of an address.
_Parts = tuple[tuple[str, ...], tuple[str, ...], str]


def clean(source_type: str, address: str) -> str:
    """Return ``address`` as the list stores it: without a slash at its end.
    Raises ``ValueError``: it is not of the type's form, or its host has a label that no resolver
    takes."""
    _parts(source_type, address)
    if source_type in _SCHEMES:
        host = urlsplit(address).hostname or ""
        if ":" not in host and not all(0 < len(part) <= _LONGEST_LABEL for part in host.split(".")):
            raise ValueError(host)
    return address.rstrip("/")


def permits(source_type: str, entry: str, address: str) -> bool:
    """Return True if the list's ``entry``, a valid one, permits ``address``."""
    try:
        where, path, tag = _parts(source_type, address)
    except ValueError:
        return False
    at, below, only_tag = _parts(source_type, entry)
    if where != at:
        return False
    if source_type in _EXACT or only_tag:
        return (path, tag) == (below, only_tag)
    return path[: len(below)] == below


def _parts(source_type: str, address: str) -> _Parts:
    if source_type == Source.Type.IMAGE:
        return _image(address)
    if source_type == Source.Type.REVISION:
        if not _REVISION.fullmatch(address):
            raise ValueError(address)
        return (address,), (), ""
    if not _WEB.fullmatch(address) or urlsplit(address).scheme not in _SCHEMES[source_type]:
        raise ValueError(address)
    scheme, host, port, path = parts_of(address)
    if _NUMBER.fullmatch(host):
        IPv4Address(host)  # raises ValueError for another spelling than four numbers
    if source_type == Source.Type.GIT:
        path = path.removesuffix(".git")  # servers take both names for one repository
    return (scheme, host, str(port)), tuple(path.split("/")[1:]), ""


def _image(address: str) -> _Parts:
    found = _IMAGE.fullmatch(address)
    if found is None:
        raise ValueError(address)
    registry, path, tag = found["registry"], found["path"], found["tag"] or ""
    # Without a dot or a port, docker takes the first part for a folder of its own hub.
    if not ("." in registry or ":" in registry or registry == "localhost") or (tag and not path):
        raise ValueError(address)
    return (registry,), tuple(path.split("/")[1:]), tag


class SpecialAddress(LaunchError):
    """A special address that the list does not name. ``args_of_message``: of the message of it."""

    def __init__(self, url: str, ip: str, found: str) -> None:
        args = {"url": url, "ip": ip, "entry": _at(url, ip)}
        text = _(
            "%(url)s has the address %(ip)s: %(what)s. Ask an administrator to add %(entry)s under "
            "Sources, type “endpoint”."
        )
        super().__init__(text % {**args, "what": _RANGES[found]}, "url")
        self.args_of_message = args


def special_range(url: str) -> str | Promise:
    """Return the special range of a web address, in words; "" for others. No name is resolved."""
    host = _host(url)
    if f".{host}".endswith(".localhost"):
        return _RANGES[engine_addresses.LOOPBACK_RANGE]
    try:
        return _RANGES.get(engine_addresses.special(engine_addresses.ip_from(host)), "")
    except ValueError:
        return ""


def resolve(url: str, listed: Iterable[str]) -> tuple[str, ...]:
    """Return the IP addresses of an engine's ``url`` that the dashboard may call.
    Waits at most ``LOOKUP_S``. The caller connects to these, because a second look may find others.
    ``listed``: as for :func:`callable_ips`.
    Raises ``SpecialAddress``: the name has special addresses only, and none is listed; ``OSError``:
    the name has no address, or no answer came in time."""
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
    Raises ``SpecialAddress``: all are special, and none is listed."""
    ranges = {
        ip: engine_addresses.special(engine_addresses.ip_from(ip.partition("%")[0])) for ip in ips
    }
    entries = list(listed)

    def may_call(ip: str, found: str) -> bool:
        if found in ("", engine_addresses.NO_MACHINE):
            return not found
        return any(permits(Source.Type.ENDPOINT, entry, _at(url, ip)) for entry in entries)

    if allowed := tuple(ip for ip, found in ranges.items() if may_call(ip, found)):
        return allowed
    raise SpecialAddress(url, *next(iter(ranges.items())))


def _addresses(url: str) -> list[str]:
    port = urlsplit(url).port or 0
    try:
        known = socket.getaddrinfo(_host(url), port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or too long
        raise OSError(f"no host name: {error}") from None
    return [str(at[0]) for *_kind, at in known]


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
