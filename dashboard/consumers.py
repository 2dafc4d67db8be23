"""Sockets of pages: hints that something changed, and logs as they grow."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qs, urlsplit

from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, close_old_connections
from django.http.request import split_domain_port, validate_host
from django.urls import path, re_path

from dashboard.security.listeners import (
    FORBIDDEN,
    LOGGED_OUT,
    Login,
    TooManyError,
    of_each_loop,
    session_guard,
)
from dashboard.security.permissions import allowed
from jobs import notifications
from jobs.base.errors import DamagedLog
from jobs.base.numbers import number_from
from jobs.logstore import store
from jobs.logstore.hub import Hub
from jobs.models import Deployment, Job

logger = logging.getLogger(__name__)

# While notifications cannot arrive, pages reload at this interval.
NO_REDIS_RELOAD_S = 2.0
Notification = dict[str, Any]


# News


class Inbox:
    """Notifications for one page: the newest of each subject, so that a slow page costs little."""

    def __init__(self) -> None:
        self._pending: dict[str, Notification] = {}
        self._news = asyncio.Event()

    def put(self, subject: str, notification: Notification) -> None:
        """Add a notification; it replaces one of the same subject that was not taken yet."""
        self._pending[subject] = notification
        self._news.set()

    async def take(self) -> list[Notification]:
        """Wait for news and return all of it, oldest subject first."""
        await self._news.wait()
        self._news.clear()
        pending, self._pending = list(self._pending.values()), {}
        return pending


class Broadcaster:
    """Distributes the notifications of one event loop. Its listener runs as long as the loop."""

    def __init__(self) -> None:
        self.hub = Hub(store(), is_over)
        self._inboxes: set[Inbox] = set()
        self._last_reload_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._listen(), name="notifications")
        store().on_append(self._appended)

    def join(self) -> Inbox:
        """Return the notifications for one more page, from now on."""
        inbox = Inbox()
        self._inboxes.add(inbox)
        return inbox

    def leave(self, inbox: Inbox) -> None:
        self._inboxes.discard(inbox)

    def _appended(self, key: str) -> None:
        """Wake readers after an append of this process, without waiting for its notification."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self.hub.wake, key)

    async def _listen(self) -> None:
        while True:
            async for topic, data in notifications.listen():
                self._take(topic, data)
            self._take(notifications.AWAY, {})  # there is no Redis at all
            await asyncio.sleep(NO_REDIS_RELOAD_S)

    def _take(self, topic: str, data: Notification) -> None:
        if topic == "log":
            # Pages that show a log have a socket of their own; the others need not know.
            self.hub.wake(str(data.get("key", "")))
        elif topic == notifications.CONNECTED:
            self.hub.wake_all()
            self._send("missed", {"type": "missed"})
        elif topic == notifications.AWAY:
            if time.monotonic() - self._last_reload_at >= NO_REDIS_RELOAD_S:
                self._last_reload_at = time.monotonic()
                self._send("missed", {"type": "missed"})
        else:
            subject = f"{topic}:{data.get('id', data.get('name', data.get('job', '')))}"
            if topic in ("job", "deployment"):
                self.hub.wake(f"{topic}/{data.get('id')}", ended=True)
            self._send(subject, {"type": topic, **data})

    def _send(self, subject: str, notification: Notification) -> None:
        for inbox in self._inboxes:
            inbox.put(subject, notification)


broadcaster = of_each_loop(Broadcaster)


# Logs: their records, and rights to read them. Keys begin with "job" or "deployment"

RECORDS: dict[str, type[Job] | type[Deployment]] = {"job": Job, "deployment": Deployment}
ACTIONS = {"job": "job.view", "deployment": "deployment.view"}
# A server's log goes on after a restart; a job's never does.
MAY_GO_ON = {"job": False, "deployment": True}
_OVER: dict[str, set[str]] = {
    "job": {*Job.State.values} - {*Job.OPEN_STATES},
    "deployment": {Deployment.State.STOPPED, Deployment.State.FAILED, Deployment.State.LOST},
}


def find_record(kind: str, record_id: int) -> Any:
    model = RECORDS.get(kind)
    return model._default_manager.filter(pk=record_id).first() if model else None


@sync_to_async
def is_over(key: str) -> bool:
    """True when no more will come to this log. While the database is away: False."""
    kind, _slash, record_id = key.partition("/")
    close_old_connections()  # a socket outlives any one connection
    try:
        rows = RECORDS[kind]._default_manager.filter(pk=int(record_id))
        state = rows.values_list("state", flat=True).first()
    except DatabaseError as error:
        logger.warning("cannot check whether log %s has ended: %s", key, error)
        return False
    return state is None or state in _OVER[kind]


# Sockets

# Close codes after which a page does not reconnect, beside those of listeners;
# static/js/lib/live_socket.js knows the same.
OVER = 1000
BAD_REQUEST = 4400
NOT_FOUND = 4404
# A page that is closed with it comes back later: others of its person may be closed by then.
TOO_MANY = 4429
LONGEST_PING = 200

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[Any]]


class RefusedError(Exception):
    """A socket that cannot be served; its argument is the code to close with."""


class PageSocket(AsyncWebsocketConsumer):
    """A socket that is served by one task, from the handshake until it closes.

    Every socket is accepted first: a refused handshake reaches the browser without its code, and
    the page would try again for ever.
    """

    _task: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        await self.accept()
        self._task = asyncio.create_task(self._run())

    async def disconnect(self, code: int) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def subject(self) -> tuple[str, Any]:
        """Return the page's right: an action of :mod:`dashboard.security.permissions`, its object.
        Asked in a thread, of people who are logged in. Raises ``RefusedError``: there is no such
        thing."""
        raise NotImplementedError

    async def serve(self) -> int:
        """Send what there is to send; return the code to close with."""
        raise NotImplementedError

    async def send_message(self, kind: str, **data: Any) -> None:
        """Send ``{"type": kind, …}``. Waits while the page does not read."""
        await self.send(text_data=json.dumps({"type": kind, **data}))

    async def _run(self) -> None:
        try:
            await self.close(await self._serve_listener())
        except (OSError, RuntimeError, DatabaseError, DamagedLog) as error:
            # The page is gone, or log or database could not be read: it comes back by itself.
            if isinstance(error, DamagedLog | DatabaseError):
                logger.error("a page's socket is closed: %s", error)
            with contextlib.suppress(OSError, RuntimeError):
                await self.close(1011)

    async def _serve_listener(self) -> int:
        """Serve for as long as the page may listen; return the code to close with."""
        user: Any = self.scope["user"] or AnonymousUser()
        try:
            action, obj = await database_sync_to_async(self._permitted)(user)
        except RefusedError as refused:
            return int(refused.args[0])
        try:
            listener = session_guard().enter(Login.of(self.scope["session"], user), action, obj)
        except TooManyError:
            return TOO_MANY
        serving = asyncio.create_task(self.serve())
        try:
            await asyncio.wait({serving, listener.dismissed}, return_when=asyncio.FIRST_COMPLETED)
            return listener.dismissed.result() if listener.dismissed.done() else serving.result()
        finally:
            session_guard().leave(listener)
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError, RuntimeError):
                await serving

    def _permitted(self, user: Any) -> tuple[str, Any]:
        if not (user.is_authenticated and user.is_active):
            raise RefusedError(LOGGED_OUT)
        action, obj = self.subject()
        if not allowed(user, action, obj):
            raise RefusedError(FORBIDDEN)
        return action, obj


class UnknownSocket(PageSocket):
    """Any path that is no socket of the dashboard."""

    def subject(self) -> tuple[str, Any]:
        raise RefusedError(NOT_FOUND)


class LiveConsumer(PageSocket):
    """``ws/live/``: hints that something changed, the newest of each subject, for every page.

    To the page: ``{"type": topic, "age_ms": …, …}`` with the fields of :mod:`jobs.notifications`,
    ``age_ms`` being the time since the event; ``{"type": "missed"}``: hints may be lost, look at
    everything; ``{"type": "pong", "t": …, "at_ms": the server's clock}``. From the page:
    ``{"type": "ping", "t": its own clock}``. Half a round trip and the age of the hint are the
    delay that the page shows.
    """

    def subject(self) -> tuple[str, Any]:
        return "overview.view", None

    async def serve(self) -> int:
        source = broadcaster()
        inbox = source.join()
        try:
            await self.send_message("hello")
            while True:
                for notification in await inbox.take():
                    hint = dict(notification)
                    if happened_at := hint.pop("at", None):
                        hint["age_ms"] = round(max(0.0, time.time() - happened_at) * 1000, 1)
                    await self.send_message(hint.pop("type"), **hint)
        finally:
            source.leave(inbox)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answer a ping; anything else is ignored."""
        if not text_data or len(text_data) > LONGEST_PING:
            return
        try:
            message = json.loads(text_data)
        except ValueError:
            return
        if isinstance(message, dict) and message.get("type") == "ping":
            at_ms = time.time_ns() // 1_000_000
            await self.send_message("pong", t=message.get("t"), at_ms=at_ms)


class LogConsumer(PageSocket):
    """``ws/log/<job|deployment>/<id>/?from=OFFSET``: a log from an offset on, as it grows.

    To the page: binary frames as :mod:`jobs.logstore.hub` makes them; one text frame
    ``{"type": "end", "final": bool}`` when the record is closed and every byte was sent, and then
    the socket closes with 1000. ``final`` is false where a restart may go on with the same log.
    From the page: nothing.
    """

    kind = ""
    record_id = 0
    offset = 0

    def subject(self) -> tuple[str, Any]:
        self.kind = self.scope["url_route"]["kwargs"]["kind"]
        self.record_id = int(self.scope["url_route"]["kwargs"]["record_id"])
        given = parse_qs(self.scope["query_string"].decode("latin-1")).get("from", ["0"])[-1]
        offset = number_from(given)
        if offset is None:
            raise RefusedError(BAD_REQUEST)
        self.offset = offset
        record = find_record(self.kind, self.record_id)
        if record is None or record.removed_at is not None:
            raise RefusedError(NOT_FOUND)
        return ACTIONS[self.kind], record

    async def serve(self) -> int:
        frames = broadcaster().hub.follow(f"{self.kind}/{self.record_id}", self.offset)
        async with aclosing(frames):
            async for message in frames:
                await self.send(bytes_data=message)  # waits while the page does not read
        await self.send_message("end", final=not MAY_GO_ON[self.kind])
        return OVER


LOG_PATH = r"^ws/log/(?P<kind>job|deployment)/(?P<record_id>[0-9]{1,18})/$"

# For channels' URLRouter, which takes ASGI applications where Django's types expect views.
websocket_urlpatterns = [
    path("ws/live/", LiveConsumer.as_asgi()),  # type: ignore[arg-type]
    re_path(LOG_PATH, LogConsumer.as_asgi()),  # type: ignore[arg-type]
    # Last: without a match the router raises, which the browser gets as an internal error.
    re_path("", UnknownSocket.as_asgi()),  # type: ignore[arg-type]
]


def same_origin(app: App) -> App:
    """``app``, for pages of the address that they ask at, or of ``PUBLIC_URL``, alone. A browser
    sends the cookie to every port of a machine, and a model's server has pages too."""
    deny: Any = WebsocketDenier()

    async def answer(scope: Scope, receive: Any, send: Any) -> Any:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        fine = is_own(headers.get(b"origin", ""), headers.get(b"host", ""))
        return await (app if fine else deny)(scope, receive, send)

    return answer


def is_own(origin: str, host: str) -> bool:
    """True when a page of ``origin`` may ask ``host``, which is us under one of our names."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        netloc = urlsplit(origin).netloc
    except ValueError:
        return False
    name, _port = split_domain_port(host)
    return bool(netloc) and netloc == host and validate_host(name, settings.ALLOWED_HOSTS)
