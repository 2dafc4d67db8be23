"""The limit of a live log: picows sends a file to all who are connected, and does nothing else.

``python -m tests.bench.broadcast``; order ``{"path", "seed", "sockets"}``. It prints its port. Who
connects is sent the first ``seed`` bytes; after a line on standard input all get the rest, in the
frames of a log socket (:func:`jobs.logstore.hub.frame`), as fast as the slowest takes them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import uvloop
from picows import WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from jobs.logstore.hub import MAX_FRAME_BYTES, frame


class Reader(WSListener):
    def __init__(self, first: bytes, readers: list[Reader]) -> None:
        self._first = first
        self._readers = readers
        self.writable = asyncio.Event()
        self.writable.set()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        transport.send(WSMsgType.BINARY, self._first)
        self._readers.append(self)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()


async def main() -> None:
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    readers: list[Reader] = []
    path, seed = Path(order["path"]), order["seed"]
    with path.open("rb") as file:
        first = frame(0, [], file.read(seed))

        def listener(_: WSUpgradeRequest) -> Reader:
            return Reader(first, readers)

        server = await ws_create_server(listener, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        offset = seed
        while data := file.read(MAX_FRAME_BYTES):
            message = frame(offset, [], data)
            offset += len(data)
            for reader in readers:
                reader.transport.send(WSMsgType.BINARY, message)
            for reader in readers:
                await reader.writable.wait()
        await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    uvloop.run(main())
