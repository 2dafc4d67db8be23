"""Requests to a deployed model, and what its answers mean; no passing of bytes to a browser.

One request shape (OpenAI's chat completions) and three answer shapes: a stream of server-sent
events, one of bare lines of JSON (llmdeploy's), and one JSON object. Reasoning comes in a field of
its own (``reasoning_content`` from llama.cpp and older vLLM, ``reasoning`` from newer vLLM) or
inside the text, between think tags, or in both ways.

An engine may send anything: a part of another type than it should have is left out. What exceeds
``jobs.base.bounds`` raises :class:`TooLarge`. The browser has twins of this, ``Gatherer`` in
``static/js/lib/reasoning.js`` and ``static/js/lib/sse.js``, held to
``tests/data/stream_vectors.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from html import unescape
from itertools import accumulate
from typing import Any, NamedTuple

from pydantic_core import from_json

from jobs.base import bounds
from jobs.base.errors import JobsError
from jobs.base.numbers import whole
from jobs.base.patterns import pattern
from jobs.logstore import store
from jobs.reasoning import Parts, parts

# Parameters of a request, in the order that pages show.
SAMPLING = (
    *("temperature", "top_p", "max_tokens", "seed", "top_k", "min_p", "presence_penalty"),
    *("frequency_penalty", "repetition_penalty", "top_logprobs", "stop", "response_format"),
)
VARIABLES = "chat_template_kwargs"
LLAMA_CPP = "llama.cpp"
SENT_AS = {LLAMA_CPP: {"repetition_penalty": "repeat_penalty"}}  # an engine's own names
_FRAME = (
    *("model", "messages", "stream", "stream_options", "logprobs"),
    *("continue_final_message", "add_generation_prompt"),
)
# Names that no free JSON may set.
OWN_NAMES = frozenset(
    (*_FRAME, *SAMPLING, VARIABLES, "repeat_penalty", "max_completion_tokens", "prompt", "n")
)
REASONING_FIELDS = ("reasoning_content", "reasoning")
CHAT_PATH = "/v1/chat/completions"
ERROR_LENGTH = 2000
_ENDED = ("stop", "tool_calls")  # reasons of a model that ended by itself
# Read of an error: JSON, and a page, whose title stands at its begin.
ERROR_BYTES, PAGE_BYTES = 64 * 1024, 4096
_WORDS_LENGTH = 500
_MOST_MS = 86_400_000.0  # a day
_TITLE = pattern(r"<title[^>]*>([^<]*)", ignore_case=True)
_HTML = pattern(
    r"^\x{feff}?\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype|html|head|body|h1|center|p)\b",
    ignore_case=True,
    dot_all=True,
)
_TAGS = pattern(
    r"<script\b.*?</script\s*>|<style\b.*?</style\s*>|<[^>]*>", ignore_case=True, dot_all=True
)
_BOM = b"\xef\xbb\xbf"
_LINES = pattern(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_FIELDS = (b"data", b"error", b"event", b"id", b"retry", b"")  # the last one is a comment
_MOST_LINES = 1000  # of data in one event
# Strings and braces; a lone quotation mark begins a string that was cut.
_PIECES = pattern(rb'"(?:[^"\\]|\\.)*"|[{}"]', dot_all=True)


class TooLarge(JobsError):
    """An answer beyond a bound; its text is the id of the message."""

    id = "chat:too-large"


def _one_object() -> TooLarge:
    return TooLarge("chat:one-object", mib=bounds.ANSWER_BYTES // 2**20)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer, without the reasoning: what later requests send back."""

    prompt: str
    answer: str


class ToolCall(NamedTuple):
    """A call that the model asks for. ``arguments``: as the model wrote them, JSON or not."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole response, taken apart.

    ``finish_reason`` is "" without one of the engine. ``is_whole``: it has one, or ended as the
    format says; else it was cut. ``error`` is the engine's text, "" without an error;
    ``is_page``: it is that of a web page. Token counts are the engine's; None: not reported.
    Offsets are bytes into the raw stream where an event of that type began, None without one; a
    reply that was not streamed has none. ``cached_tokens`` of the prompt came from the prefix
    cache; ``queue_ms``, ``prefill_ms`` and ``decode_ms`` are by the engine's clock. ``deltas``:
    pieces that came, of a token or several; ``reasoning_deltas`` of them before answer and tool
    calls. ``is_cut``: the texts are longer, and only their begin is here.
    """

    reasoning: str = ""
    answer: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = ""
    error: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    queue_ms: float | None = None
    prefill_ms: float | None = None
    decode_ms: float | None = None
    deltas: int = 0
    reasoning_deltas: int = 0
    first_token_at: int | None = None
    first_answer_at: int | None = None
    last_token_at: int | None = None
    is_cut: bool = False
    is_whole: bool = False
    is_page: bool = False


def request_body(
    model: str,
    prompt: str,
    *,
    history: Sequence[Exchange] = (),
    params: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    engine: str = "",
) -> dict[str, Any]:
    """The body of a streamed chat request. ``extra``: more of its fields. ``engine`` may have own
    names. Reasoning is never sent back: R1's authors advise against it, and its template drops it.
    ``params`` may hold ``system`` (text), the names in ``SAMPLING`` and ``extra`` (fields); the
    engine decides what is left empty."""
    params = params or {}
    messages: list[dict[str, str]] = []
    if params.get("system"):
        messages.append({"role": "system", "content": str(params["system"])})
    for exchange in history:
        messages.append({"role": "user", "content": exchange.prompt})
        messages.append({"role": "assistant", "content": exchange.answer})
    messages.append({"role": "user", "content": prompt})
    names = SENT_AS.get(engine, {})
    given = {name: params[name] for name in SAMPLING if params.get(name) not in (None, "")}
    return {
        "model": model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        **{names.get(name, name): value for name, value in given.items()},
        **({"logprobs": True} if "top_logprobs" in given else {}),
        **(params.get("extra") or {}),
        **(extra or {}),
    }


def params_in(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a request, as sent, beside its messages and its model."""
    order = [*SAMPLING, *body]
    return {
        name: body[name] for name in dict.fromkeys(order) if name in body and name not in _FRAME
    }


def system_of(body: Mapping[str, Any]) -> str:
    """Return the system prompt of a request, or ""."""
    first = (body.get("messages") or [{}])[0]
    return str(first["content"]) if first.get("role") == "system" else ""


def continues_answer(body: Mapping[str, Any]) -> bool:
    """Return True if a request begins with the answer of another one."""
    messages = body.get("messages") or [{}]
    return bool(messages[-1].get("role") == "assistant")


@dataclass(slots=True)
class _Call:
    """Pieces of one tool call."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class _ToolCalls:
    """Sum of the pieces of tool calls. A piece names its call by index, else by id; without both
    it is of the last call."""

    def __init__(self) -> None:
        self.calls: list[_Call] = []
        self._at: dict[int | str | None, _Call] = {}
        self.chars = 0

    def add(self, pieces: Any) -> bool:
        """Add the pieces of an event. False: there are none. Raises ``TooLarge``."""
        functions = [
            (piece, function)
            for piece in (pieces if isinstance(pieces, list) else ())
            if (function := _object(_object(piece).get("function")))
        ]
        for piece, function in functions:
            name, given = _text(function.get("name")), function.get("arguments")
            call = self._call(piece.get("index"), _text(piece.get("id")), name)
            if name != call.name:  # some engines repeat it
                call.name = (call.name + name)[: bounds.TOOL_NAME_CHARS]
            text = json.dumps(given, ensure_ascii=False) if isinstance(given, dict) else given
            if isinstance(text, str):
                call.arguments.append(text)
                self.chars += len(text)
        return bool(functions)

    def _call(self, index: Any, own_id: str, name: str) -> _Call:
        key = index if type(index) is int else own_id or None
        call = self._at.get(key)
        # Some engines send one index for all calls.
        is_other = call is not None and own_id and call.id and own_id != call.id
        if call is None or is_other or (key is None and name):
            if len(self.calls) == bounds.TOOL_CALLS:
                raise TooLarge("chat:tool-calls", count=bounds.TOOL_CALLS)
            call = _Call()
            self.calls.append(call)
        self._at[key] = self._at[None] = call
        call.id = call.id or own_id[: bounds.TOOL_NAME_CHARS]
        return call

    def whole(self) -> tuple[ToolCall, ...]:
        found, left = [], bounds.ANSWER_CHARS
        for call in self.calls:
            text = "".join(call.arguments)[:left]
            left -= len(text)
            found.append(ToolCall(_mended(call.id), _mended(call.name), _mended(text)))
        return tuple(found)


@dataclass(slots=True)
class _Gathered:
    """Sum of the events of a stream."""

    reasoning: list[str] = field(default_factory=list)
    content: list[str] = field(default_factory=list)
    content_length: int = 0
    content_at: list[int] = field(default_factory=list)  # indices in ``deltas``
    tools: _ToolCalls = field(default_factory=_ToolCalls)
    tool_deltas: int = 0
    finish_reason: str = ""
    error: str = ""
    text: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    deltas: list[int] = field(default_factory=list)  # offsets
    has_end: bool = False  # ``[DONE]``

    def remainder(self, text: str) -> str:
        """The new part of ``text``: engines that send messages may repeat all so far."""
        if len(text) < self.content_length:
            return text
        return text.removeprefix("".join(self.content))


def parse_stream(raw: bytes, *, http_status: int = 200, expected: bool = False) -> Reply:
    """Take a whole event stream apart; it may be cut anywhere, or be an error's JSON. ``expected``:
    the model thinks before it answers. What came without any think tag is then its thought, unless
    the model ended by itself."""
    if http_status >= 400:
        return Reply(error=error_text(raw, http_status))
    gathered = _Gathered()
    for event in events(raw):
        _gather(gathered, event)
    is_page = False
    if gathered.text and not gathered.finish_reason and not gathered.error:
        is_page = bool(_HTML.search(raw[:PAGE_BYTES].decode(errors="replace")))
        gathered.error = error_text(raw, http_status) if is_page else gathered.text
    content, thought = "".join(gathered.content), "".join(gathered.reasoning)
    taken = _parts(content, thought, expected=expected and gathered.finish_reason not in _ENDED)
    first_answer, thoughts = None, len(gathered.deltas) - gathered.tool_deltas
    if taken.answer_at is not None:
        ends = accumulate(map(len, gathered.content))
        index = next(i for i, end in enumerate(ends) if end > taken.answer_at)
        thoughts = gathered.content_at[index]
        first_answer = gathered.deltas[thoughts]
    return Reply(
        reasoning=_mended(taken.reasoning),
        answer=_mended(taken.answer),
        tool_calls=gathered.tools.whole(),
        finish_reason=_mended(gathered.finish_reason),
        error=_mended(gathered.error[:ERROR_LENGTH]),
        deltas=len(gathered.deltas),
        reasoning_deltas=thoughts if taken.reasoning else 0,
        first_token_at=gathered.deltas[0] if gathered.deltas else None,
        first_answer_at=first_answer,
        last_token_at=gathered.deltas[-1] if gathered.deltas else None,
        is_cut=_is_long(content, thought) or gathered.tools.chars > bounds.ANSWER_CHARS,
        is_whole=bool(gathered.finish_reason)
        or (gathered.has_end and bool(gathered.deltas or gathered.usage)),
        is_page=is_page,
        **_usage(gathered.usage, gathered.timings, gathered.metrics),
    )


def parse_response(raw: bytes, *, http_status: int = 200, expected: bool = False) -> Reply:
    """Take a whole JSON answer (not streamed) apart; ``expected`` as for a stream."""
    data = _object(_loaded(raw))
    choice = next(iter(_choices(data)), None)
    if http_status >= 400 or choice is None:
        return Reply(error=error_text(raw, http_status))
    message = _object(choice.get("message"))
    content = _content(message) or _text(choice.get("text"))
    reason = choice.get("finish_reason")
    finish_reason = reason if isinstance(reason, str) else ""
    thought = _thought(message)
    taken = _parts(content, thought, expected=expected and finish_reason not in _ENDED)
    tools = _ToolCalls()
    tools.add(message.get("tool_calls"))
    return Reply(
        reasoning=_mended(taken.reasoning),
        answer=_mended(taken.answer),
        tool_calls=tools.whole(),
        finish_reason=_mended(finish_reason),
        error=error_text(raw, http_status) if _is_error(data) else "",
        is_cut=_is_long(content, thought) or tools.chars > bounds.ANSWER_CHARS,
        is_whole=True,
        **_usage(*(_object(data.get(name)) for name in ("usage", "timings", "metrics"))),
    )


def parse_reply(raw: bytes, *, http_status: int = 200, expected: bool = False) -> Reply:
    """Take apart what a request for a stream brought: an engine may answer with one object. Raises
    ``TooLarge``."""
    parse = parse_stream
    if http_status < 400 and raw.removeprefix(_BOM).lstrip()[:1] == b"{":
        if len(raw) <= bounds.ANSWER_BYTES:
            data = _loaded(raw)  # an object, which may span several lines, or a piece of a stream
            if isinstance(data, dict) and not any("delta" in each for each in _choices(data)):
                parse = parse_response
        elif not any(_objects(next(_lines(raw.removeprefix(_BOM).lstrip()))[1].strip())):
            raise _one_object()
    return parse(raw, http_status=http_status, expected=expected)


def parse_kept(key: str, http_status: int, expected: bool) -> Reply:
    """Take the answer of a turn apart, from the log store. Raises ``TooLarge``."""
    raw = store().read(key, 0, store().size(key))
    return parse_reply(raw, http_status=http_status, expected=expected)


def _loaded(raw: bytes) -> Any:
    try:
        return json.loads(raw.removeprefix(_BOM).decode(errors="replace"))
    except (ValueError, RecursionError):
        return None


def _parts(content: str, by_field: str, *, expected: bool) -> Parts:
    """Reasoning of a field of its own, and of tags in the content; the answer is the rest."""
    content, by_field = content[: bounds.ANSWER_CHARS], by_field[: bounds.ANSWER_CHARS]
    if not by_field:
        return parts(content, ended=True, expected=expected)
    tagged = parts(content, ended=True, implicit=False)
    reasoning = "\n\n".join(filter(None, (by_field.strip(), tagged.reasoning)))
    return tagged._replace(reasoning=reasoning)


def _is_long(*texts: str) -> bool:
    return max(map(len, texts)) > bounds.ANSWER_CHARS


def error_text(raw: bytes, http_status: int) -> str:
    """The engine's error: the message of its JSON, else its text, else the status. Of a page of a
    web server its title, without markup."""
    text = raw[:PAGE_BYTES].decode(errors="replace").strip()
    message = _message(_loaded(raw[:ERROR_BYTES]))
    if not message and _HTML.search(text):
        title = _TITLE.search(text)
        content = unescape(title[1] if title else _TAGS.sub(" ", text))
        message = " ".join(content.split())[:_WORDS_LENGTH]
        if http_status >= 400 and str(http_status) not in message:
            message = f"HTTP {http_status}: {message}".removesuffix(": ")
    words = (message or text[:_WORDS_LENGTH])[:ERROR_LENGTH]
    return _mended(words) or f"HTTP {http_status}"


def _gather(gathered: _Gathered, event: StreamEvent) -> None:
    offset, payload, text, is_error, is_end = event
    gathered.has_end = is_end
    if is_error:
        gathered.error = _message(payload) or text[:_WORDS_LENGTH] or json.dumps(payload)
        return
    if text:
        gathered.text = gathered.text or text[:_WORDS_LENGTH]
    if not isinstance(payload, dict):
        return
    if _is_error(payload):
        gathered.error = _message(payload) or json.dumps(payload)
    if payload.get("usage"):
        gathered.usage = _object(payload["usage"]) or gathered.usage
    if payload.get("timings"):
        gathered.timings = _object(payload["timings"]) or gathered.timings
    if payload.get("metrics"):
        gathered.metrics = _object(payload["metrics"]) or gathered.metrics
    for choice in _choices(payload):
        delta, is_call = choice.get("delta"), False
        if type(delta) is dict and len(delta) == 1 and type(delta.get("content")) is str:
            thought, content = "", delta["content"]  # nearly all
        else:
            delta = _object(delta)
            thought, content = _thought(delta), _content(delta)
            is_call = gathered.tools.add(delta.get("tool_calls"))
        if not thought and not content and not is_call:
            message = _object(choice.get("message"))
            thought = "" if gathered.reasoning else _thought(message)
            content = gathered.remainder(_content(message)) or _text(choice.get("text"))
            if message.get("tool_calls"):  # all so far, too
                gathered.tools = _ToolCalls()
                is_call = gathered.tools.add(message["tool_calls"])
        if thought:
            gathered.reasoning.append(thought)
            gathered.deltas.append(offset)
        if content:
            gathered.content.append(content)
            gathered.content_length += len(content)
            gathered.content_at.append(len(gathered.deltas))
            gathered.deltas.append(offset)
        if is_call and not thought and not content:
            gathered.tool_deltas += 1
            gathered.deltas.append(offset)
        reason = choice.get("finish_reason")
        if reason and isinstance(reason, str):
            gathered.finish_reason = reason


def _choices(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The first answer's; of several that were asked for, one is shown."""
    listed = payload.get("choices")
    choices = listed if isinstance(listed, list) else []
    return [each for each in choices if isinstance(each, dict) and each.get("index") in (None, 0)]


def _thought(message: Mapping[str, Any]) -> str:
    for name in REASONING_FIELDS:
        if name in message and (text := _text(message[name])):
            return text
    return ""


def _content(message: Mapping[str, Any]) -> str:
    """A refusal is an answer."""
    return _text(message.get("content")) or _text(message.get("refusal"))


def _text(value: Any) -> str:
    """A text, or a list of parts of which each is one or has one."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return value["text"] if isinstance(value.get("text"), str) else ""
    if isinstance(value, list):
        return "".join(_text(part) for part in value if not isinstance(part, list))
    return ""


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mended(text: str) -> str:
    """Join characters of which two events had each a half."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _is_error(payload: Mapping[str, Any]) -> bool:
    """In the ways of OpenAI's API, and in llmdeploy's: ``errorMsg``, or a code and a text."""
    if payload.get("error") or payload.get("object") == "error" or payload.get("errorMsg"):
        return True
    return bool(payload.get("msg")) and payload.get("code") not in (None, 0, 200, "200")


def _usage(
    usage: Mapping[str, Any], timings: Mapping[str, Any], metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """Counts and times of an engine. ``timings`` are llama.cpp's, ``metrics`` vLLM's, where it was
    started with ``--enable-per-request-metrics``."""
    details = _object(usage.get("completion_tokens_details"))
    cached = _object(usage.get("prompt_tokens_details")).get("cached_tokens")
    return {
        "prompt_tokens": whole(usage.get("prompt_tokens"), least=0),
        "completion_tokens": whole(usage.get("completion_tokens"), least=0),
        # vLLM reports 0 where it does not count them.
        "reasoning_tokens": whole(details.get("reasoning_tokens")),
        "cached_tokens": whole(timings.get("cache_n") if cached is None else cached, least=0),
        "queue_ms": _milliseconds(metrics.get("queue_time_ms")),
        # vLLM counts from the moment when a request leaves the queue.
        "prefill_ms": _milliseconds(
            timings.get("prompt_ms", metrics.get("time_to_first_token_ms"))
        ),
        "decode_ms": _milliseconds(timings.get("predicted_ms", metrics.get("generation_time_ms"))),
    }


def _milliseconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < _MOST_MS else None


def _message(data: Any, depth: int = 8) -> str:
    """The sentence in an error object, in the shapes of llama.cpp, vLLM, FastAPI and llmdeploy."""
    if isinstance(data, str):
        return data[:ERROR_LENGTH]
    if isinstance(data, list) and depth:
        messages = [_message(each, depth - 1) for each in data[:5]]
        return "; ".join(filter(None, messages))[:ERROR_LENGTH]
    if not isinstance(data, dict) or not depth:
        return ""
    for name in ("error", "message", "detail", "errorMsg", "msg"):
        if data.get(name) and (message := _message(data[name], depth - 1)):
            place = data.get("loc")  # FastAPI: which field of the request
            if name == "msg" and isinstance(place, list):
                return f"{'.'.join(map(str, place[:6]))}: {message}"
            return message
    return ""


# Events of an engine's stream: server-sent events, or (llmdeploy's) bare JSON


class StreamEvent(NamedTuple):
    """One event of a stream; ``offset``: where its line begins. ``text``: what was no JSON.
    ``is_error``: the stream itself calls it an error. ``is_end``: ``[DONE]``."""

    offset: int
    payload: Any = None
    text: str = ""
    is_error: bool = False
    is_end: bool = False


def events(raw: bytes) -> Iterator[StreamEvent]:
    """The events of a stream, one by one; a last line that was cut is left out. Ends at ``[DONE]``.
    Data on several lines are one event. A line that is no field of an event is ``text``: a server
    that breaks prints its trace there."""
    name = b""
    kept: list[bytes] = []
    kept_at = 0
    for offset, line in _lines(raw):
        field, text = _named(line if offset else line.removeprefix(_BOM))
        if field == b"data" and text == b"[DONE]":
            yield StreamEvent(offset, is_end=True)
            return
        if field is None and not name and not kept:  # every second line
            continue
        is_error = field == b"error" or name == b"error"
        if field is None:
            yield from _joined(kept, kept_at, is_error=is_error)
            name, kept = b"", []
        elif field == b"event":
            name = text
        elif field in (b"data", b"error"):
            payload = _json(text)
            if payload is not None:
                if kept:
                    kept = []
                yield StreamEvent(offset, payload, "", is_error)
            elif text and len(kept) < _MOST_LINES:
                kept_at = kept_at if kept else offset
                kept.append(text)
        elif field == b"{":
            for at, payload in _objects(text):
                yield StreamEvent(offset + at, payload)
        elif field not in _FIELDS and not _is_cut(line):
            yield StreamEvent(offset, text=line.decode(errors="replace").strip())
    yield from _joined(kept, kept_at, is_error=name == b"error")


def _joined(lines: Sequence[bytes], offset: int, *, is_error: bool) -> Iterator[StreamEvent]:
    """The event whose data lay on several lines, or were no JSON."""
    if not lines:
        return
    text = b"\n".join(lines)
    if len(text) > bounds.ANSWER_BYTES:
        raise _one_object()
    payload = _json(text) if len(lines) > 1 else None
    if payload is not None:
        yield StreamEvent(offset, payload, is_error=is_error)
    elif is_error or not text.startswith((b"{", b"[")):
        yield StreamEvent(offset, text=text.decode(errors="replace"), is_error=is_error)


def _lines(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Each line and where it begins, one by one: all at once would be as much memory again."""
    begin = 0
    if b"\r" in raw:
        yield from ((match.start(), match[0]) for match in _LINES.finditer(raw))
        return
    while end := raw.find(b"\n", begin) + 1:  # three times as fast as the expression
        yield begin, raw[begin:end]
        begin = end
    if begin < len(raw):
        yield begin, raw[begin:]


def _named(line: bytes) -> tuple[bytes | None, bytes]:
    """The field of a line and its value; None for an empty line, ``{`` for bare JSON."""
    if line.startswith(b"data: "):  # nearly all, and there may be a hundred thousand
        return b"data", line[6:].strip()
    if line == b"\n":
        return None, b""
    bare = line.strip()
    if not bare:
        return None, b""
    if bare.startswith(b"{"):
        return b"{", bare
    name, _, rest = bare.partition(b":")
    return name, rest.strip()


def _is_cut(line: bytes) -> bool:
    """The begin of a field's name at the end of a stream."""
    return not line.endswith((b"\n", b"\r")) and any(name.startswith(line) for name in _FIELDS)


def _json(text: bytes) -> Any:
    """None if invalid. A cut character is replaced."""
    with suppress(ValueError):  # perhaps only a cut character: tried again below, without those
        return from_json(text)
    if not text.startswith((b"{", b"[", b'"')):
        return None
    try:
        return json.loads(text.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None


def _objects(text: bytes) -> Iterator[tuple[int, Any]]:
    """The JSON objects of a line, which may stand side by side; one that was cut is left out."""
    payload = _json(text)
    if payload is not None:
        yield 0, payload
        return
    begin = depth = count = 0
    for piece in _PIECES.finditer(text):
        if piece[0] == b'"':
            return
        if piece[0] == b"{":
            begin = begin if depth else piece.start()
            depth += 1
            count += 1
            if count > bounds.OBJECTS_A_LINE:
                raise TooLarge("chat:objects", count=f"{bounds.OBJECTS_A_LINE:,}")
        elif piece[0] == b"}" and depth:
            depth -= 1
            if not depth and (payload := _json(text[begin : piece.end()])) is not None:
                yield begin, payload
