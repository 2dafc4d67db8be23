"""Asks an OpenAI-compatible server, one connection a request, and notes when each piece came."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from simulator.lib import world


@dataclass
class Reply:
    """One answer. Times are in our seconds; ``ttft`` and ``latency`` count from the sending."""

    ok: bool = False
    status: int = 0
    error: str = ""
    text: str = ""
    thought: str = ""
    prompt_tokens: int = 0
    output_tokens: int = 0
    ttft: float = 0.0
    latency: float = 0.0
    itl: list[float] = field(default_factory=list)
    start: float = 0.0
    stamps: list[float] = field(default_factory=list)  # of each piece, for rates over time
    body: str = ""


async def ask(
    url: str, body: dict[str, Any], *, key: str | None = None, timeout: float = 600.0
) -> Reply:
    """POST ``body`` to ``url``; never raises: what goes wrong is in the reply."""
    reply = Reply(start=time.perf_counter())
    try:
        await asyncio.wait_for(_ask(url, body, key, reply), timeout)
    except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ValueError) as error:
        reply.ok = False
        reply.error = _traceback(url, error)
    reply.latency = reply.latency or time.perf_counter() - reply.start
    return reply


async def _ask(url: str, body: dict[str, Any], key: str | None, reply: Reply) -> None:
    parts = urlsplit(url)
    number = parts.port or 80
    port = world.port(number)
    if port is None:
        raise ConnectionRefusedError(111, f"Connect call failed ('{parts.hostname}', {number})")
    reader, writer = await asyncio.open_connection(parts.hostname, port)
    try:
        data = json.dumps(body).encode()
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
            f"Connection: close\r\n"
        )
        if key is not None:
            head += f"Authorization: Bearer {key}\r\n"
        writer.write(head.encode() + b"\r\n" + data)
        await writer.drain()
        status = int((await reader.readline()).split(b" ")[1])
        headers = {}
        while (line := await reader.readline()).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        reply.status = status
        await _take(reader, headers, reply, stream=bool(body.get("stream")))
    finally:
        writer.close()


async def _take(
    reader: asyncio.StreamReader, headers: dict[str, str], reply: Reply, *, stream: bool
) -> None:
    if headers.get("transfer-encoding") != "chunked":
        size = int(headers.get("content-length") or 0)
        reply.body = (await reader.readexactly(size)).decode(errors="replace")
        if reply.status != 200:
            reply.error = HTTPStatus(reply.status).phrase
            return
        reply.ok = True
        reply.latency = time.perf_counter() - reply.start
        if not stream:
            _whole(json.loads(reply.body), reply)
        return
    last = reply.start
    while size := int((await reader.readline()).strip() or b"0", 16):
        piece = (await reader.readexactly(size + 2))[:-2]
        for event in piece.decode().split("\n\n"):
            text = event.removeprefix("data: ").strip()
            if not text or text == "[DONE]":
                continue
            data = json.loads(text)
            _usage(data, reply)
            if data.get("choices"):
                now = time.perf_counter()
                _piece(data["choices"][0], reply)
                reply.stamps.append(now)
                if reply.ttft:
                    reply.itl.append(now - last)
                else:
                    reply.ttft = now - reply.start
                last = now
    reply.ok = True
    reply.latency = last - reply.start


def _piece(choice: dict[str, Any], reply: Reply) -> None:
    delta = choice.get("delta") or {}
    reply.text += delta.get("content") or choice.get("text") or ""
    reply.thought += delta.get("reasoning_content") or delta.get("reasoning") or ""


def _whole(data: dict[str, Any], reply: Reply) -> None:
    choice = (data.get("choices") or [{}])[0]
    message = choice.get("message") or {}
    reply.text = message.get("content") or choice.get("text") or ""
    reply.thought = message.get("reasoning_content") or message.get("reasoning") or ""
    _usage(data, reply)


def _usage(data: dict[str, Any], reply: Reply) -> None:
    usage = data.get("usage")
    if usage:
        reply.prompt_tokens = usage["prompt_tokens"]
        reply.output_tokens = usage["completion_tokens"]


def _traceback(url: str, error: BaseException) -> str:
    """Return aiohttp's traceback of a failed connection, shortened to its ends."""
    parts = urlsplit(url)
    where = f"{parts.hostname}:{parts.port or 80}"
    if isinstance(error, ConnectionRefusedError):
        call = f"Connect call failed ('127.0.0.1', {parts.port or 80})"
        return (
            "Traceback (most recent call last):\n"
            '  File "aiohttp/connector.py", line 1122, in _wrap_create_connection\n'
            "    sock = await aiohappyeyeballs.start_connection(\n"
            f"ConnectionRefusedError: [Errno 111] {call}\n\n"
            "The above exception was the direct cause of the following exception:\n\n"
            "Traceback (most recent call last):\n"
            '  File "backend_request_func.py", line 380, in request\n'
            f"aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host {where} "
            f"ssl:default [{call}]\n"
        )
    return (
        "Traceback (most recent call last):\n"
        f"aiohttp.client_exceptions.ClientPayloadError: {type(error).__name__}: {error} ({where})\n"
    )
