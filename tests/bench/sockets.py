"""Many readers of one log in a process of their own: ``python -m tests.bench.sockets``.

Order: ``{"url", "headers": {name: value}, "sockets", "bytes"}``. Each socket takes frames
(:mod:`jobs.logstore.hub`) until it has ``bytes`` of them. It prints ``ready`` once every socket
has had a first frame, and at the end ``{"ended_at", "complete", "sha256s", "frames"}``: times are
of the monotonic clock, ``complete`` counts sockets without a gap or a repeat, ``frames`` are
``[socket, offset, bytes, arrived_at]`` where ``"frames": true`` was asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from jobs.logstore.hub import data_begins

HASHED = 3  # sockets whose bytes are hashed; of the others offsets and sizes are checked
CLOSED_EARLY_S = 120.0


class Page(WSListener):
    def __init__(self, number: int, all_pages: Pages) -> None:
        self.number = number
        self.at = 0
        self.is_broken = False
        self.digest = hashlib.sha256() if number < HASHED else None
        self._all = all_pages

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take one frame; picows holds its memory until this returns."""
        if frame.msg_type != WSMsgType.BINARY:
            return
        view = frame.get_payload_as_memoryview()
        begin = data_begins(view)
        offset, size = int.from_bytes(view[:8], "big"), len(view) - begin
        if self._all.frames is not None:
            self._all.frames.append((self.number, offset, size, time.monotonic()))
        self.is_broken |= offset != self.at
        if self.at == 0:
            self._all.begun += 1
        self.at += size
        if self.digest is not None:
            self.digest.update(view[begin:])
        if self.at >= self._all.wanted:
            self._all.ended(self)


class Pages:
    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.wanted = int(order["bytes"])
        self.frames: list[tuple[int, int, int, float]] | None = [] if order.get("frames") else None
        self.begun = 0
        self.done: list[Page] = []
        self.ended_at = 0.0
        self.all_done = asyncio.Event()

    def ended(self, page: Page) -> None:
        self.done.append(page)
        if len(self.done) == self.order["sockets"]:
            self.ended_at = time.monotonic()
            self.all_done.set()

    async def run(self) -> dict[str, Any]:
        transports = [await self._open(number) for number in range(self.order["sockets"])]
        while self.begun < self.order["sockets"]:
            await asyncio.sleep(0.01)
        print("ready", flush=True)
        await asyncio.wait_for(self.all_done.wait(), CLOSED_EARLY_S)
        for transport in transports:
            transport.disconnect()
        hashes = {page.digest.hexdigest() for page in self.done if page.digest}
        whole = [page for page in self.done if page.at == self.wanted and not page.is_broken]
        return {
            "ended_at": self.ended_at,
            "complete": len(whole),
            "sha256s": sorted(hashes),
            "frames": self.frames,
        }

    async def _open(self, number: int) -> WSTransport:
        transport, _ = await ws_connect(
            lambda: Page(number, self), self.order["url"], extra_headers=self.order["headers"]
        )
        return transport


async def main() -> None:
    print(json.dumps(await Pages(json.loads(sys.stdin.readline())).run()), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
