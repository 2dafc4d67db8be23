"""Requests to a deployed model, and what its answers mean.

One request shape (OpenAI's chat completions) and three answer shapes: a stream of server-sent
events, one of bare lines of JSON (llmdeploy's), and one JSON object. Reasoning comes in a field of
its own (``reasoning_content`` from llama.cpp and older vLLM, ``reasoning`` from newer vLLM) or
inside the text, between think tags.

:func:`split` has a twin for the browser, ``static/js/lib/reasoning.js``. Both are held to
``tests/data/reasoning_vectors.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

OPEN = "<think>"
CLOSE = "</think>"
SAMPLING = ("temperature", "top_p", "max_tokens", "seed")
REASONING_FIELDS = ("reasoning_content", "reasoning")
CHAT_PATH = "/v1/chat/completions"
_FENCE = re.compile(r"^\s{0,3}(```|~~~)", re.MULTILINE)
_LINES = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_LEADING_CLOSERS = re.compile(r"^(\s*</think>)+\s*")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer, without the reasoning: what later requests send back."""

    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole response, taken apart.

    ``finish_reason`` is "" when the engine never said one: the stream was cut. ``error`` is in the
    engine's words, "" when there was none. Token counts are the engine's own; None: it gave none.
    Offsets are bytes into the raw stream where an event of that sort began, None without one; a
    reply that was not streamed has none.
    """

    reasoning: str = ""
    answer: str = ""
    finish_reason: str = ""
    error: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    deltas: int = 0
    first_token_at: int | None = None
    first_answer_at: int | None = None
    last_token_at: int | None = None


def request_body(
    model: str,
    prompt: str,
    *,
    history: Sequence[Exchange] = (),
    params: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The body of a streamed chat request.

    Reasoning is never sent back: R1's authors advise against it, and its template drops it.
    ``params`` may hold ``system`` (text) and the names in ``SAMPLING``; the engine decides what is
    left empty.
    """
    params = params or {}
    messages: list[dict[str, str]] = []
    if params.get("system"):
        messages.append({"role": "system", "content": str(params["system"])})
    for exchange in history:
        messages.append({"role": "user", "content": exchange.prompt})
        messages.append({"role": "assistant", "content": exchange.answer})
    messages.append({"role": "user", "content": prompt})
    sampling = {name: params[name] for name in SAMPLING if params.get(name) not in (None, "")}
    return {
        "model": model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        **sampling,
    }


def split(text: str, *, ended: bool, expected: bool = False) -> tuple[str, str]:
    """Reasoning and answer of a text with think tags.

    The opening tag may be missing (the chat template wrote it into the prompt); the closing tag may
    never come; a tag inside code is text. While the text has not ``ended``, what could be half a
    tag is held back, and the text of a model that is ``expected`` to think counts as reasoning
    until the closing tag.
    """
    body = text.lstrip()
    if not ended and OPEN.startswith(body):
        return "", ""
    opened = body.startswith(OPEN)
    if opened:
        body = body[len(OPEN) :]
    close = _closing(body, fall_back=opened and ended)
    if close is not None:
        answer = body[close + len(CLOSE) :]
        return body[:close].strip(), without_leading_closers(answer, ended=ended)
    if not ended:
        body = _hold_back(body)
    thinks = opened or (expected and not ended)
    return (body.strip(), "") if thinks else ("", body)


def without_leading_closers(text: str, *, ended: bool) -> str:
    """``text`` without the closing tags that some engines leave at the start of an answer."""
    rest = _LEADING_CLOSERS.sub("", text).lstrip()
    return rest if ended else _hold_back(rest)


def _closing(body: str, *, fall_back: bool) -> int | None:
    """Where the closing tag begins. ``fall_back``: one in code will do when there is no other."""
    start = 0
    last: int | None = None
    while (at := body.find(CLOSE, start)) >= 0:
        if not _in_code(body[:at]):
            return at
        last = at
        start = at + len(CLOSE)
    return last if fall_back else None


def _in_code(before: str) -> bool:
    """True when what follows ``before`` stands in a fenced block or behind an open backtick."""
    if len(_FENCE.findall(before)) % 2:
        return True
    return before[before.rfind("\n") + 1 :].count("`") % 2 == 1


def _hold_back(text: str) -> str:
    for length in range(min(len(CLOSE) - 1, len(text)), 0, -1):
        if CLOSE.startswith(text[-length:]):
            return text[:-length]
    return text


@dataclass(slots=True)
class _Gathered:
    """What the events of a stream add up to."""

    reasoning: list[str] = field(default_factory=list)
    content: list[str] = field(default_factory=list)
    reasoning_deltas: int = 0
    finish_reason: str = ""
    error: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)
    deltas: list[tuple[int, bool]] = field(default_factory=list)  # (offset, is reasoning by field)


def parse_stream(raw: bytes, *, http_status: int = 200) -> Reply:
    """Take a whole event stream apart; it may be cut anywhere, or be an error's JSON."""
    if http_status >= 400:
        return Reply(error=error_text(raw, http_status))
    gathered = _Gathered()
    for offset, payload in events(raw):
        _gather(gathered, offset, payload)
    content = "".join(gathered.content)
    by_field = "".join(gathered.reasoning)
    if by_field:
        reasoning, answer = by_field.strip(), without_leading_closers(content, ended=True)
        first_answer = next((at for at, thought in gathered.deltas if not thought), None)
        reasoning_deltas = gathered.reasoning_deltas
    else:
        reasoning, answer = split(content, ended=True)
        index = _first_answer_delta(gathered.content, reasoning=reasoning, answer=answer)
        first_answer = None if index is None else gathered.deltas[index][0]
        reasoning_deltas = len(gathered.deltas) if index is None else index
    prompt_tokens, completion_tokens, reasoning_tokens = _usage(gathered.usage)
    if reasoning and not reasoning_tokens:
        reasoning_tokens = reasoning_deltas  # engines that send no count send a token a delta
    return Reply(
        reasoning=reasoning,
        answer=answer,
        finish_reason=gathered.finish_reason,
        error=gathered.error,
        deltas=len(gathered.deltas),
        first_token_at=gathered.deltas[0][0] if gathered.deltas else None,
        first_answer_at=first_answer if answer else None,
        last_token_at=gathered.deltas[-1][0] if gathered.deltas else None,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        reasoning_tokens=reasoning_tokens,
    )


def parse_response(raw: bytes, *, http_status: int = 200) -> Reply:
    """Take a whole JSON answer (not streamed) apart."""
    if http_status >= 400:
        return Reply(error=error_text(raw, http_status))
    try:
        data = json.loads(raw)
        choice = data["choices"][0]
        message = choice["message"]
    except (ValueError, LookupError, TypeError):
        return Reply(error=error_text(raw, http_status))
    content = message.get("content") or ""
    by_field = next((message[name] for name in REASONING_FIELDS if message.get(name)), "")
    if by_field:
        reasoning, answer = by_field.strip(), without_leading_closers(content, ended=True)
    else:
        reasoning, answer = split(content, ended=True)
    prompt_tokens, completion_tokens, reasoning_tokens = _usage(data.get("usage") or {})
    return Reply(
        reasoning=reasoning,
        answer=answer,
        finish_reason=choice.get("finish_reason") or "",
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        reasoning_tokens=reasoning_tokens,
    )


def parse_reply(raw: bytes, *, http_status: int = 200) -> Reply:
    """Take apart what a request for a stream brought: an engine may answer with one object."""
    parse = parse_response if _is_one_object(raw) else parse_stream
    return parse(raw, http_status=http_status)


def _is_one_object(raw: bytes) -> bool:
    """True for an object that is no piece of a stream, which may lie on several lines."""
    if raw.lstrip()[:1] != b"{":
        return False
    try:
        data = json.loads(raw)
    except ValueError:
        return False
    choices = data.get("choices")
    return not (isinstance(choices, list) and any("delta" in each for each in choices))


def error_text(raw: bytes, http_status: int) -> str:
    """What an engine said went wrong: the message of its JSON, else its text, else the status."""
    text = raw.decode(errors="replace").strip()
    try:
        data = json.loads(text)
    except ValueError:
        return text[:500] or f"HTTP {http_status}"
    return _message(data) or text[:500]


def events(raw: bytes) -> Iterator[tuple[int, Any]]:
    """The JSON payloads of a stream, each with the offset (bytes) where its line begins.

    Stops at ``[DONE]``; a last line that was cut is left out. llama.cpp once named its error lines
    ``error:``; they come out as ``{"error": …}`` like all others. llmdeploy's lines are the JSON
    alone.
    """
    offset = 0
    for line in _lines(raw):
        name, text = _named(line)
        if name == b"data" and text == b"[DONE]":
            return
        if name in (b"data", b"error"):
            payload = _json(text)
            if name == b"error" and payload is not None:
                payload = {"error": payload}
            if payload is not None:
                yield offset, payload
        offset += len(line)


def _lines(raw: bytes) -> Iterator[bytes]:
    """Each line with its end, one by one: all at once would be as much again."""
    if b"\r" in raw:
        yield from (found[0] for found in _LINES.finditer(raw))
        return
    begin = 0
    while end := raw.find(b"\n", begin) + 1:  # three times as fast as the expression
        yield raw[begin:end]
        begin = end
    if begin < len(raw):
        yield raw[begin:]


def _json(text: bytes) -> Any:
    """What a text is as JSON; None for what is none. A character that was cut is replaced."""
    try:
        return from_json(text)
    except ValueError:
        pass
    try:
        return json.loads(text.decode(errors="replace"))
    except ValueError:
        return None


def _named(line: bytes) -> tuple[bytes, bytes]:
    """The field of a line and its value; a line that is bare JSON is data."""
    if line.startswith(b"data: "):  # nearly all, and there may be a hundred thousand
        return b"data", line[6:].strip()
    bare = line.strip()
    if bare.startswith(b"{"):
        return b"data", bare
    name, _, rest = line.partition(b":")
    return name, rest.strip()


def _gather(gathered: _Gathered, offset: int, payload: Any) -> None:
    if not isinstance(payload, dict):
        return
    if _is_error(payload):
        gathered.error = _message(payload) or json.dumps(payload)
    gathered.usage = payload.get("usage") or gathered.usage
    for choice in payload.get("choices") or ():
        delta = choice.get("delta") or {}
        thought = next((delta[name] for name in REASONING_FIELDS if delta.get(name)), "")
        if thought:
            gathered.reasoning.append(thought)
            gathered.reasoning_deltas += 1
            gathered.deltas.append((offset, True))
        if delta.get("content"):
            gathered.content.append(delta["content"])
            gathered.deltas.append((offset, False))
        gathered.finish_reason = choice.get("finish_reason") or gathered.finish_reason


def _is_error(payload: Mapping[str, Any]) -> bool:
    """In the ways of OpenAI's API, and in llmdeploy's: ``errorMsg``, or a code and a text."""
    if payload.get("error") or payload.get("object") == "error" or payload.get("errorMsg"):
        return True
    return bool(payload.get("msg")) and payload.get("code") not in (None, 0, 200)


def _first_answer_delta(pieces: Sequence[str], *, reasoning: str, answer: str) -> int | None:
    """Which piece holds the answer's first character: it is ``len(answer)`` from the end."""
    if not answer:
        return None
    if not reasoning:
        return 0
    left = len(answer)
    for index in range(len(pieces) - 1, -1, -1):
        left -= len(pieces[index])
        if left <= 0:
            return index
    return 0


def _usage(usage: Mapping[str, Any]) -> tuple[int | None, int | None, int | None]:
    """Tokens of prompt, completion, reasoning; vLLM says 0 where it does not count the last."""
    details = usage.get("completion_tokens_details") or {}
    return (
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
        details.get("reasoning_tokens") or None,
    )


def _message(data: Any) -> str:
    """The sentence in an error object, in the shapes of llama.cpp, vLLM, FastAPI and llmdeploy."""
    if isinstance(data, str):
        return data
    if not isinstance(data, dict):
        return ""
    for name in ("error", "message", "detail", "errorMsg", "msg"):
        if data.get(name):
            return _message(data[name])
    return ""
