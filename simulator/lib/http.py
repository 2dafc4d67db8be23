"""A small HTTP/1.1 server for asyncio: requests in, JSON or a stream out."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from simulator.lib import world

BODY_MAX = 64 * 2**20


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    peer: str
    target: str = ""  # the path with its query, as access logs print it

    def json(self) -> object:
        """The body as JSON.

        Raises:
            ValueError: it is none.
        """
        return json.loads(self.body or b"null")


@dataclass
class Answer:
    """One response: whole (``body``), or in pieces as they come (``stream``)."""

    status: int = 200
    body: bytes = b""
    sort: str = "application/json"
    stream: AsyncIterator[bytes] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: object, status: int = 200) -> Answer:
        """A JSON response, in one line as the true servers write it."""
        return cls(status, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())

    @property
    def reason(self) -> str:
        """Reason phrase of the status."""
        return HTTPStatus(self.status).phrase


Handler = Callable[[Asked], Awaitable[Answer]]


class Server:
    """Serves ``handler``; ``on_answer`` gets each answer for the access log."""

    def __init__(
        self, handler: Handler, on_answer: Callable[[Asked, Answer], None], name: str = "uvicorn"
    ) -> None:
        self._handler, self._on_answer, self._name = handler, on_answer, name

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the other side closes it."""
        peername = writer.get_extra_info("peername") or ("127.0.0.1", 0)
        peer = f"{peername[0]}:{peername[1]}"
        with contextlib.suppress(
            ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            while (asked := await _read(reader, peer)) is not None:
                answer = await self._handler(asked)
                is_last = asked.headers.get("connection", "").lower() == "close"
                if is_last:  # said, as uvicorn does: else the client sends its next one here
                    answer.headers["connection"] = "close"
                self._on_answer(asked, answer)
                await self._write(writer, answer, reader)
                if is_last:
                    break
        writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    async def _write(
        self, writer: asyncio.StreamWriter, answer: Answer, reader: asyncio.StreamReader
    ) -> None:
        head = [f"HTTP/1.1 {answer.status} {answer.reason}", f"server: {self._name}"]
        head += [f"x-note: {world.MARK}", f"content-type: {answer.sort}"]
        head += [f"{name}: {value}" for name, value in answer.headers.items()]
        if answer.stream is None:
            head.append(f"content-length: {len(answer.body)}")
            writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + answer.body)
            await writer.drain()
            return
        head.append("transfer-encoding: chunked")
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n")
        try:
            async for piece in answer.stream:
                # A client that has left is noticed here, and its request aborted.
                if writer.is_closing() or reader.at_eof():
                    raise ConnectionResetError
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                if writer.transport.get_write_buffer_size() > 65536:
                    await writer.drain()
        finally:
            await answer.stream.aclose()  # type: ignore[attr-defined]
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def _read(reader: asyncio.StreamReader, peer: str) -> Asked | None:
    line = await reader.readline()
    if not line.strip():
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = {}
    while (line := await reader.readline()) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    size = min(int(headers.get("content-length") or 0), BODY_MAX)
    body = await reader.readexactly(size) if size else b""
    return Asked(method, target.partition("?")[0], headers, body, peer, target)
