"""The web server's process: uvicorn on a socket that the supervisor listens on.

While this process is away, for a restart or after a crash, connections wait in that socket's queue
and are served by its successor.
"""

from __future__ import annotations

import os
import socket
import sys
from importlib import import_module

import uvicorn
from django.conf import settings

from dashboard.config.env import UMASK
from dashboard.server.http_protocol import HeadProtocol

WS_BYTES = 4096  # pages send pings only
# A client that takes nothing for so long is gone, or holds the connection on purpose.
DEAF_MS = 300_000


# Longer than the pause between a host's heartbeats (2 s, more under load): a connection that the
# server closes just when a request comes looks to its host like an absent dashboard.
KEEP_ALIVE_S = 75


def config() -> uvicorn.Config:
    """Return uvicorn's settings."""
    return uvicorn.Config(
        "dashboard.asgi:application",
        http=HeadProtocol,
        ws="websockets-sansio",
        ws_max_size=WS_BYTES,
        ws_per_message_deflate=False,  # costs CPU a client; measured in docs/decisions
        timeout_graceful_shutdown=5,
        timeout_keep_alive=KEEP_ALIVE_S,
        access_log=False,
        proxy_headers=False,  # dashboard.server.proxies decides whose headers count
        log_level="warning",
        lifespan="off",
        log_config=None,  # Django's settings set up logging
    )


def main(descriptor: int) -> None:
    """Serve on the listening socket with this descriptor until SIGTERM."""
    os.umask(UMASK)
    settled = config()
    settled.load()
    import_module(settings.ROOT_URLCONF)  # all pages: a broken one ends the start, no request
    uvicorn.Server(settled).run(sockets=[listener_of(descriptor)])


def listener_of(descriptor: int) -> socket.socket:
    """Return the listening socket; its connections inherit the limit of :data:`DEAF_MS`."""
    listener = socket.socket(fileno=descriptor)
    if listener.family in (socket.AF_INET, socket.AF_INET6):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAF_MS)
    return listener


if __name__ == "__main__":
    main(int(sys.argv[1]))
