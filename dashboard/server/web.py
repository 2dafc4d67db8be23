"""The web server's process: uvicorn on a socket that the supervisor listens on.

While this process is away, for a restart or after a crash, connections wait in that socket's queue
and are served by its successor.
"""

from __future__ import annotations

import socket
import sys

import uvicorn

from dashboard.server.http_protocol import HeadProtocol

WS_BYTES = 4096  # pages send pings only


def main(descriptor: int) -> None:
    """Serve on the listening socket with this descriptor until SIGTERM."""
    config = uvicorn.Config(
        "dashboard.asgi:application",
        http=HeadProtocol,
        ws="websockets-sansio",
        ws_max_size=WS_BYTES,
        ws_per_message_deflate=False,  # costs CPU a client; measured in docs/decisions
        timeout_graceful_shutdown=5,
        access_log=False,
        proxy_headers=False,  # dashboard.server.proxies decides whose headers count
        log_level="warning",
        lifespan="off",
        log_config=None,  # Django's settings set up logging
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]))
