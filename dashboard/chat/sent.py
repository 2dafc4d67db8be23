"""The request of a turn for people who repeat it elsewhere, and its raw stream with times."""

import json
import shlex
from collections.abc import Mapping
from pprint import pformat
from typing import Any, NamedTuple

from dashboard.chat.turns import began, key
from jobs.base import engine_addresses
from jobs.completions import CHAT_PATH
from jobs.logstore import store
from jobs.models import Turn

MOST_BYTES, MOST_PIECES = 64 * 1024, 400
_VARIABLE = "API_KEY"
# Arguments of the `openai` package; the rest goes into its extra_body.
_OF_OPENAI = frozenset(
    (
        *("model", "messages", "stream", "stream_options", "temperature", "top_p", "max_tokens"),
        *("seed", "presence_penalty", "frequency_penalty", "stop", "response_format"),
        *("logprobs", "top_logprobs", "tools", "tool_choice"),
    )
)


class SentRequest(NamedTuple):
    """A request as text. The API key is a variable of the environment."""

    url: str
    body: str
    curl: str
    python: str


class StreamPiece(NamedTuple):
    """Bytes of a stream that were stored together. ``ms``: since the turn's start, None if
    unknown."""

    ms: float | None
    text: str


class RawStream(NamedTuple):
    """Begin of a stream. ``size``: of the whole, in bytes."""

    pieces: list[StreamPiece]
    shown: int
    size: int


def sent_request(turn: Turn) -> SentRequest:
    url, has_key = _address(turn)
    body = json.dumps(turn.request, ensure_ascii=False, indent=2)
    header = f' \\\n  -H "Authorization: Bearer ${_VARIABLE}"' if has_key else ""
    curl = (
        f"curl -N {shlex.quote(url + CHAT_PATH)} \\\n  -H 'Content-Type: application/json'{header}"
        f" \\\n  --data-binary @- <<'JSON'\n{body}\nJSON"
    )
    return SentRequest(url, body, curl, _python(url, turn.request, has_key=has_key))


def _address(turn: Turn) -> tuple[str, bool]:
    """Return the engine's URL, and True if it asks for a key."""
    if turn.endpoint is not None:
        return turn.endpoint.url, bool(turn.endpoint.api_key)
    if turn.deployment is None:
        return "http://ENGINE", False
    at = turn.deployment.url_to_call or engine_addresses.parse(turn.deployment.host_url)
    return str(at or "http://ENGINE"), bool((turn.deployment.details or {}).get("api_key"))


def _python(url: str, request: Mapping[str, Any], *, has_key: bool) -> str:
    known = {name: value for name, value in request.items() if name in _OF_OPENAI}
    rest = {name: value for name, value in request.items() if name not in _OF_OPENAI}
    given = known | ({"extra_body": rest} if rest else {})
    arguments = "".join(
        f"    {name}={pformat(value, width=90, sort_dicts=False)},\n"
        for name, value in given.items()
    )
    api_key = f'os.environ["{_VARIABLE}"]' if has_key else '"none"'
    return (
        f"{'import os' + chr(10) * 2 if has_key else ''}from openai import OpenAI\n\n"
        f"client = OpenAI(base_url={url + '/v1'!r}, api_key={api_key})\n"
        f"stream = client.chat.completions.create(\n{arguments})\n"
        "for chunk in stream:\n    print(chunk)\n"
    )


def raw_stream(turn_id: int) -> RawStream:
    """Return the begin of a turn's stream, with times to a quarter of a second."""
    name = key(turn_id)
    size, since = store().size(name), began(turn_id)
    shown = min(size, MOST_BYTES)
    if not shown:
        return RawStream([], 0, size)
    raw = store().read(name, 0, shown)
    entries = store().arrivals(name, 0, shown, limit=MOST_PIECES)
    ends = [*(offset for offset, _at in entries[1:]), shown]
    pieces = [
        StreamPiece(
            None if since is None else max(0.0, at - 1000 * since),
            raw[offset:end].decode(errors="replace"),
        )
        for (offset, at), end in zip(entries, ends, strict=True)
    ]
    return RawStream(pieces, shown, size)
