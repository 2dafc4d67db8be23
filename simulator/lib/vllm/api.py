"""The OpenAI-compatible API of ``vllm serve``, of both generations."""

import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.lib import world
from simulator.lib.http import Answer, Asked
from simulator.lib.vllm import reasoning, tokens
from simulator.lib.vllm.engine import Engine, EngineDeadError, Request

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
ROUTES = {
    "/openapi.json": "GET, HEAD",
    "/docs": "GET, HEAD",
    "/docs/oauth2-redirect": "GET, HEAD",
    "/redoc": "GET, HEAD",
    "/health": "GET",
    "/ping": "POST, GET",
    "/tokenize": "POST",
    "/detokenize": "POST",
    "/v1/models": "GET",
    "/version": "GET",
    CHAT: "POST",
    COMPLETIONS: "POST",
    "/v1/embeddings": "POST",
    "/pooling": "POST",
    "/score": "POST",
    "/v1/score": "POST",
    "/rerank": "POST",
    "/v1/rerank": "POST",
    "/v2/rerank": "POST",
    "/invocations": "POST",
}
OLD_TEMPLATE = 8  # tokens that the chat template adds


class RefusedError(Exception):
    """A request that gets an error instead of an answer."""

    def __init__(self, status: int, message: str, sort: str = "BadRequestError") -> None:
        super().__init__(message)
        self.status, self.message, self.sort = status, message, sort


@dataclass
class Api:
    """State of the server: ``names`` are those of the model, ``keys`` let a caller in."""

    engine: Engine
    version: str
    names: Sequence[str]
    root: str
    max_len: int
    keys: Sequence[str] = ()
    parser: str = ""

    def __post_init__(self) -> None:
        self._born = int(time.time())

    @property
    def is_old(self) -> bool:
        """True for 0.7.2."""
        return self.version.startswith("0.7")

    async def answer(self, asked: Asked) -> Answer:
        """Answer any request."""
        if asked.path.startswith("/v1") and self.keys:
            given = asked.headers.get("authorization", "")
            if given not in [f"Bearer {key}" for key in self.keys]:
                return Answer.of({"error": "Unauthorized"}, 401)
        try:
            return await self._route(asked)
        except RefusedError as error:
            return self._refusal(error)
        except EngineDeadError:
            return self._refusal(
                RefusedError(500, "EngineCore encountered an issue.", "InternalServerError")
            )

    async def _route(self, asked: Asked) -> Answer:
        path, method = asked.path, asked.method
        if path in ("/health", "/ping"):
            return Answer(503 if self.engine.dead else 200)
        if path == "/version":
            return Answer.of({"version": self.version, "note": world.MARK})
        if path == "/metrics":
            text = self.engine.metrics.text().encode()
            return Answer(body=text, sort="text/plain; version=0.0.4; charset=utf-8")
        if path == "/v1/models":
            return Answer.of({"object": "list", "data": [self._model(name) for name in self.names]})
        if path in (CHAT, COMPLETIONS, "/tokenize"):
            if method != "POST":
                return Answer.of({"detail": "Method Not Allowed"}, 405)
            body = _body(asked, self.is_old)
            if path == "/tokenize":
                pieces = tokens.split(_text_of(body))
                return Answer.of(
                    {
                        "count": len(pieces),
                        "max_model_len": self.max_len,
                        "tokens": list(range(len(pieces))),
                    }
                )
            return await self._complete(body, chat=path == CHAT)
        return Answer.of({"detail": "Not Found"}, 404)

    def _model(self, name: str) -> dict[str, Any]:
        permission = {
            "id": f"modelperm-{world.MARK}",
            "object": "model_permission",
            "created": self._born,
            "allow_create_engine": False,
            "allow_sampling": True,
            "allow_logprobs": True,
            "allow_search_indices": False,
            "allow_view": True,
            "allow_fine_tuning": False,
            "organization": "*",
            "group": None,
            "is_blocking": False,
        }
        return {
            "id": name,
            "object": "model",
            "created": self._born,
            "owned_by": "vllm",
            "root": self.root,
            "parent": None,
            "max_model_len": self.max_len,
            "permission": [permission],
        }

    def _refusal(self, error: RefusedError) -> Answer:
        fields = {"message": error.message, "type": error.sort, "param": None, "code": error.status}
        shape = {"object": "error", **fields} if self.is_old else {"error": fields}
        return Answer.of(shape, error.status)

    # -- generation -------------------------------------------------------------------------------

    async def _complete(self, body: dict[str, Any], *, chat: bool) -> Answer:
        wanted = "messages" if chat else "prompt"
        if wanted not in body:
            raise RefusedError(400, _missing(wanted, body, self.is_old), _bad(self.is_old))
        name = body.get("model") or self.names[0]
        if name not in self.names:
            raise RefusedError(404, f"The model `{name}` does not exist.", "NotFoundError")
        request = self._request(body, chat=chat)
        key = f"{'chatcmpl' if chat else 'cmpl'}-{uuid.uuid4().hex}"
        if body.get("stream"):
            events = self._stream(request, body, key, name, chat=chat)
            return Answer(sort="text/event-stream; charset=utf-8", stream=events)
        return await self._whole(request, key, name, chat=chat)

    def _request(self, body: dict[str, Any], *, chat: bool) -> Request:
        prompt = _text_of(body)
        count = tokens.count(prompt) + (OLD_TEMPLATE if chat else 1)
        most = self.max_len - count
        given = body.get("max_completion_tokens") or body.get("max_tokens")
        asked_for = int(given) if given else (most if chat else 16)
        if most < 1 or (given and asked_for > most):
            what = "messages" if chat else "prompt"
            total = count + (asked_for if given else 0)
            raise RefusedError(
                400,
                f"This model's maximum context length is {self.max_len} tokens. However, you "
                f"requested {total} tokens ({count} in the {what}, {max(0, total - count)} in the "
                f"completion). Please reduce the length of the {what} or completion.",
            )
        stop = body.get("stop") or ()
        return Request(
            prompt,
            count,
            asked_for,
            ignore_eos=bool(body.get("ignore_eos")),
            min_tokens=int(body.get("min_tokens") or 0),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            seed=body.get("seed") or 0,
        )

    def _splitter(self, *, chat: bool) -> reasoning.Splitter:
        return reasoning.Splitter(self.parser if chat else "", old=self.is_old)

    async def _whole(self, request: Request, key: str, name: str, *, chat: bool) -> Answer:
        splitter = self._splitter(chat=chat)
        text, finish, count = "", "stop", 0
        async for piece in self.engine.generate(request):
            text += piece.text
            count += piece.count
            finish = piece.finish or finish
        usage = _usage(request.prompt_tokens, count)
        if not chat:
            choice: dict[str, Any] = {"index": 0, "text": text}
        else:
            thought, content = splitter.whole(text)
            choice = {"index": 0, "message": self._message(thought, content)}
        choice |= {"logprobs": None, "finish_reason": finish, "stop_reason": None}
        sort = "chat.completion" if chat else "text_completion"
        return Answer.of(
            {
                "id": key,
                "object": sort,
                "created": int(time.time()),
                "model": name,
                "choices": [choice],
                "usage": usage,
                "prompt_logprobs": None,
                "system_fingerprint": world.MARK,
            }
        )

    def _message(self, thought: str | None, content: str | None) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant"}
        field = reasoning.field(self.version)
        if self.is_old or self.parser:
            message[field] = thought
        return {**message, "content": content, "tool_calls": []}

    async def _stream(
        self, request: Request, body: dict[str, Any], key: str, name: str, *, chat: bool
    ) -> AsyncIterator[bytes]:
        options = body.get("stream_options") or {}
        head = {
            "id": key,
            "object": "chat.completion.chunk" if chat else "text_completion",
            "created": int(time.time()),
            "model": name,
        }
        each = bool(options.get("continuous_usage_stats"))
        splitter = self._splitter(chat=chat)
        field = reasoning.field(self.version)
        count = 0
        async for piece in self.engine.generate(request):
            if chat and not count:  # with the first token, not before it
                yield _event(head, [_choice({"role": "assistant", "content": ""}, None)])
            count += piece.count
            finish = piece.finish or None
            usage = _usage(request.prompt_tokens, count) if each else None
            if not chat:
                choice = {
                    "index": 0,
                    "text": piece.text,
                    "logprobs": None,
                    "finish_reason": finish,
                    "stop_reason": None,
                }
                yield _event(head, [choice], usage)
                continue
            deltas = [
                {field if thought else "content": part}
                for thought, part in splitter.feed(piece.text)
            ]
            if not deltas and finish:
                deltas = [{"content": ""}]
            for at, delta in enumerate(deltas):
                yield _event(
                    head, [_choice(delta, finish if at == len(deltas) - 1 else None)], usage
                )
        if options.get("include_usage"):
            yield _event(head, [], _usage(request.prompt_tokens, count))
        yield b"data: [DONE]\n\n"


def _choice(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**choice, "stop_reason": None} if finish else choice


def _event(head: dict[str, Any], choices: list[Any], usage: dict[str, Any] | None = None) -> bytes:
    data: dict[str, Any] = {**head, "choices": choices}
    if usage:
        data["usage"] = usage
    return (
        b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
    )


def _usage(prompt: int, completion: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "total_tokens": prompt + completion,
        "completion_tokens": completion,
        "prompt_tokens_details": None,
    }


def _body(asked: Asked, old: bool) -> dict[str, Any]:
    try:
        body = asked.json()
    except ValueError as error:
        raise RefusedError(
            400, f"[{{'type': 'json_invalid', 'msg': 'JSON decode error: {error}'}}]", _bad(old)
        ) from None
    if not isinstance(body, dict):
        raise RefusedError(400, "[{'type': 'model_attributes_type'}]", _bad(old))
    return body


def _bad(old: bool) -> str:
    return "BadRequestError" if old else "Bad Request"


def _missing(name: str, body: dict[str, Any], old: bool) -> str:
    shown = str({key: body[key] for key in list(body)[:2]})[:120]
    what = {"type": "missing", "loc": ("body", name), "msg": "Field required"}
    if old:
        return f"[{str(what)[:-1]}, 'input': {shown}}}]"
    return f"1 validation error:\n  {str(what)[:-1]}, 'input': {shown}}}"


def _text_of(body: dict[str, Any]) -> str:
    """The prompt as the model reads it; earlier thoughts are no part of it."""
    if "messages" not in body:
        prompt = body.get("prompt", "")
        return prompt if isinstance(prompt, str) else str(prompt)
    parts = []
    for message in body["messages"]:
        content = message.get("content") if isinstance(message, dict) else ""
        if isinstance(content, list):
            content = "".join(str(part.get("text", "")) for part in content)
        parts.append(str(content or "").rpartition("</think>")[2])
    return "\n".join(parts)
