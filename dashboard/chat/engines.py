"""Requests to engines: no redirects, no compressed answers, bytes and times bounded."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from jobs.inference.completions import CHAT_PATH

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
TURN_TIMEOUT_S = 3600.0
# Between two parts of an answer. A full queue of the engine delays the first token for minutes.
SILENCE_TIMEOUT_S = 900.0
# The maximum of output tokens, 131,072 of about 300 bytes as events, takes 40 MB.
# A longer stream is no usable answer.
LONGEST_STREAM_BYTES = 64 * 1024 * 1024
# An event has a few tokens; an answer that is not streamed is one line of at most 1 MB.
LONGEST_LINE_BYTES = 4 * 1024 * 1024
TOKENIZER_TIMEOUT = aiohttp.ClientTimeout(total=3.0)
# A tokenizer returns each token as a number and a text.
LONGEST_TOKENS_BYTES = 16 * 1024 * 1024


class RefusedAnswer(Exception):
    """An answer that the dashboard does not read on. ``id``: of its message."""

    def __init__(self, message_id: str, detail: str = "") -> None:
        super().__init__(detail)
        self.id, self.detail = message_id, detail


class Reader(Protocol):
    """Takes the answer of an engine."""

    @property
    def is_ahead(self) -> bool:
        """True while the engine must wait for :meth:`room`."""

    def answered(self, http_status: int) -> None:
        """Take the status, before all bytes."""

    def add(self, chunk: bytes) -> None:
        """Take the next bytes."""

    async def room(self) -> None:
        """Wait until more bytes can be taken."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Engine address and parameters of a turn."""

    url: str
    model: str
    api_key: str

    @property
    def headers(self) -> dict[str, str]:
        """Return the fields of every request."""
        key = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        return {"Accept-Encoding": "identity", **key}

    async def chat(self, body: dict[str, Any], reader: Reader) -> None:
        """Give ``reader`` the status of the answer, then its bytes as they arrive.

        Callbacks instead of a generator: each token of a hundred chats passes here.

        Raises:
            RefusedAnswer: a redirect, a compressed answer, or too many bytes.
            aiohttp.ClientError, TimeoutError: see :func:`failure`.
        """
        timeout = aiohttp.ClientTimeout(total=TURN_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
        size = of_line = 0
        async with (
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as http,
            _silence_limited() as heard,
            self._post(http, CHAT_PATH, body) as response,
        ):
            _refuse_head(response)
            reader.answered(response.status)
            async for chunk in response.content.iter_any():
                reader.add(chunk)
                size += len(chunk)
                end = chunk.rfind(b"\n")
                of_line = of_line + len(chunk) if end < 0 else len(chunk) - end - 1
                if size > LONGEST_STREAM_BYTES or of_line > LONGEST_LINE_BYTES:
                    raise RefusedAnswer("chat:too-long")
                if reader.is_ahead:
                    await reader.room()
                heard()

    async def tokens(self, *texts: str) -> list[int]:
        """Return the number of tokens of each text; an empty list without a usable tokenizer.

        vLLM wants ``prompt`` and answers ``count``; llama.cpp wants ``content`` and answers
        ``tokens``.
        """
        counts = []
        try:
            async with aiohttp.ClientSession(
                timeout=TOKENIZER_TIMEOUT, auto_decompress=False
            ) as http:
                for text in texts:
                    body: dict[str, Any] = {"model": self.model, "prompt": text, "content": text}
                    body["add_special_tokens"] = False
                    async with self._post(http, "/tokenize", body) as response:
                        counts.append(_token_count(await _whole(response)))
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError, RefusedAnswer):
            return []
        return counts

    def _post(
        self, http: aiohttp.ClientSession, path: str, body: dict[str, Any]
    ) -> aiohttp.client._RequestContextManager:
        return http.post(self.url + path, json=body, headers=self.headers, allow_redirects=False)


@asynccontextmanager
async def _silence_limited() -> AsyncIterator[Callable[[], None]]:
    """Raise RefusedAnswer in the block ``SILENCE_TIMEOUT_S`` after the last call of what it gives.

    One timer for many tokens: aiohttp's ``sock_read`` sets one for each.
    """
    loop = asyncio.get_running_loop()
    heard_at = loop.time()
    timer: asyncio.TimerHandle | None = None

    def heard() -> None:
        nonlocal heard_at
        heard_at = loop.time()

    def look() -> None:
        nonlocal timer
        left_s = heard_at + SILENCE_TIMEOUT_S - loop.time()
        if left_s > 0:
            timer = loop.call_later(left_s, look)
        else:
            limit.reschedule(0)

    try:
        async with asyncio.timeout(None) as limit:
            look()
            yield heard
    except TimeoutError:
        if limit.expired():
            raise RefusedAnswer("chat:silent") from None
        raise
    finally:
        if timer is not None:
            timer.cancel()


def _refuse_head(response: aiohttp.ClientResponse) -> None:
    """Refuse an answer by its status and headers."""
    if 300 <= response.status < 400:
        to = response.headers.get("Location", "")
        raise RefusedAnswer("chat:redirect", f"HTTP {response.status} {to[:200]}".strip())
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise RefusedAnswer("chat:compressed", encoding[:64])


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    _refuse_head(response)
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > LONGEST_TOKENS_BYTES:
            raise RefusedAnswer("chat:too-long")
    return bytes(content)


def _token_count(raw: bytes) -> int:
    """Return the tokenizer's count; 0 without one."""
    parsed = json.loads(raw)
    parsed = parsed if isinstance(parsed, dict) else {}
    tokens, count = parsed.get("tokens"), parsed.get("count")
    if isinstance(count, int) and count > 0:
        return count
    return len(tokens) if isinstance(tokens, list) else 0


def failure(error: BaseException) -> dict[str, Any]:
    """Return the error of an engine's answer as stats of a turn."""
    match error:
        case RefusedAnswer():
            return _stats(error.id, error.detail)
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return _stats("chat:unreachable", str(error))
        case TimeoutError():
            return _stats("chat:timeout")
        case aiohttp.ClientResponseError():
            return _stats("chat:no-http", str(error)[:200])
        case aiohttp.ClientError():
            return _stats("chat:cut", str(error))
    logger.error("request to the engine failed", exc_info=error)
    return _stats("chat:broken", repr(error)[:200])


def _stats(message_id: str, detail: str = "") -> dict[str, Any]:
    return {"error_id": message_id, "error_detail": detail}
