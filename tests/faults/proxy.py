"""A network that can be cut, reset, slowed down or spoilt: a TCP proxy, in a loop of its own."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
BLOCK = 65536
DISTANCE_S = 0.3


class Loop:
    """An event loop in a thread of its own, for proxies and viewers."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="network", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)

    def start(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)


class Proxy:
    """Passes bytes on to ``target()``: a port of this machine, or the path of a socket.

    ``mode``: "open"; "refused" (no connection is possible); "silent" (nothing is passed on, nothing
    ends); "slow" (each block half a second late); "distant" (each connection begins ``DISTANCE_S``
    late); "forgetful" (what is asked arrives, no answer
    does); "damaged" (every fifth compressed chunk has a wrong byte).
    """

    def __init__(self, loop: Loop, target: Callable[[], int | Path]) -> None:
        self._loop = loop
        self._target = target
        self.mode = "open"
        self.damaged = 0
        self._chunks = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = loop.run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def set(self, mode: str) -> None:
        """Change the network; connections end where it refuses or forgets."""
        self.mode = mode
        if mode in ("refused", "forgetful"):
            self.reset()

    def reset(self) -> None:
        """Every connection ends with a reset, as when a box in between restarts."""
        self._loop.run(self._reset())

    def close(self) -> None:
        self._server.close()
        self.reset()

    async def _reset(self) -> None:
        for writer in list(self._writers):
            _abort(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "refused":
            _abort(writer)
            return
        if self.mode == "distant":
            await asyncio.sleep(DISTANCE_S)
        try:
            onward = await self._connect()
        except OSError:
            _abort(writer)
            return
        self._writers |= {writer, onward[1]}
        pumps = [
            asyncio.create_task(self._pump(reader, onward[1], is_up=True)),
            asyncio.create_task(self._pump(onward[0], writer, is_up=False)),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        for end in (writer, onward[1]):
            self._writers.discard(end)
            with contextlib.suppress(OSError, RuntimeError):
                end.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        target = self._target()
        if isinstance(target, int):
            return await asyncio.open_connection("127.0.0.1", target)
        return await asyncio.open_unix_connection(str(target))

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_up: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(BLOCK):
                while self.mode == "silent":
                    await asyncio.sleep(0.05)
                if self.mode == "slow":
                    await asyncio.sleep(0.5)
                if self.mode == "forgetful" and not is_up:
                    _abort(writer)
                    return
                if self.mode == "damaged" and is_up:
                    data = self._spoil(data)
                writer.write(data)
                await writer.drain()

    def _spoil(self, data: bytes) -> bytes:
        at = data.find(ZSTD_MAGIC)
        if at < 0 or len(data) < at + 64:
            return data
        self._chunks += 1
        if self._chunks % 5:
            return data
        self.damaged += 1
        return data[: at + 60] + bytes([data[at + 60] ^ 0x55]) + data[at + 61 :]


def _abort(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
