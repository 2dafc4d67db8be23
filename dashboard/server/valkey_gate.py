"""The way of other hosts to the embedded Valkey: a limited number of connections.

Valkey has one limit for all of its clients, which one host or a stranger could use up. The
dashboard therefore uses Valkey's socket, and hosts come through this process.
"""

import asyncio
import contextlib
import resource
import socket
import sys
from collections import Counter

from jobs.base.engine_addresses import network

# A host's worker has four connections; many hosts may share an address.
MOST_OF_ADDRESS = 256
MOST = 2000  # of Valkey's 10,000
PIECE_BYTES = 16 * 1024
FIRST_S = 10.0  # to the first byte: a client begins with its login
KEEP_ALIVE_S = 300  # as Valkey asks clients that say nothing


class Gate:
    """Passes connections on to the Unix socket ``path``: at most ``most``, of one address less."""

    def __init__(self, path: str, most: int) -> None:
        self._path = path
        self._most = most
        self._open: Counter[str] = Counter()

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass a connection on until one of its ends is closed. One too many is closed at once."""
        address = network(str(writer.get_extra_info("peername")[0]))
        if self._open.total() >= self._most or self._open[address] >= MOST_OF_ADDRESS:
            writer.transport.abort()
            return
        self._open[address] += 1
        try:
            await self._pass(reader, writer)
        finally:
            self._open -= Counter([address])
            writer.transport.abort()  # one that does not read would stay open

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(FIRST_S):
                first = await reader.read(PIECE_BYTES)
            from_valkey, to_valkey = await asyncio.open_unix_connection(self._path)
        except OSError:  # silence; or Valkey restarts, and the host comes again
            return
        to_valkey.write(first)
        ways = [
            asyncio.create_task(_copy(reader, to_valkey)),
            asyncio.create_task(_copy(from_valkey, writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        to_valkey.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(PIECE_BYTES):
            writer.write(data)
            await writer.drain()


async def serve(listener: socket.socket, path: str) -> None:
    _soft, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_S)
    # Two files each, and Valkey has as many files as this process.
    gate = Gate(path, min(MOST, files // 4))
    server = await asyncio.start_server(gate.enter, sock=listener, limit=PIECE_BYTES)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2]))
