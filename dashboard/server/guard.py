"""Guard of request bodies, before anything reads them: size by path, time, and half-sent requests.

A stranger may send a body to any address, and Django reads it before it asks who sends. What is
refused here gets its answer, and the connection is closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, MutableMapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.utils import translation
from django.utils.translation import gettext_noop

from dashboard.server.static_files import App, Receive, Scope, Send
from jobs.base.numbers import number_from

logger = logging.getLogger(__name__)

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
    """Limits of a path: bytes of a body, and requests of one client that run at once.

    ``most_running`` is None for any number.
    """

    start: str
    most_bytes: int
    most_running: int | None = None


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
    Route("/healthz", 0),
    Route("/", settings.DATA_UPLOAD_MAX_MEMORY_SIZE),
)


class Guard:
    """An ASGI application in front of ``app``. ``scope["client"]`` is who sends."""

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
            await _refuse(scope, receive, send, refused)
        finally:
            self.leave(body)
            if body.is_running:
                self._stop(body)

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

    def _stop(self, body: _Body) -> None:
        key = body.client, body.route.start
        self._running[key] -= 1
        if not self._running[key]:
            del self._running[key]

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
        self.route = _route(scope["path"])
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
        """Raise ``_NotTaken`` for a body that is too large, or says so."""
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


def _route(path: str) -> Route:
    below = path.removeprefix(settings.FORCE_SCRIPT_NAME or "")
    return next((route for route in ROUTES if below.startswith(route.start)), ROUTES[-1])


def _length(scope: Scope) -> tuple[int, bool]:
    """Return the size that a body declares, and True for one of unknown size."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return 0, True
    declared = number_from(headers.get(b"content-length", b"0").decode("latin-1"))
    return (0, True) if declared is None else (declared, False)


async def _refuse(scope: Scope, receive: Receive, send: Send, refused: _NotTaken) -> None:
    """Answer. Then take what still comes: a client that sends reads nothing before it has ended."""
    request = ASGIRequest({"query_string": b"", **scope}, BytesIO())
    with translation.override(translation.get_language_from_request(request)):
        text = translation.gettext(_TEXTS[refused.status]) % refused.args_for_people
    body = f"{text}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    if refused.status == 429:
        headers.append((b"retry-after", b"2"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    drained = 0
    try:
        async with asyncio.timeout(DRAIN_S):
            while refused.status != 408 and drained < DRAIN_BYTES:
                message = await receive()
                drained += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    break
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b""})
