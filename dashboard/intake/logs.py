"""Chunks of logs on a bare ASGI route: Django's own machinery costs more than the append.

Its view takes the first chunk of a log and one a second: it reads key, token and state, which
:mod:`dashboard.intake.chunks` remembers. The chunks between go to the same functions from here.
What is not remembered or cannot be taken goes to Django with its body, which answers it. So what a
host loses (key, job, claim) ends within a second, in each web process.
"""

import asyncio
import json
import re
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from django.conf import settings
from django.db import close_old_connections

from dashboard.intake import chunks
from dashboard.intake.chunks import Sender
from dashboard.server.front import App, Receive, Scope, Send
from jobs.base.numbers import number_from
from jobs.models import Host
from jobs.services.intake.streams import append_log

PATH = re.compile(r"/api/v1/host/(job|deployment)s/([0-9]{1,18})/streams/log")
# Each waits for the disk.
_THREADS = ThreadPoolExecutor(32, thread_name_prefix="logs")


class _Chunk(NamedTuple):
    sender: Sender
    offset: int
    length: int
    checksum: int


def log_chunks(app: App) -> App:
    """The application: chunks of remembered senders; all else is of ``app``."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        chunk = _chunk_of(scope)
        if chunk is None:
            return await app(scope, receive, send)
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        body = b"".join(message.get("body", b"") for message in messages)
        loop = asyncio.get_running_loop()
        size = await loop.run_in_executor(_THREADS, _append, chunk, body)
        if size is not None:
            return await _say(send, {"instance": chunk.sender.instance, "size": size})

        async def again() -> MutableMapping[str, Any]:
            return messages.pop(0) if messages else await receive()

        return await app(scope, again, send)

    return answer


def _chunk_of(scope: Scope) -> _Chunk | None:
    path = scope["path"].removeprefix(settings.FORCE_SCRIPT_NAME or "")
    match = PATH.fullmatch(path) if scope.get("method") == "POST" else None
    if match is None:
        return None
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    authorization, token = headers.get(b"authorization", ""), headers.get(b"x-token", "")
    sender = chunks.recall(f"{match[1]}/{match[2]}", authorization, token)
    if sender is None or headers.get(b"x-protocol") != str(Host.PROTOCOL):
        return None
    if headers.get(b"x-instance") != sender.instance:
        return None
    offsets = parse_qs(scope["query_string"].decode("latin-1")).get("offset", [])
    texts = (*offsets[:1], headers.get(b"x-raw-bytes", ""), headers.get(b"x-crc32", ""))
    numbers = [number for text in texts if (number := number_from(text)) is not None]
    return _Chunk(sender, *numbers) if len(numbers) == len(texts) == 3 else None


def _append(chunk: _Chunk, body: bytes) -> int | None:
    """Return the new size of the log; None: Django's view is to say what is wrong."""
    close_old_connections()
    try:
        data = chunks.unpacked(body, length=chunk.length, checksum=chunk.checksum)
        return append_log(chunk.sender.owner, offset=chunk.offset, data=data)
    except Exception:  # whatever it is: the view meets it again, and no byte comes twice
        chunks.forget(chunk.sender.owner.log_key)
        return None
    finally:
        close_old_connections()


async def _say(send: Send, data: dict[str, object]) -> None:
    body = json.dumps({**data, "protocol": Host.PROTOCOL}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"private, no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
