"""Addresses behind proxies: whose ``X-Forwarded-For``, ``-Proto`` and ``-Host`` count.

Those of ``TRUSTED_PROXIES`` count. From any other address the headers are removed, so that nothing
behind this reads them. Where no proxy is trusted, a request with such headers may come from a proxy
that nobody named: its scope is marked with ``EVERYONES``.
"""

import ipaddress
import logging
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from dashboard.config.readers import Network
from dashboard.server.static_files import App, Receive, Scope, Send

logger = logging.getLogger(__name__)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Headers = list[tuple[bytes, bytes]]

FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")
EVERYONES = "is_everyones_address"
# Others that frameworks read; nobody's count.
_REMOVED = {*FORWARDED, b"forwarded", b"x-forwarded-port", b"x-real-ip"}
_SCHEMES = {"http": "ws", "https": "wss"}


class Proxies:
    """An ASGI application in front of ``app`` that settles client, scheme and host of a request.

    ``public_url``: the address of people. Where it is https, a request for its name arrived over
    TLS, unless a trusted proxy says otherwise.
    """

    def __init__(self, app: App, trusted: Sequence[Network], public_url: str) -> None:
        self._app = app
        self._trusted = trusted
        self._public = urlsplit(public_url)
        self._has_warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers: Headers = list(scope["headers"])
        peer = _address(scope["client"][0]) if scope.get("client") else None
        settled = {**scope, "headers": [item for item in headers if item[0] not in _REMOVED]}
        if peer is not None:
            settled["client"] = (str(peer), scope["client"][1])
        if not self._trusted and len(settled["headers"]) < len(headers):
            settled[EVERYONES] = True
        scheme = ""
        if self._is_trusted(peer):
            if (client := self._client(_all(headers, FORWARDED[0]))) is not None:
                settled["client"] = (str(client), 0)
            scheme = _last(_all(headers, FORWARDED[1])).lower()
            if host := _last(_all(headers, FORWARDED[2])):
                others = [item for item in settled["headers"] if item[0] != b"host"]
                settled["headers"] = [(b"host", host.encode("latin-1")), *others]
        elif not self._has_warned and len(settled["headers"]) < len(headers):
            self._has_warned = True  # once: a stranger can send the header too
            logger.warning(
                "%s sends X-Forwarded headers, which are ignored: if it is your proxy, set "
                "TRUSTED_PROXIES",
                peer,
            )
        if scheme not in _SCHEMES:
            scheme = "https" if self._is_public(settled["headers"]) else ""
        if scheme:
            settled["scheme"] = _SCHEMES[scheme] if scope["type"] == "websocket" else scheme
        return await self._app(settled, receive, send)

    def _is_trusted(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)

    def _client(self, forwarded: Iterable[str]) -> Address | None:
        """Return the last address that no trusted proxy has: each proxy adds the one it sees."""
        found = None
        for text in reversed([*forwarded]):
            address = _address(text)
            if address is None:
                break
            found = address
            if not self._is_trusted(address):
                break
        return found

    def _is_public(self, headers: Headers) -> bool:
        """Return True for a request to the https address of people, with or without its port."""
        if self._public.scheme != "https":
            return False
        try:
            asked = urlsplit("//" + _last(_all(headers, b"host")))
            port = asked.port
        except ValueError:
            return False
        return asked.hostname == self._public.hostname and port in (None, self._public.port or 443)


def _all(headers: Headers, name: bytes) -> list[str]:
    values = [value.decode("latin-1") for key, value in headers if key == name]
    return [part.strip() for value in values for part in value.split(",")]


def _last(values: Sequence[str]) -> str:
    return values[-1] if values else ""


def _address(text: str) -> Address | None:
    """An address, with or without a port; that of IPv4 within IPv6 is one of IPv4."""
    host = text.removeprefix("[").partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
