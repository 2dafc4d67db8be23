"""A chat as a file: the fields of its JSON, and turns made of them that no database has.

Turns are numbered in their order. ``parent_id`` is the number of the turn before, whose messages
are not repeated in a request.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from jobs.base import bounds
from jobs.models import Turn

FORMAT: Literal["vacc-chat/1"] = "vacc-chat/1"
EngineType = Literal["deployment", "simulated", "endpoint", "unknown"]
MOST_TURNS = 10_000
_MOST = 2**31 - 1
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_Place = Annotated[int, Field(ge=0, le=_MOST)]
_Text = Annotated[str, Field(max_length=2 * bounds.ANSWER_CHARS)]
_Figure = Annotated[float | None, Field(ge=0, le=1e12)]
_Time = Annotated[AwareDatetime, Field(ge=datetime(2020, 1, 1, tzinfo=UTC), le=_LATEST)]
_Tokens = Annotated[int | None, Field(ge=0, le=_MOST)]


class _InFile(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class FileStats(_InFile):
    """Figures of a turn, as ``Turn.stats`` has them; absent ones are unknown."""

    ttft_ms: _Figure = None
    first_answer_ms: _Figure = None
    thinking_ms: _Figure = None
    total_ms: _Figure = None
    queue_ms: _Figure = None
    prefill_ms: _Figure = None
    decode_ms: _Figure = None
    tokens_per_s: _Figure = None
    prompt_tokens: _Tokens = None
    cached_tokens: _Tokens = None
    completion_tokens: _Tokens = None
    reasoning_tokens: _Tokens = None
    answer_tokens: _Tokens = None
    counted: bool = False
    estimated: bool = False
    error_id: str = Field("", max_length=60, pattern=r"^(chat:[a-z-]+)?$")
    error_args: dict[str, str | int | float] = Field({}, max_length=10)


class FileParameters(BaseModel):
    """Parameters of a request. Other names are the engine's own."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, JsonValue]

    model: str = Field("", max_length=300)
    max_tokens: Annotated[int | None, Field(ge=0, le=_MOST)] = None
    chat_template_kwargs: dict[str, JsonValue] = {}


class FileToolCall(_InFile):
    """A call that the model asked for."""

    id: str = Field(max_length=bounds.TOOL_NAME_CHARS)
    name: str = Field(max_length=bounds.TOOL_NAME_CHARS)
    arguments: _Text


class FileTurn(_InFile):
    """A question and one attempt at its answer."""

    id: int = Field(ge=1, le=MOST_TURNS)
    parent_id: int | None
    index: _Place
    attempt: _Place
    version: _Place
    is_shown: bool
    engine_type: EngineType
    is_imported: bool
    device: str = Field(max_length=100)
    continues: bool
    system: _Text
    prompt: _Text = Field(min_length=1)
    state: Literal["done", "stopped", "failed", "streaming"]
    reasoning: _Text
    answer: _Text
    tool_calls: list[FileToolCall] = Field([], max_length=bounds.TOOL_CALLS)
    finish_reason: str = Field(max_length=32)
    error: _Text
    stats: FileStats
    parameters: FileParameters
    created_at: _Time


class ChatFile(_InFile):
    """A chat with the branches and attempts that its writer chose."""

    format: Literal["vacc-chat/1"]
    title: str = Field(min_length=1, max_length=200)
    created_at: _Time
    tags: list[str] = Field([], max_length=100)
    turns: list[FileTurn] = Field(min_length=1, max_length=MOST_TURNS)


def turn_of(row: FileTurn) -> Turn:
    """Return a turn as its file has it, unsaved, without conversation and parent."""
    fields = row.model_dump(exclude={"parent_id", "system", "continues", "stats", "parameters"})
    stats = row.stats.model_dump(exclude_unset=True)
    if stats.get("thinking_ms") is not None:  # pages count both
        stats["reasoning_tokens"] = stats.get("reasoning_tokens") or 0
    return Turn(**fields, stats=stats, request=_request(row))


def _request(row: FileTurn) -> Mapping[str, Any]:
    asked = row.parameters.model_dump(exclude_unset=True)
    messages = [{"role": "user", "content": row.prompt}]
    if row.system:
        messages.insert(0, {"role": "system", "content": row.system})
    if row.continues:
        messages.append({"role": "assistant", "content": ""})
    return {**asked, "messages": messages}
