"""Addresses of sources: their form by type, and what an entry of the list permits.

Hubs and package indexes are permitted by the exact address. Below one, anyone may have a folder:
``https://hub.example/theirs/repo/resolve/main`` as a hub would serve files of their own. A revision
is exact too, because everyone may propose changes to a model, which then have a revision. Git
repositories, images, data and endpoints are permitted by prefix, up to the end of a path segment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address
from urllib.parse import urlsplit

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
# (where, segments of the path, tag): comparable parts of an address.
_Parts = tuple[tuple[str, ...], tuple[str, ...], str]


def clean(source_type: str, address: str) -> str:
    """Return ``address`` as the list stores it: without a slash at its end.

    Raises:
        ValueError: it is not of the type's form.
    """
    _parts(source_type, address)
    if source_type in _SCHEMES:
        _check_labels(urlsplit(address).hostname or "")
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
    return _web(source_type, address)


def _web(source_type: str, address: str) -> _Parts:
    if not _WEB.fullmatch(address) or urlsplit(address).scheme not in _SCHEMES[source_type]:
        raise ValueError(address)
    scheme, host, port, path = parts_of(address)
    if _NUMBER.fullmatch(host):
        IPv4Address(host)  # raises ValueError for another spelling than four numbers
    if source_type == Source.Type.GIT:
        path = path.removesuffix(".git")  # servers take both names for one repository
    return (scheme, host, str(port)), tuple(path.split("/")[1:]), ""


def _check_labels(host: str) -> None:
    """Raise ValueError for a name that no resolver takes. Older entries of the list may have it."""
    if ":" not in host and not all(0 < len(part) <= _LONGEST_LABEL for part in host.split(".")):
        raise ValueError(host)


def _image(address: str) -> _Parts:
    found = _IMAGE.fullmatch(address)
    if found is None:
        raise ValueError(address)
    registry, path, tag = found["registry"], found["path"], found["tag"] or ""
    # Without a dot or a port, docker takes the first part for a folder of its own hub.
    if not ("." in registry or ":" in registry or registry == "localhost") or (tag and not path):
        raise ValueError(address)
    return (registry,), tuple(path.split("/")[1:]), tag
