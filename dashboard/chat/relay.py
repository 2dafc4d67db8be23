"""The chat relay: a bare ASGI route beside Django that passes an engine's bytes on.

==============================================  ===================================================
``POST /relay/turns/ID/start?from=OFFSET``       starts the turn if it was not, then its raw stream
``GET /relay/turns/ID/stream?from=OFFSET``       the raw stream from there, as it grows, to its end
``GET /relay/turns/ID/times?at=OFFSET,OFFSET``   ``{"ms": […]}``: when the bytes behind these came
``POST /relay/turns/ID/stop``                    closes the connection to the engine: 204
==============================================  ===================================================

The stream is what the engine sent, byte for byte; how the turn ended is in its row when the stream
is over. Rights are asked before the first byte, of :mod:`dashboard.chat.asked` where the question
is from a moment ago, else through Django; who loses them later
(:mod:`dashboard.security.listeners`) hears no more, and the turn goes on. Beside Django and not in
it: its response machinery costs a tenth of the rate at 100 streams (docs/decisions).
"""

import asyncio
import json
import re
from collections.abc import Coroutine
from http import HTTPStatus
from importlib import import_module
from io import BytesIO
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections, connections
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from dashboard.chat import turns
from dashboard.chat.asked import AskedTurn, take_asked
from dashboard.chat.engines import call_or_refusal
from dashboard.security import audit_log
from dashboard.security.listeners import Listener, Login, TooManyError, session_guard
from dashboard.security.permissions import allowed
from dashboard.security.request import logged_in
from dashboard.server.front import Receive, Scope, Send, send_whole, until_left
from jobs.base.numbers import number_from
from jobs.logstore import store
from jobs.models import Turn
from jobs.queries.chat import engine_of

PATH = re.compile(r"/relay/turns/([0-9]{1,18})/(start|stream|stop|times)")
CHECK_KEPT_S = 1.0  # until the rights of a turn that was started from memory are read
POLL_S = 0.2  # for a turn that another process is making
READ_BYTES = 256 * 1024
# What is read of a turn before its first byte; a long question and its answer are not.
_NEEDED = (
    *("state", "request", "conversation__user_id"),
    *("deployment__state", "deployment__details", "deployment__dashboard_url"),
    *("deployment__model_id", "deployment__host__type", "deployment__host__name"),
    *("endpoint__url", "endpoint__api_key", "endpoint__model_id", "endpoint__archived_at"),
    "endpoint__check_id",
)
_METHODS = {"start": "POST", "stream": "GET", "stop": "POST", "times": "GET"}
_MOST_OFFSETS = 8
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


async def relay_application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the routes above. Anything else below ``/relay/`` is answered with 404."""
    match = PATH.fullmatch(scope["path"])
    if match is None:
        return await _answer(send, HTTPStatus.NOT_FOUND)
    turn_id, verb = int(match[1]), match[2]
    if scope["method"] != _METHODS[verb]:
        return await _answer(send, HTTPStatus.METHOD_NOT_ALLOWED)
    request = ASGIRequest(scope, BytesIO())
    starts = verb == "start" and turns.began(turn_id) is None
    asked = _just_asked(request, turn_id) if starts else None
    is_from_memory = asked is not None
    if asked is None:
        asked = await sync_to_async(_asked)(request, turn_id, starts=starts)
    if asked is None:
        await sync_to_async(_record_refusal, thread_sensitive=False)(request)
        asked = HTTPStatus.NOT_FOUND
    if isinstance(asked, HTTPStatus):
        return await _answer(send, asked)
    if verb == "stop":
        if asked.is_open:
            await turns.stop(turn_id, expected=asked.expected)
        return await _answer(send, HTTPStatus.NO_CONTENT)
    if verb == "times":
        parts = request.GET.get("at", "").split(",")[:_MOST_OFFSETS]
        times = await turns.times_at(turn_id, [number_from(part) or 0 for part in parts])
        found = {"ms": [None if each is None else round(each * 1000, 3) for each in times]}
        body = json.dumps(found).encode()
        return await send_whole(send, body, status=200, content_type=b"application/json")
    guard = session_guard()
    if asked.call is not None:
        await turns.begin(turn_id, asked.call, asked.body, expected=asked.expected)
    try:
        listener = guard.enter(asked.login, "conversation.change", asked.conversation)
    except TooManyError:
        return await _answer(send, HTTPStatus.TOO_MANY_REQUESTS)
    if is_from_memory:
        guard.check_within(CHECK_KEPT_S)
    try:
        streaming = _Streaming(turn_id, asked.expected, _until_gone(receive, listener), send)
        await streaming.run(number_from(request.GET.get("from", "")) or 0)
    finally:
        guard.leave(listener)
    return None


def _record_refusal(request: ASGIRequest) -> None:
    """Record it, outside the thread that all chats share, and free the connection."""
    subject = f"{request.method} {request.path}"
    try:
        with audit_log.origin(request.META.get("REMOTE_ADDR", "")):
            audit_log.record_often(request.user, "access.refused", subject)
    finally:
        connections.close_all()


class _Guard(CsrfViewMiddleware):
    """Django's CSRF check, without its error page."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return HttpResponse(status=HTTPStatus.FORBIDDEN)


def _just_asked(request: ASGIRequest, turn_id: int) -> AskedTurn | HTTPStatus | None:
    """Return the turn if this login asked it a moment ago, when its rights were checked; else None.
    A request from another site gets its status."""
    found = take_asked(turn_id, request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    if found is None:
        return None
    return _refused(request) or found


def _refused(request: ASGIRequest) -> HTTPStatus | None:
    """Return the status for a request from another site or host name; None for our own pages."""
    guard = _Guard(_no_view)
    try:
        guard.process_request(request)
        is_foreign = guard.process_view(request, _no_view, (), {}) is not None
    except DisallowedHost:
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.FORBIDDEN if is_foreign else None


def _asked(request: ASGIRequest, turn_id: int, *, starts: bool) -> AskedTurn | HTTPStatus | None:
    """The turn, when the request comes from its owner's own page; else what to answer; None for a
    turn of another person. All that the database knows is read here: another thread would be a part
    of the wait for the first token. All chats share this thread: nothing here writes or asks the
    network."""
    close_old_connections()
    if status := _refused(request):
        return status
    sessions = import_module(settings.SESSION_ENGINE)
    request.session = sessions.SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    request.user = user = get_user(request)
    if not allowed(user, "playground.use"):
        return HTTPStatus.FORBIDDEN
    turn = (
        Turn.objects.select_related("conversation", "deployment__host", "endpoint")
        .only(*_NEEDED)
        .filter(pk=turn_id)
        .first()
    )
    if turn is None:
        return HTTPStatus.NOT_FOUND
    if not allowed(user, "conversation.change", turn.conversation):
        return None
    engine, is_open = engine_of(turn), turn.state == Turn.State.STREAMING
    return AskedTurn(
        Login.of(request.session, user),
        turn.conversation,
        turn.request,
        is_open=is_open,
        expected=engine is not None and engine.thinks,
        call=call_or_refusal(engine, logged_in(user)) if starts and is_open else None,
    )


def _no_view(request: HttpRequest) -> HttpResponse:
    """Stand where Django expects a view: only the guard around it is used."""
    return HttpResponse()


async def _answer(send: Send, status: HTTPStatus) -> None:
    body = b"" if status is HTTPStatus.NO_CONTENT else status.phrase.encode()
    await send_whole(send, body, status=status, content_type=b"text/plain")


class _Streaming:
    """One page's stream of a turn. ``expected``: its model thinks before it answers."""

    def __init__(
        self, turn_id: int, expected: bool, until_gone: Coroutine[Any, Any, None], send: Send
    ) -> None:
        self._turn_id = turn_id
        self._expected = expected
        self._until_gone = until_gone
        self._send = send

    async def run(self, offset: int) -> None:
        """Send what there is from ``offset`` on and what comes, until turn or browser ends."""
        headers = list(_HEADERS)
        age, size = turns.age(self._turn_id), await self._size()
        if age is not None:
            headers.append((b"x-turn-age-ms", f"{age * 1000:.0f}".encode()))
        headers.append((b"x-turn-size", str(size).encode()))
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.create_task(self._until_gone)
        try:
            offset = await self._live(offset, gone)
            await self._kept(offset, gone)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()

    async def _size(self) -> int:
        """Bytes that came before this page: when they did, only ``times`` knows."""
        if run := turns.running(self._turn_id):
            return run.size
        return await asyncio.to_thread(store().size, turns.key(self._turn_id))

    async def _piece(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def _live(self, offset: int, gone: asyncio.Task[None]) -> int:
        """From this process's memory, until the turn is closed. Returns how far it came. While a
        page does not read it holds one piece: neither all that comes meanwhile, nor a turn that has
        ended, of which the file has the rest."""
        gone.add_done_callback(self._wake)
        while not gone.done() and (run := turns.running(self._turn_id)):
            if offset >= run.begin:
                data = run.piece(offset, READ_BYTES)
            else:
                end, name = min(run.begin, offset + READ_BYTES), turns.key(self._turn_id)
                data = await asyncio.to_thread(store().read, name, offset, end)
                if not data:
                    break  # the file was removed
            if data:
                del run
                await self._piece(data)
                offset += len(data)
            else:
                await run.news()
        return offset

    def _wake(self, _gone: asyncio.Task[None]) -> None:
        if run := turns.running(self._turn_id):
            run.wake()

    async def _kept(self, offset: int, gone: asyncio.Task[None]) -> None:
        """From the file: a turn that ended, or one that another process is making."""
        logs, name = store(), turns.key(self._turn_id)
        while not gone.done():
            # The state first: what it says is over has all its bytes in the file.
            is_open = await sync_to_async(_is_open)(self._turn_id)
            while offset < (size := await asyncio.to_thread(logs.size, name)):
                end = min(size, offset + READ_BYTES)
                data = await asyncio.to_thread(logs.read, name, offset, end)
                await self._piece(data)
                offset += len(data)
            if not is_open:
                return
            if turns.is_abandoned(self._turn_id):
                await turns.close_abandoned(self._turn_id, expected=self._expected)
                return
            await asyncio.wait({gone}, timeout=POLL_S)


def _is_open(turn_id: int) -> bool:
    close_old_connections()
    return Turn.objects.filter(pk=turn_id, state=Turn.State.STREAMING).exists()


async def _until_gone(receive: Receive, listener: Listener) -> None:
    """Until the browser has left, or may not listen any more."""
    left = asyncio.create_task(until_left(receive))
    ends: set[asyncio.Future[Any]] = {left, listener.dismissed}
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        left.cancel()
