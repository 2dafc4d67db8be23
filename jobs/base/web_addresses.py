"""Web addresses: their parts, and addresses below a prefix."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_BAD = re.compile(r"[\s\\@?#\x00-\x20]|%2e|%2f|%5c", re.IGNORECASE)


def is_below(address: str, prefixes: Iterable[str]) -> bool:
    """``https://hub.example/a`` contains ``https://hub.example/a/b``, not ``…/ab`` or ``…/a/../b``.
    Scheme, host and port must be equal."""
    try:
        scheme, host, port, path = parts_of(address)
    except ValueError:
        return False
    for prefix in prefixes:
        *place, folder = parts_of(prefix)
        if place == [scheme, host, port] and f"{path}/".startswith(f"{folder}/"):
            return True
    return False


def parts_of(address: str) -> tuple[str, str, int, str]:
    """Return (scheme, host, port, path without a slash at its end) of an http address. Raises
    ValueError: another scheme, no host, or what clients read in different ways: an account, a
    query, a fragment, a dot segment, an encoded separator, a backslash, a space."""
    if _BAD.search(address):
        raise ValueError(address)
    parts = urlsplit(address)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(address)
    if {".", ".."} & set(parts.path.split("/")) or "//" in parts.path:
        raise ValueError(address)
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/")
