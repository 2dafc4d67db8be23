"""ASGI applications in front of Django: static files, proxies, and the guard of request bodies."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.handlers.asgi import ASGIRequest
from django.utils import translation
from django.utils.translation import gettext_noop
from whitenoise.base import WhiteNoise

from dashboard.config.env import Network
from jobs.base.numbers import number_from

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

logger = logging.getLogger(__name__)

# Static files. WhiteNoise finds them, their types, encodings and ranges; its own middleware would
# put a thread between every request and its view

CHUNK_BYTES = 256 * 1024


class _Files(WhiteNoise):  # type: ignore[misc]
    """``STATIC_ROOT``; with ``DEBUG`` the sources themselves, looked up at each request."""

    def candidate_paths_for_url(self, url: str) -> list[str]:
        path = finders.find(url.removeprefix(static_prefix()))
        return [path] if isinstance(path, str) else []


def static_prefix() -> str:
    """Return the URL path of static files without the public prefix."""
    prefix = settings.STATIC_URL.removeprefix(settings.FORCE_SCRIPT_NAME or "")
    return "/" + str(prefix).strip("/") + "/"


def static_files() -> App:
    """The application. It answers under :func:`static_prefix` and nowhere else."""
    if settings.DEBUG:
        files = _Files(None, autorefresh=True, max_age=0)
    else:
        files = WhiteNoise(
            None,
            settings.STATIC_ROOT,
            static_prefix(),
            immutable_file_test=r"\.[0-9a-f]{12}\.",
            allow_all_origins=False,
        )

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        static_file = files.find_file(path) if settings.DEBUG else files.files.get(path)
        if static_file is None:
            await _send_head(send, 404, [])
            await send({"type": "http.response.body", "body": b""})
            return
        headers = {
            f"HTTP_{name.decode('latin1').upper().replace('-', '_')}": value.decode("latin1")
            for name, value in scope["headers"]
        }
        response = await asyncio.to_thread(static_file.get_response, scope["method"], headers)
        await _send_head(send, response.status, response.headers)
        if response.file is not None:
            with response.file as file:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return answer


async def send_whole(
    send: Send,
    body: bytes,
    *,
    status: int,
    content_type: bytes,
    more: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Answer with a body and ``more`` headers; nobody stores it."""
    headers = [(b"content-type", content_type), (b"cache-control", b"no-store"), *more]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def until_left(receive: Receive) -> None:
    """Wait for the client to leave. What else it sends is dropped."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_head(send: Send, status: int, headers: list[tuple[str, str]]) -> None:
    encoded = [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in headers]
    encoded.append((b"x-content-type-options", b"nosniff"))
    await send({"type": "http.response.start", "status": int(status), "headers": encoded})


# Proxies

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Headers = list[tuple[bytes, bytes]]

FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")
EVERYONES = "is_everyones_address"
# Others that frameworks read; nobody's count.
_REMOVED = {*FORWARDED, b"forwarded", b"x-forwarded-port", b"x-real-ip"}
_SCHEMES = {"http": "ws", "https": "wss"}


class Proxies:
    """An ASGI application in front of ``app`` that settles client, scheme and host of a request.

    ``X-Forwarded-For``, ``-Proto`` and ``-Host`` of the ``trusted`` count; any others are removed,
    so that nothing behind this reads them. Where no proxy is trusted, they may be of a proxy that
    nobody named: the scope is marked with ``EVERYONES``. ``public_url``: the address of people.
    Where it is https, a request for its name arrived over TLS, unless a trusted proxy says
    otherwise.
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
    """Read an address, with or without a port; that of IPv4 within IPv6 is one of IPv4."""
    host = text.removeprefix("[").partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


# Guard of bodies. A stranger may send one to any address, and Django reads it before it asks who
# sends

KIB = 1024
# A body may take BODY_S, and longer while it comes at this rate.
BODY_S = 20.0
BYTES_PER_S = 16 * KIB
# Bodies that are on their way. The oldest ones above a limit are given up, never the newest: a
# client that sends whole requests is not kept out by one that does not. Of one client only requests
# that are open for SLOW_S seconds: many hosts may send from one address.
MOST_OF_A_CLIENT, SLOW_S = 32, 2.0
MOST_OF_ALL = 512
MOST_BYTES = 64 * 1024 * KIB
IMPORT_BYTES = 32 * 1024 * KIB
GATEWAY_BYTES = 4 * 1024 * KIB  # an image in a question is a part of its JSON
# For a client that is still sending to read the answer.
DRAIN_BYTES, DRAIN_S = 8 * 1024 * KIB, 2.0

_TEXTS = {
    408: gettext_noop("Request body incomplete: too slow, or too many at once. Send it again."),
    413: gettext_noop("Request body too large: at most %(bytes)s bytes."),
    429: gettext_noop("Too many requests at once. Try again in a moment."),
}


class _NotTaken(Exception):
    """The request is refused with ``status``."""

    def __init__(self, status: int, **args: Any) -> None:
        super().__init__(status)
        self.status = status
        self.args_for_people = args


@dataclass(frozen=True, slots=True)
class Route:
    """Limits of a path: bytes of a body, and requests of one client at once; None: any number.
    ``is_openai``: its refusals have the shape of OpenAI's errors."""

    start: str
    most_bytes: int
    most_running: int | None = None
    is_openai: bool = False


# By the begin of the path; else Django's own limit of a form or JSON, above a chunk of the intake.
# An import may be an archive; its first limit is that all bodies together hold MOST_BYTES.
# Each login keeps a processor busy for a part of a second.
ROUTES = (
    Route("/login/", 16 * KIB, 8),
    Route("/account/", 16 * KIB, 8),
    Route("/people/", 16 * KIB, 8),
    Route("/logout/", 16 * KIB),
    Route("/language/", 16 * KIB),
    Route("/relay/", 16 * KIB),
    Route("/results/import/", IMPORT_BYTES, 4),
    Route("/api/v1/imports", IMPORT_BYTES, 4),
    Route("/playground/import/", IMPORT_BYTES, 4),
    Route("/api/v1/conversations/import", IMPORT_BYTES, 4),
    Route("/v1/", GATEWAY_BYTES, is_openai=True),
    Route("/healthz", 0),
    Route("/", settings.DATA_UPLOAD_MAX_MEMORY_SIZE),
)


class Guard:
    """An ASGI application that limits bodies: size by path, time, number."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._bodies: dict[_Body, None] = {}  # on their way, the oldest first
        self._running: Counter[tuple[str, str]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        body = _Body(self, scope, receive, send)
        try:
            body.check_size()
            await self._app(scope, body.receive, body.send)
        except _NotTaken as refused:
            logger.debug(
                "%s %s from %s: %s", scope["method"], scope["path"], body.client, refused.status
            )
            if body.is_answered:
                raise  # the server closes the connection
            await _refuse(scope, receive, send, refused, is_openai=body.route.is_openai)
        finally:
            self.leave(body)
            if body.is_running:
                key = body.client, body.route.start
                self._running[key] -= 1
                if not self._running[key]:
                    del self._running[key]

    def enter(self, body: _Body) -> None:
        self._bodies[body] = None
        if len(self._of(body.client)) > MOST_OF_A_CLIENT:
            asyncio.get_running_loop().call_later(SLOW_S, self._trim, body.client)
        if len(self._bodies) > MOST_OF_ALL:
            next(iter(self._bodies)).give_up()

    def grown(self) -> None:
        """Give up the oldest body where all together hold too much."""
        if sum(each.received for each in self._bodies) > MOST_BYTES:
            next(iter(self._bodies)).give_up()

    def leave(self, body: _Body) -> None:
        """Forget a body that is whole, or whose request is over."""
        self._bodies.pop(body, None)

    def start(self, body: _Body) -> None:
        """Count a request whose body is whole. Raises ``_NotTaken``: too many of a client run."""
        most = body.route.most_running
        if most is None:
            return
        if self._running[body.client, body.route.start] >= most:
            raise _NotTaken(429)
        self._running[body.client, body.route.start] += 1
        body.is_running = True

    def _of(self, client: str) -> list[_Body]:
        return [each for each in self._bodies if each.client == client]

    def _trim(self, client: str) -> None:
        """Give up the oldest bodies above the limit of a client, of those that are slow."""
        before = asyncio.get_running_loop().time() - SLOW_S
        for body in self._of(client)[:-MOST_OF_A_CLIENT]:
            if body.began is not None and body.began <= before:
                body.give_up()


class _Body:
    """The body of one request on its way to the application."""

    def __init__(self, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
        self.client = str(scope["client"][0]) if scope.get("client") else ""
        path = scope["path"].removeprefix(settings.FORCE_SCRIPT_NAME or "")
        self.route = next((one for one in ROUTES if path.startswith(one.start)), ROUTES[-1])
        self.received = 0
        self.is_answered = self.is_running = False
        self._guard = guard
        self._receive = receive
        self._send = send
        self._declared, is_chunked = _length(scope)
        self._is_whole = not self._declared and not is_chunked
        self._is_given_up = False
        self._timeout: asyncio.Timeout | None = None
        self.began: float | None = None

    def check_size(self, more: int = 0) -> None:
        """Raise ``_NotTaken`` for a body that is too large, or declares to be."""
        if max(self._declared, self.received + more) > self.route.most_bytes:
            raise _NotTaken(413, bytes=self.route.most_bytes)

    def send(self, message: MutableMapping[str, Any]) -> Awaitable[None]:
        """Pass an answer on. Not a coroutine of its own: each token of a chat passes here."""
        self.is_answered = True
        return self._send(message)

    async def receive(self) -> MutableMapping[str, Any]:
        """The next piece. Raises ``_NotTaken``: it is too late or too large, or too many run."""
        if self._is_whole:
            return await self._receive()
        if self._is_given_up:
            raise _NotTaken(408)
        if self.began is None:
            self.began = asyncio.get_running_loop().time()
            self._guard.enter(self)
        try:
            async with asyncio.timeout_at(self._deadline()) as self._timeout:
                message = await self._receive()
        except TimeoutError:
            raise _NotTaken(408) from None
        finally:
            self._timeout = None
        count = len(message.get("body", b""))
        self.check_size(count)
        self.received += count
        if message["type"] != "http.request" or not message.get("more_body"):
            self._is_whole = True
            self._guard.leave(self)
            self._guard.start(self)
        else:
            self._guard.grown()
        return message

    def _deadline(self) -> float:
        if self._is_given_up or self.began is None:
            return 0.0
        return self.began + BODY_S + self.received / BYTES_PER_S

    def give_up(self) -> None:
        self._is_given_up = True
        self._guard.leave(self)
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(0.0)


def _length(scope: Scope) -> tuple[int, bool]:
    """Return the size that a body declares, and True for one of unknown size."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return 0, True
    declared = number_from(headers.get(b"content-length", b"0").decode("latin-1"))
    return (0, True) if declared is None else (declared, False)


async def _refuse(
    scope: Scope, receive: Receive, send: Send, refused: _NotTaken, *, is_openai: bool
) -> None:
    """Answer. Then take what still comes: a client that sends reads nothing before it has ended."""
    request = ASGIRequest({"query_string": b"", **scope}, BytesIO())
    with translation.override(translation.get_language_from_request(request)):
        text = translation.gettext(_TEXTS[refused.status]) % refused.args_for_people
    content_type, body = b"text/plain; charset=utf-8", f"{text}\n".encode()
    if is_openai:
        error = {"message": text, "type": "invalid_request_error", "param": None, "code": None}
        content_type, body = b"application/json", json.dumps({"error": error}).encode()
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    if refused.status == 429:
        headers.append((b"retry-after", b"2"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    drained = 0
    with suppress(TimeoutError):  # it was answered; its connection is closed while it sends on
        async with asyncio.timeout(DRAIN_S):
            while refused.status != 408 and drained < DRAIN_BYTES:
                message = await receive()
                drained += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    break
    await send({"type": "http.response.body", "body": b""})
