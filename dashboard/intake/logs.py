"""Chunks of logs on a bare ASGI route: Django's own machinery costs more than the append.

Its view takes the first chunk of a log and one a second: it reads key, token and state, which
:mod:`dashboard.intake.chunks` remembers. The chunks between go to the same functions from here.
What is not remembered or cannot be taken goes to Django with its body, which answers it. So what a
host loses (key, job, claim) ends a second later, in each web process.
"""

import asyncio
import json
import logging
import re
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from django.conf import settings
from django.db import close_old_connections

from dashboard.intake import chunks
from dashboard.server.front import App, Receive, Scope, Send, send_whole
from jobs.base.errors import JobsError
from jobs.base.numbers import number_from
from jobs.models import Host
from jobs.services.intake.streams import append_log

logger = logging.getLogger(__name__)

PATH = re.compile(r"/api/v1/host/(job|deployment)s/([0-9]{1,18})/streams/log")
MOST = 32  # appends at once, which wait for the disk; Django takes what is above
_THREADS = ThreadPoolExecutor(MOST, thread_name_prefix="logs")
BESIDE = (b"x-beside-django", b"1")  # in an answer of this route


class _Chunk(NamedTuple):
    """Headers and query of a chunk. ``sender``: arguments of :func:`chunks.recall`."""

    sender: tuple[str, str, str]
    instance: str
    offset: int
    length: int
    checksum: int


def log_chunks(app: App) -> App:
    """The application: chunks of remembered senders; all else is of ``app``."""
    running = 0

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal running
        chunk = _chunk_of(scope) if running < MOST else None
        if chunk is None:
            return await app(scope, receive, send)
        running += 1
        try:
            messages = [await receive()]
            while messages[-1].get("more_body"):
                messages.append(await receive())
            body = b"".join(message.get("body", b"") for message in messages)
            loop = asyncio.get_running_loop()
            size = await loop.run_in_executor(_THREADS, _append, chunk, body)
        finally:
            running -= 1
        if size is not None:
            return await _say(send, {"instance": chunk.instance, "size": size})

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
    key, token = headers.get(b"authorization", ""), headers.get(b"x-token", "")
    sender = (f"{match[1]}/{match[2]}", key, token)
    known = chunks.recall(*sender)
    if known is None or headers.get(b"x-protocol") != str(Host.PROTOCOL):
        return None
    if headers.get(b"x-instance") != known.instance:
        return None
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    texts = (query.get("offset", [""])[-1], headers.get(b"x-raw-bytes"), headers.get(b"x-crc32"))
    numbers = [number for text in texts if (number := number_from(text or "")) is not None]
    return _Chunk(sender, known.instance, *numbers) if len(numbers) == len(texts) else None


def _append(chunk: _Chunk, body: bytes) -> int | None:
    """Return the new size of the log; None: Django's view is to answer. A body may take minutes:
    the sender is asked for again."""
    known = chunks.recall(*chunk.sender)
    if known is None:
        return None
    close_old_connections()
    try:
        data = chunks.unpacked(body, length=chunk.length, checksum=chunk.checksum)
        return append_log(known.owner, offset=chunk.offset, data=data)
    except (JobsError, chunks.BadChunk):
        return None  # the view meets it again
    except Exception:
        logger.exception("%s at %s", chunk.sender[0], chunk.offset)
        return None
    finally:
        close_old_connections()


async def _say(send: Send, data: dict[str, object]) -> None:
    body = json.dumps({**data, "protocol": Host.PROTOCOL}).encode()
    length = (b"content-length", str(len(body)).encode())
    more = [length, (b"x-content-type-options", b"nosniff"), BESIDE]
    await send_whole(send, body, status=200, content_type=b"application/json", more=more)
