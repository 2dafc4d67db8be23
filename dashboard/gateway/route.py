"""The gateway: a bare ASGI route beside Django, in OpenAI's shapes.

================================  =================================================================
``GET /v1/models``                served names and ids of the catalogue that the key may ask
``GET /v1/models/NAME``           one of them
``POST /v1/chat/completions``     passed on to the least busy of the equal deployments of ``model``
``POST /v1/completions``          likewise
``POST /v1/embeddings``           likewise; its engine may not have it
================================  =================================================================

A stream is passed on byte for byte. Before its first byte a failed engine is replaced by an equal
one; after it, never. Prompts and answers are not logged and not stored.
"""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any

import aiohttp
from pydantic_core import from_json

from dashboard.chat.engines import (
    CONNECT_TIMEOUT_S,
    SILENCE_TIMEOUT_S,
    TURN_TIMEOUT_S,
    Call,
    CheckedAddresses,
    KeyFilter,
    NotCallable,
    end_with_connection,
    resolved,
)
from dashboard.gateway.hold import candidates_after_benchmark
from dashboard.gateway.limits import check_limits, count_tokens
from dashboard.gateway.memory import (
    GatewayKey,
    GatewayTarget,
    candidates,
    keys,
    load_of,
    refuse_unknown,
    targets_of,
)
from dashboard.gateway.passing import PassedStream, Tokens, tokens_in
from dashboard.gateway.refusals import (
    GatewayRefusal,
    bad_request,
    rate_limited,
    unavailable,
    unknown_model,
)
from dashboard.gateway.use import add_beside, add_use
from dashboard.security.counters import hashed
from dashboard.security.listeners import Listener, TooManyError, session_guard
from dashboard.security.login_throttle import seconds_until_next_token
from dashboard.server.front import Receive, Scope, Send, send_whole, until_left
from jobs.base import bounds

CALLS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
MODELS = "/v1/models"
_STREAMED = CALLS[:2]
_JSON = b"application/json"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_MOST_OF_HEADER = 100
# An engine closes a kept connection after 5 s (vLLM, llama.cpp): this side closes it before.
_KEPT_CONNECTION_S = 3.0
_HERE_BYTES = 256 * 1024  # a longer body is parsed in a thread
# Statuses by which an engine, or a proxy before it, says that it cannot serve now.
_AWAY = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)

_session: tuple[asyncio.AbstractEventLoop, aiohttp.ClientSession] | None = None


async def gateway_application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the routes above."""
    request = _Request(scope, receive, send)
    try:
        await request.serve()
    except GatewayRefusal as refused:
        more = [*refused.headers, request.id_header]
        status = refused.status
        await send_whole(send, refused.body, status=status, content_type=_JSON, more=more)


class _Request:
    """One request, from its key to the end of its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._path: str = scope["path"]
        self._headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        given = self._headers.get(b"x-request-id", "")
        self._id = given if _REQUEST_ID.fullmatch(given) else f"req-{uuid.uuid4().hex}"
        self._is_streaming = self._is_whole = self._was_held = False
        self._tokens = Tokens(0, 0)

    @property
    def id_header(self) -> tuple[bytes, bytes]:
        return b"x-request-id", self._id.encode()

    async def serve(self) -> None:
        """Answer. Raises ``GatewayRefusal``."""
        is_list = self._path == MODELS or self._path.startswith(f"{MODELS}/")
        if not is_list and self._path not in CALLS:
            raise GatewayRefusal(HTTPStatus.NOT_FOUND, "not_found", f"Unknown path {self._path}.")
        method = "GET" if is_list else "POST"
        if self._scope["method"] != method:
            status, text = HTTPStatus.METHOD_NOT_ALLOWED, f"Use {method} for {self._path}."
            raise GatewayRefusal(status, "method_not_allowed", text)
        key = await self._key()
        if is_list:
            return await self._list(key)
        content = await self._body()
        too_long = len(content) > _HERE_BYTES
        asked = await asyncio.to_thread(_parsed, content) if too_long else _parsed(content)
        found = await candidates(key, asked["model"])
        await check_limits(key)
        try:
            listener = session_guard().enter(key.login, "gateway.use")
        except TooManyError:
            raise rate_limited("Too many open requests of this person.", 1) from None
        try:
            await self._ask_until_gone(key, found, content, asked, listener)
        finally:
            session_guard().leave(listener)
        return None

    async def _key(self) -> GatewayKey:
        scheme, _space, secret = self._headers.get(b"authorization", "").partition(" ")
        known = await keys.get(hashed(secret.strip())) if scheme.lower() == "bearer" else None
        if known is None:
            address = str(self._scope["client"][0]) if self._scope.get("client") else ""
            if wait_s := await asyncio.to_thread(seconds_until_next_token, address):
                raise rate_limited("Too many unknown API keys from your address.", wait_s)
        return refuse_unknown(known)

    async def _list(self, key: GatewayKey) -> None:
        found: dict[str, dict[str, Any]] = {}
        for one in await targets_of(key):
            for name in filter(None, (one.name, one.model_id)):
                if one.call is not None and key.may_ask(name, one.name):
                    entry = {"id": name, "object": "model", "created": one.since}
                    about = {"owned_by": "team", "max_model_len": one.context}
                    found.setdefault(name, entry | about)
        answer: dict[str, Any] = {"object": "list", "data": list(found.values())}
        if self._path != MODELS:
            name = self._path.removeprefix(f"{MODELS}/")
            if name not in found:
                raise unknown_model(name[:_MOST_OF_HEADER])
            answer = found[name]
        body = json.dumps(answer).encode()
        await send_whole(self._send, body, status=200, content_type=_JSON, more=[self.id_header])

    async def _body(self) -> bytes:
        """Return the body, whose size the guard of all bodies limits."""
        content = bytearray()
        while True:
            message = await self._receive()
            content += message.get("body", b"")
            if message["type"] != "http.request" or not message.get("more_body"):
                return bytes(content)

    async def _ask_until_gone(
        self,
        key: GatewayKey,
        found: Sequence[GatewayTarget],
        content: bytes,
        asked: dict[str, Any],
        listener: Listener,
    ) -> None:
        """Ask, until the client leaves or its key ends: then the engine's connection is closed."""
        work = asyncio.create_task(self._first_that_answers(key, found, content, asked))
        gone = asyncio.create_task(until_left(self._receive))
        ends: set[asyncio.Future[Any]] = {work, gone, listener.dismissed}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            work.cancel()
            with suppress(asyncio.CancelledError, GatewayRefusal):
                await work
            if listener.dismissed.done():
                await self._break_off(code="invalid_api_key", text="This key has ended.")
        finally:
            work.cancel()
            gone.cancel()
            await self._count(key, found[0].name)

    async def _count(self, key: GatewayKey, model: str) -> None:
        tokens = self._tokens
        held, failed = self._was_held, not self._is_whole
        add_use(key.owner, model, held=held, failed=failed, tokens=tokens)
        await count_tokens(key, tokens.prompt + tokens.completion)

    async def _first_that_answers(
        self,
        key: GatewayKey,
        found: Sequence[GatewayTarget],
        content: bytes,
        asked: dict[str, Any],
    ) -> None:
        """Pass on the answer of the first engine that gives one. Raises ``GatewayRefusal``."""
        self._was_held = found[0].is_closed
        if self._was_held:
            found = await candidates_after_benchmark(key, asked["model"], found)
        for target in found:
            load = load_of(target)
            load.open += 1
            if target.measured_by is not None:
                add_beside(target.measured_by, key.owner)
            try:
                return await self._ask_again_if_closed(target, content, asked)
            except _EngineAway:
                load.leave_out()
            finally:
                load.open -= 1
        raise unavailable("No engine of this model answers.", 5)

    async def _ask_again_if_closed(
        self, target: GatewayTarget, content: bytes, asked: dict[str, Any]
    ) -> None:
        """Ask once more where the engine closed a kept connection as the request came."""
        try:
            return await self._ask(target, content, asked)
        except _EngineAway as away:
            if not isinstance(away.__cause__, aiohttp.ServerDisconnectedError):
                raise
        return await self._ask(target, content, asked)

    async def _ask(self, target: GatewayTarget, content: bytes, asked: dict[str, Any]) -> None:
        assert target.call is not None  # noqa: S101 -- of a candidate
        headers = {
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "X-Request-Id": self._id,
        }
        if target.call.api_key:
            headers["Authorization"] = f"Bearer {target.call.api_key}"
        body, takes_usage = _sent(self._path, content, asked, target.name)
        url = target.call.url + self._path
        try:
            async with (
                _session_for(target.call) as http,
                http.post(url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                end_with_connection(response)
                _check_head(response)
                chunks: AsyncIterator[bytes] = response.content.iter_any()
                if target.call.api_key:
                    chunks = _filtered(chunks, KeyFilter(target.call.api_key))
                if response.content_type == "text/event-stream":
                    await self._pass_on(response, chunks, PassedStream(takes_usage=takes_usage))
                else:
                    await self._pass_whole(response, chunks)
        except (aiohttp.ClientError, TimeoutError, OSError, NotCallable) as error:
            if not self._is_streaming:
                raise _EngineAway from error
            await self._break_off("engine_failed", "The engine ended the stream before its end.")

    async def _pass_on(
        self, response: aiohttp.ClientResponse, chunks: AsyncIterator[bytes], stream: PassedStream
    ) -> None:
        """Pass a stream on as it comes. The engine waits while the client does not read."""
        first = await anext(chunks, None)
        if first is None:
            raise _EngineAway
        self._is_streaming = True
        more = [(b"x-accel-buffering", b"no")]
        await self._send_head(response, more)
        try:
            if data := stream.add(first):
                await self._send_piece(data)
            async for chunk in chunks:
                if data := stream.add(chunk):
                    await self._send_piece(data)
            if data := stream.end():
                await self._send_piece(data)
        finally:
            self._tokens = stream.tokens
        if not stream.is_whole:
            raise aiohttp.ClientPayloadError
        self._is_whole = response.status < HTTPStatus.BAD_REQUEST
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pass_whole(
        self, response: aiohttp.ClientResponse, chunks: AsyncIterator[bytes]
    ) -> None:
        """Pass an answer on when it has come: one that is cut becomes an error."""
        content = bytearray()
        async for chunk in chunks:
            content += chunk
            if len(content) > bounds.STREAM_BYTES:
                text = "The answer of the engine is too long."
                raise GatewayRefusal(HTTPStatus.BAD_GATEWAY, "engine_failed", text)
        self._tokens = tokens_in(bytes(content[-bounds.READ_HERE_BYTES :])) or self._tokens
        if response.status in _AWAY:
            raise _EngineAway
        self._is_whole = response.status < HTTPStatus.BAD_REQUEST
        self._is_streaming = True
        await self._send_head(response, [(b"content-length", str(len(content)).encode())])
        await self._send({"type": "http.response.body", "body": bytes(content)})

    async def _send_head(
        self, response: aiohttp.ClientResponse, more: list[tuple[bytes, bytes]]
    ) -> None:
        for name in ("Content-Type", "Retry-After"):
            if value := response.headers.get(name, "")[:_MOST_OF_HEADER]:
                more.append((name.lower().encode(), value.encode("latin-1", "replace")))
        more += [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
        head = {"status": response.status, "headers": [*more, self.id_header]}
        await self._send({"type": "http.response.start", **head})

    async def _send_piece(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def _break_off(self, code: str, text: str) -> None:
        """End a stream with an error event, or the request with an error."""
        refusal = GatewayRefusal(HTTPStatus.BAD_GATEWAY, code, text)
        if not self._is_streaming:
            raise refusal
        await self._send_piece(b"data: " + refusal.body + b"\n\n")
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class _EngineAway(Exception):
    """An engine that gave no answer. Another one may."""


@asynccontextmanager
async def _session_for(call: Call) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a session for the checked addresses of an endpoint, else that of this process. Raises
    ``NotCallable``."""
    ips = (await resolved(call)).ips
    if not ips:
        yield _http()
        return
    connector = aiohttp.TCPConnector(resolver=CheckedAddresses(ips))
    async with _new_session(connector) as session:
        yield session


def _http() -> aiohttp.ClientSession:
    """Return the session of this process: connections are kept for a moment, and have no limit of
    their own."""
    global _session
    loop = asyncio.get_running_loop()
    if _session is None or _session[0] is not loop:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_CONNECTION_S)
        _session = loop, _new_session(connector)
    return _session[1]


def _new_session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(
        total=TURN_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_TIMEOUT_S
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _check_head(response: aiohttp.ClientResponse) -> None:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if 300 <= response.status < 400 or encoding not in ("", "identity"):
        text = "The engine answered with a redirect or a compressed body."
        raise GatewayRefusal(HTTPStatus.BAD_GATEWAY, "engine_failed", text)


async def _filtered(chunks: AsyncIterator[bytes], key_filter: KeyFilter) -> AsyncIterator[bytes]:
    """Yield the bytes without the engine's key."""
    async for chunk in chunks:
        if data := key_filter.add(chunk):
            yield data
    if data := key_filter.end():
        yield data


def _parsed(content: bytes) -> dict[str, Any]:
    """Return a request's body. Raises ``GatewayRefusal``."""
    try:
        asked = from_json(content)
    except ValueError:
        raise bad_request("The body is not valid JSON.") from None
    if not isinstance(asked, dict):
        raise bad_request("The body must be a JSON object.")
    model, options = asked.get("model"), asked.get("stream_options")
    if not isinstance(model, str) or not model:
        raise bad_request("You must provide a model.", "model")
    if not isinstance(options, dict | None):
        raise bad_request("stream_options must be an object.", "stream_options")
    return asked


def _sent(path: str, content: bytes, asked: dict[str, Any], name: str) -> tuple[bytes, bool]:
    """Return the body for the engine, as it came where nothing is to be changed, and True if the
    token counts are asked for on behalf of the gateway."""
    options = asked.get("stream_options") or {}
    wants_usage = options.get("include_usage") is True
    takes_usage = asked.get("stream") is True and path in _STREAMED and not wants_usage
    if asked["model"] == name and not takes_usage:
        return content, False
    body = asked | {"model": name}
    if takes_usage:
        body["stream_options"] = options | {"include_usage": True}
    return json.dumps(body).encode(), takes_usage
