"""Calls of engines for chats: address and key, then requests with bounded bytes and times."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from django.contrib.auth.models import AbstractBaseUser
from pydantic_core import from_json

from jobs.access import secrets, sources
from jobs.base import bounds
from jobs.base.errors import LaunchError
from jobs.base.numbers import whole
from jobs.completions import CHAT_PATH
from jobs.host.run.redact import forms, unfinished
from jobs.models import Endpoint
from jobs.queries.chat import ChatEngine

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
TURN_TIMEOUT_S = 3600.0
# Between two parts of an answer. A full queue of the engine delays the first token for minutes.
SILENCE_TIMEOUT_S = 900.0
TOKENIZER_TIMEOUT = aiohttp.ClientTimeout(total=3.0)


class RefusedAnswer(Exception):
    """An answer that the dashboard does not read on. ``id``: of its message."""

    def __init__(self, message_id: str, detail: str = "") -> None:
        super().__init__(detail)
        self.id, self.detail = message_id, detail


_LONGEST_DELAY = 10  # letters of a header that says when to ask again


class TurnReader(Protocol):
    """Takes an engine's status and bytes. The engine waits while it ``is_ahead`` of the disk."""

    http_status: int
    retry_after: str  # the header; "" without one

    @property
    def is_ahead(self) -> bool: ...

    def add(self, chunk: bytes) -> None: ...

    async def wait_for_disk(self) -> None: ...


class Engine:
    """Engine of a turn: address, model, key. What it answers passes without the key."""

    def __init__(self, call: Call, model: str) -> None:
        self.url, self._model, self._api_key, self._ips = call.url, model, call.api_key, call.ips
        self.was_silent = call.was_silent
        self._filter = KeyFilter(call.api_key) if call.api_key else None

    def without_key(self, text: str) -> str:
        return self._filter.text(text) if self._filter else text

    async def chat(self, body: dict[str, Any], reader: TurnReader) -> None:
        """Give ``reader`` the status of the answer, then its bytes as they arrive. Callbacks
        instead of a generator: each token of a hundred chats passes here. Raises ``RefusedAnswer``:
        a redirect, a compressed answer, or too many bytes; ``ClientError``, ``TimeoutError``: see
        :meth:`failure`."""
        timeout = aiohttp.ClientTimeout(total=TURN_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
        size = of_line = 0
        key_filter = self._filter
        async with (
            self._session(timeout) as http,
            _silence_limited() as heard,
            self._post(http, CHAT_PATH, body) as response,
        ):
            end_with_connection(response)
            _refuse_head(response)
            reader.http_status = response.status
            reader.retry_after = response.headers.get("Retry-After", "")[:_LONGEST_DELAY]
            async for chunk in response.content.iter_any():
                if data := key_filter.add(chunk) if key_filter else chunk:
                    reader.add(data)
                size += len(chunk)
                end = chunk.rfind(b"\n")
                of_line = of_line + len(chunk) if end < 0 else len(chunk) - end - 1
                if size > bounds.STREAM_BYTES or of_line > bounds.ANSWER_BYTES:
                    raise RefusedAnswer("chat:too-long")
                if reader.is_ahead:
                    await reader.wait_for_disk()
                heard()
            if key_filter and (data := key_filter.end()):
                reader.add(data)

    async def tokens(self, *texts: str) -> list[int]:
        """Return the number of tokens of each text; none without a tokenizer. vLLM wants ``prompt``
        and answers ``count``, llama.cpp ``content`` and ``tokens``."""
        counts: list[int] = []
        try:
            async with self._session(TOKENIZER_TIMEOUT) as http:
                for text in texts:
                    body: dict[str, Any] = {"model": self._model, "prompt": text, "content": text}
                    body["add_special_tokens"] = False
                    async with self._post(http, "/tokenize", body) as response:
                        found = from_json(await _whole(response))
                        known = found if isinstance(found, dict) else {}
                        listed = known.get("tokens")
                        rest = len(listed) if isinstance(listed, list) else 0
                        counts.append(whole(known.get("count")) or rest)
        except (aiohttp.ClientError, TimeoutError, ValueError, RefusedAnswer):
            return []  # many engines have none; the page marks the shares as estimated
        return counts

    def _session(self, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
        connector = (
            aiohttp.TCPConnector(resolver=CheckedAddresses(self._ips)) if self._ips else None
        )
        return aiohttp.ClientSession(timeout=timeout, auto_decompress=False, connector=connector)

    def _post(
        self, http: aiohttp.ClientSession, path: str, body: dict[str, Any]
    ) -> aiohttp.client._RequestContextManager:
        headers = {"Accept-Encoding": "identity"}
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        return http.post(self.url + path, json=body, headers=headers, allow_redirects=False)

    def failure(self, error: BaseException) -> dict[str, Any]:
        """Return the error of a chat as stats of its turn."""
        message_id, detail = "chat:broken", repr(error)
        match error:
            case RefusedAnswer():
                message_id, detail = error.id, error.detail
            case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
                message_id, detail = "chat:unreachable", str(error)
            case TimeoutError():
                message_id, detail = "chat:timeout", ""
            case aiohttp.ClientResponseError():
                message_id, detail = "chat:no-http", str(error)
            case aiohttp.ClientPayloadError():  # its text is about the format of HTTP
                message_id, detail = "chat:cut", ""
            case aiohttp.ClientError():
                message_id, detail = "chat:cut", str(error)
        if message_id == "chat:broken":
            trace = "".join(traceback.format_exception(error))
            logger.error("request to the engine failed: %s", self.without_key(trace))
        detail = self.without_key(detail)[:200]
        return {"error_id": message_id, "error_detail": detail}


class CheckedAddresses(AbstractResolver):
    """Gives a host's name the addresses that were checked."""

    def __init__(self, ips: Sequence[str]) -> None:
        self._ips = ips

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        kinds = [(ip, socket.AF_INET6 if ":" in ip else socket.AF_INET) for ip in self._ips]
        return [
            ResolveResult(hostname=host, host=ip, port=port, family=kind, proto=0, flags=0)
            for ip, kind in kinds
        ]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def _silence_limited() -> AsyncIterator[Callable[[], None]]:
    """Raise RefusedAnswer in the block ``SILENCE_TIMEOUT_S`` after the last call of what it gives.
    One timer for many tokens: aiohttp's ``sock_read`` sets one for each."""
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


def end_with_connection(response: aiohttp.ClientResponse) -> None:
    """Let the content end when its connection does. After a wrong chunk, aiohttp 3.14 closes the
    connection, and a reader of the content would wait for as long as its timeouts allow."""
    connection, content = response.connection, response.content
    if connection is None or connection.protocol is None:
        return  # the answer has ended

    def end(done: asyncio.Future[None] | None = None) -> None:
        if done and not done.cancelled():
            done.exception()  # else asyncio prints that nobody took it
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("the connection ended"))

    closed = connection.protocol.closed
    if closed is None:
        end()
    else:
        closed.add_done_callback(end)


def _refuse_head(response: aiohttp.ClientResponse) -> None:
    if 300 <= response.status < 400:
        to = response.headers.get("Location", "")
        raise RefusedAnswer("chat:redirect", f"HTTP {response.status} {to}".strip())
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise RefusedAnswer("chat:compressed", encoding)


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    end_with_connection(response)
    _refuse_head(response)
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > bounds.TOKENS_BYTES:
            raise RefusedAnswer("chat:too-long")
    return bytes(content)


@dataclass(frozen=True, slots=True)
class Call:
    """Address of an engine, and the key that its requests carry; "" for none. ``ips``: what the
    host of ``url`` meant when it was checked; empty for a deployment. ``listed``: permitted
    endpoints, where the host is a name that :func:`resolved` is to look up. ``was_silent``: the
    last check of an endpoint, or the last chat, got no answer."""

    url: str
    api_key: str = field(default="", repr=False)
    ips: tuple[str, ...] = ()
    listed: tuple[str, ...] | None = None
    was_silent: bool = False


class NotCallable(Exception):
    """An engine that may not be called. ``id``: of a chat's message, which ``message_args`` fill;
    ``text``: for a form, "" for the message."""

    def __init__(
        self, message_id: str, text: str = "", args: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message_id)
        self.id, self.text, self.message_args = message_id, text, dict(args or {})


def call_of(engine: ChatEngine, user: AbstractBaseUser | None) -> Call:
    """Return how ``user`` may call ``engine`` now, by the rules of now; :func:`resolved` looks its
    name up. Raises ``NotCallable``."""
    if not engine.is_offered:
        raise NotCallable("chat:archived" if engine.endpoint else "chat:not-ready")
    if isinstance(engine.row, Endpoint):
        return _to_endpoint(engine.row, user)
    deployment = engine.row
    url, name = deployment.url_to_call, str((deployment.details or {}).get("api_key") or "")
    if not url:
        raise NotCallable("chat:address")
    return _with_key(Call(url), name, partial(secrets.engine_key, name, deployment))


def call_or_refusal(engine: ChatEngine | None, user: AbstractBaseUser | None) -> Call | NotCallable:
    """Return what :func:`call_of` returns or raises. An engine that is None is not ready."""
    try:
        return call_of(engine, user) if engine else NotCallable("chat:not-ready")
    except NotCallable as refused:
        return refused


async def resolved(call: Call) -> Call:
    """Return ``call`` with the addresses of its name, looked up once. Raises ``NotCallable``."""
    if call.listed is None:
        return call
    try:
        found = asyncio.wrap_future(sources.lookup(call.url))
        ips = await asyncio.wait_for(found, sources.LOOKUP_S)
        allowed = sources.callable_ips(call.url, ips, call.listed)
    except sources.SpecialAddress as error:
        raise NotCallable("chat:special", str(error), error.args_of_message) from None
    except OSError:  # also of a lookup that takes too long
        raise NotCallable("chat:unknown-name", "", {"url": call.url}) from None
    return replace(call, ips=allowed, listed=None)


def _to_endpoint(endpoint: Endpoint, user: AbstractBaseUser | None) -> Call:
    try:
        listed = tuple(sources.check_endpoint(endpoint.url))
        if sources.has_name(endpoint.url):
            call = Call(endpoint.url, listed=listed)
        else:
            call = Call(endpoint.url, ips=sources.resolve(endpoint.url, listed))
    except sources.SpecialAddress as error:
        raise NotCallable("chat:special", str(error), error.args_of_message) from None
    except LaunchError as error:
        raise NotCallable("chat:not-permitted", str(error), {"url": endpoint.url}) from None
    except OSError:
        raise NotCallable("chat:unknown-name", "", {"url": endpoint.url}) from None
    call = replace(call, was_silent=endpoint.check_id == Endpoint.SILENT)
    find = partial(secrets.endpoint_key_for, user, endpoint.api_key, endpoint.url)
    return _with_key(call, endpoint.api_key, find)


def _with_key(call: Call, name: str, find: Callable[[], str]) -> Call:
    try:
        return replace(call, api_key=find()) if name else call
    except secrets.SecretRefused as refused:
        raise NotCallable("chat:key", refused.text, {"name": name}) from None


# Bytes at the end of an answer that may begin the key and are passed on: they tell nothing.
_HARMLESS = 3


class KeyFilter:
    """Passes the bytes of one answer, with as many ``*`` for each form of the key. What may begin
    the key is held back until the next bytes come."""

    def __init__(self, key: str) -> None:
        self._forms = sorted(forms([key]), key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._forms)))
        self._held = b""

    def add(self, chunk: bytes) -> bytes:
        data = self._clean(self._held + chunk)
        end = len(data) - unfinished(data, self._forms)
        self._held = data[end:]
        return data[:end]

    def end(self) -> bytes:
        rest, self._held = self._held, b""
        return rest if len(rest) <= _HARMLESS else b"*" * len(rest)

    def text(self, text: str) -> str:
        return self._clean(text.encode(errors="surrogatepass")).decode(errors="surrogatepass")

    def _clean(self, data: bytes) -> bytes:
        return self._pattern.sub(lambda found: b"*" * len(found[0]), data)
