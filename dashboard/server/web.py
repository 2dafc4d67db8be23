"""The web server's process: uvicorn on a socket that the supervisor listens on, with limits.

While this process is away, for a restart or after a crash, connections wait in that socket's queue
and are served by its successor.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import struct
import sys
from importlib import import_module
from typing import Any

import uvicorn
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from dashboard.config.env import UMASK
from dashboard.server import wal

WS_BYTES = 4096  # pages send pings only
HEAD_S = 15.0
HEAD_BYTES = 64 * 1024
# A client that takes nothing of an answer for so long is gone, or holds the connection on purpose.
# TCP alone keeps one that only confirms probes.
DEAF_S = 300.0
# Connections of one address that wait for a head. Beyond it the oldest ones are closed, of those
# that wait for SLOW_S: after a restart a proxy connects for all its browsers at once.
MOST_OF_AN_ADDRESS, SLOW_S = 64, 2.0
# Longer than the pause between a host's heartbeats (2 s, more under load): a connection that the
# server closes just when a request comes looks to its host like an absent dashboard.
KEEP_ALIVE_S = 75

_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)

_waiting: dict[str, dict[HeadProtocol, None]] = {}  # by address, the oldest first


class HeadProtocol(HttpToolsProtocol):
    """One connection, with limits of time and size of a request's head, and of a deaf reader.

    uvicorn waits for ever for a client that has connected and not sent a whole head, takes a head
    of any size, and waits for ever for a client that takes nothing of its answer. A connection
    waits for a head from its begin on, and from the first byte of each further request. The limits
    of bodies are in :mod:`dashboard.server.front`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._is_in_head = True
        self._timer: asyncio.TimerHandle | None = None
        self._waits_since = 0.0
        self._address = ""
        self._deaf: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = str(self.client[0]) if self.client else ""
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES:
            self._close(_TOO_LARGE)
        elif self._timer is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        self._takes()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._deaf = self.loop.call_later(DEAF_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._takes()
        super().resume_writing()

    def on_message_begin(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._wait_no_more()
        super().on_headers_complete()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(HEAD_S, self._close, _TIMEOUT)
        self._waits_since = self.loop.time()
        own = _waiting.setdefault(self._address, {})
        own[self] = None
        if len(own) > MOST_OF_AN_ADDRESS:
            self.loop.call_later(SLOW_S, self._trim)

    def _trim(self) -> None:
        """Close the oldest connections above the limit of this address, of those that are slow."""
        before = self.loop.time() - SLOW_S
        for each in list(_waiting.get(self._address, ()))[:-MOST_OF_AN_ADDRESS]:
            if each._waits_since <= before:
                each._close(_TIMEOUT)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        own = _waiting.get(self._address, {})
        own.pop(self, None)
        if not own:
            _waiting.pop(self._address, None)

    def _takes(self) -> None:
        if self._deaf is not None:
            self._deaf.cancel()
            self._deaf = None

    def _close(self, answer: bytes) -> None:
        self._wait_no_more()
        if not self.transport.is_closing():
            if self._head_bytes:  # a browser may have connected in advance, and asked for nothing
                self.transport.write(answer)
            self.transport.close()


class PageProtocol(WebSocketsSansIOProtocol):
    """One socket of a page. Bytes go out behind their head without a copy: a hundred pages that
    show one log send the same object, which :mod:`websockets` would serialize a hundred times."""

    async def send(self, message: Any) -> None:
        data = message.get("bytes")
        if data is None or not self.handshake_complete or self.initial_response is not None:
            return await super().send(message)
        if not self.writable.is_set():
            await self.writable.wait()
        if self.disconnected or self.conn.state is not State.OPEN:
            raise ClientDisconnected
        self.transport.writelines((_head(len(data)), data))


def _head(size: int) -> bytes:
    """Head of a whole binary message to a browser (RFC 6455, 5.2)."""
    if size < 126:
        return bytes((0x82, size))
    if size < 65536:
        return struct.pack(">BBH", 0x82, 126, size)
    return struct.pack(">BBQ", 0x82, 127, size)


def config() -> uvicorn.Config:
    return uvicorn.Config(
        "dashboard.asgi:application",
        http=HeadProtocol,
        ws=PageProtocol,
        ws_max_size=WS_BYTES,
        ws_per_message_deflate=False,  # costs CPU a client; measured in docs/decisions
        timeout_graceful_shutdown=5,
        timeout_keep_alive=KEEP_ALIVE_S,
        access_log=False,
        proxy_headers=False,  # dashboard.server.front decides whose headers count
        log_level="warning",
        lifespan="off",
        log_config=None,  # Django's settings set up logging
    )


def main(descriptor: int) -> None:
    os.umask(UMASK)
    settled = config()
    settled.load()
    import_module(settings.ROOT_URLCONF)  # all pages: a broken one ends the start, no request
    wal.keep_open()
    gc.freeze()  # else each full collection walks all modules: 0.1 s without an answer
    uvicorn.Server(settled).run(sockets=[listener_of(descriptor)])


def listener_of(descriptor: int) -> socket.socket:
    """Return the listening socket; its connections inherit the limit of :data:`DEAF_S`."""
    listener = socket.socket(fileno=descriptor)
    if listener.family in (socket.AF_INET, socket.AF_INET6):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(DEAF_S * 1000))
    return listener


if __name__ == "__main__":
    main(int(sys.argv[1]))
