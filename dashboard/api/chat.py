"""Chats with deployments and endpoints. To others than its owner a chat does not exist, except that
administrators read it, with an audit entry."""

from datetime import timedelta
from typing import Annotated, Any

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from dashboard.actions import chat as actions
from dashboard.actions.chat import AskForm, At
from dashboard.actions.chat_params import MOST_STOPS, ParamsForm
from dashboard.api import base
from dashboard.api.base import (
    ApiAnswer,
    Asked,
    Json,
    Offset,
    Operations,
    Page,
    Time,
    about,
    conflict,
    invalid,
    listing,
    one_of,
    read,
)
from dashboard.api.sets import DataSetAnswer, team_answer
from dashboard.api.waiting import MOST_WAIT_S, answer_when, of_nothing
from dashboard.chat import turns
from dashboard.chat.sent import raw_stream, sent_request
from dashboard.security.audit_log import record_hidden, record_reading
from dashboard.security.listeners import Login
from dashboard.security.permissions import allowed
from dashboard.security.request import member
from dashboard.text.formatting import joined
from dashboard.text.messages import message
from jobs.access.sources import LOOKUP_S
from jobs.completions import params_in
from jobs.kinds.lib.base import endpoint_key
from jobs.kinds.lib.evaluations import THINKING_WORDS
from jobs.models import Conversation, Turn
from jobs.queries import chat as queries
from jobs.queries.chat import MOST_TOKENS, ShownTurn
from jobs.queries.chat_hits import hits_of
from jobs.services.chat import BusyError
from jobs.tools.lib.load import thinking_in

LOOK_S = 1.5  # nothing notifies of the end of a turn
_SEARCH = 200

chats = Operations("Conversations", "conversations")
chat = Operations("Conversations", "conversations/{int:conversation_id}")
turns_ = Operations("Conversations", "conversations/{int:conversation_id}/turns")


# Answers


def _engine(row: Conversation | Turn) -> str | None:
    if row.endpoint_id is not None:
        return endpoint_key(row.endpoint_id)
    return None if row.deployment_id is None else str(row.deployment_id)


def _params(row: Turn) -> Json:
    known = params_in(row.request)
    thinking = thinking_in(row.request)
    return known | ({"thinking": thinking} if thinking else {})


def _message(row: Turn) -> str:
    if "error_id" not in row.stats:
        return row.error
    return joined(message(row.stats["error_id"], row.stats.get("error_args") or {}), row.error)


def _stat(name: str, text: str | None = None) -> Any:
    return read(lambda row: row.stats.get(name), text)


# A lookup of the engine's name is over by then.
_BEGUN_WITHIN = timedelta(seconds=3 * LOOKUP_S)
_OF_ENGINE = "number of a deployment, or endpoint:NUMBER; null: removed"


class ConversationAnswer(ApiAnswer):
    """A conversation of one person."""

    id: int
    title: str
    tags: list[str] = read(lambda row: [tag.name for tag in row.tags.all()])
    person: str = read("user.username")
    engine: str | None = read(_engine, f"asked last: {_OF_ENGINE}")
    params: dict[str, Any] = about("of the last question, such as temperature")
    created_at: Time
    updated_at: Time


class ToolCallAnswer(ApiAnswer):
    """A call that the model asked for. The dashboard calls nothing."""

    id: str = about("of the engine, or empty")
    name: str
    arguments: str = about("as the model wrote them: JSON, or what should be")


class TurnAnswer(ApiAnswer):
    """A question and one attempt at its answer. Reasoning, answer and figures come at its end."""

    id: int
    conversation: int = read("conversation_id")
    index: int = about("place of the question, from 0")
    parent: int | None = read("parent_id", "the turn before it; null: the first question")
    attempts: list[int] = about("turns of this question, oldest first")
    messages: list[int] = about("a turn of each version of this question, oldest first")
    shown: bool = read("is_shown", "the chosen one of those with the same parent")
    state: Annotated[str, one_of(Turn.State.values)]
    engine: str | None = read(_engine, _OF_ENGINE)
    device: str = about("hardware of an endpoint in words, or empty")
    params: dict[str, Any] = read(_params)
    imported: bool = read("is_imported", "from a file: not asked here")
    prompt: str
    reasoning: str
    answer: str
    tool_calls: list[ToolCallAnswer]
    finish_reason: str = about("of the engine, such as stop or length; empty: none")
    message: str = read(_message, "why it failed, as text, or empty")
    ttft_ms: float | None = _stat("ttft_ms", "time to the first token")
    first_answer_ms: float | None = _stat(
        "first_answer_ms", "time to the first token after the reasoning"
    )
    thinking_ms: float | None = _stat("thinking_ms")
    total_ms: float | None = _stat("total_ms")
    tokens_per_s: float | None = _stat("tokens_per_s", "after the first token")
    prompt_tokens: int | None = _stat("prompt_tokens")
    cached_tokens: int | None = _stat("cached_tokens", "of the prompt, from the prefix cache")
    queue_ms: float | None = _stat("queue_ms", "in the engine's queue, by the engine's own clock")
    prefill_ms: float | None = _stat("prefill_ms", "by the engine's own clock")
    decode_ms: float | None = _stat("decode_ms", "by the engine's own clock")
    completion_tokens: int | None = _stat("completion_tokens")
    reasoning_tokens: int | None = _stat("reasoning_tokens")
    answer_tokens: int | None = _stat("answer_tokens")
    counted: bool = read(
        lambda row: bool(row.stats.get("counted")),
        "the engine reported no number of tokens: pieces were counted",
    )
    estimated: bool = read(
        lambda row: bool(row.stats.get("estimated")),
        "the shares of reasoning and answer are estimated",
    )
    created_at: Time


class StreamPieceAnswer(ApiAnswer):
    """Bytes of a stream that were stored together."""

    ms: float | None = about("since the turn's start, to a quarter of a second; null: unknown")
    text: str


class TurnRequest(ApiAnswer):
    """What a turn sent to its engine, and the begin of the engine's bytes."""

    url: str
    body: dict[str, Any]
    curl: str = about("the request for a shell; the API key is $API_KEY")
    python: str = about("the request with the package openai")
    stream: list[StreamPieceAnswer]
    stream_bytes: int = about("of the whole stream")


class WholeConversation(ConversationAnswer):
    """A conversation with the last turns of one branch."""

    turns: list[TurnAnswer]
    earlier: int | None = about("“before” of the turns before these; null: there are none")


class HitAnswer(ApiAnswer):
    """First turn of a conversation that has a word of a search, with an excerpt."""

    turn: int
    part: Annotated[str, one_of(("prompt", "answer", "reasoning"))]
    excerpt: str


class FoundConversation(ConversationAnswer):
    """A conversation of a list."""

    hit: HitAnswer | None = about("of “text” in a turn; null: without “text”, or in the title only")


Conversations = listing(
    "Conversations", "A page of own conversations.", "conversations", FoundConversation
)


def _turn(shown: ShownTurn) -> Json:
    place = shown.place
    return TurnAnswer.of(shown.turn, attempts=list(place.attempts), messages=list(place.messages))


# Requests


class ConversationsAsked(Page):
    """Query of the list of conversations."""

    text: str = Field(
        "", max_length=_SEARCH, description="words, each in the title or in a turn's texts"
    )
    tag: str = Field("", max_length=_SEARCH, description="of the conversations")


class PartAsked(Asked):
    """Query of a conversation's turns."""

    before: Offset = about("“earlier” of the turns after these; returns earlier ones", None)
    turn: int | None = about("a turn of the branch to read; null: the one that is shown", None)


class ConversationChange(Asked):
    """Change of a conversation; null: as it is."""

    title: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
        | None
    ) = None
    tags: list[str] | None = about("all its tags, without commas", None)


def _as_key(value: Any) -> Any:
    """Return a deployment's number as the text of the form."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _number(name: str, more: str = "") -> Any:
    """Return a number of the form, which has its bounds."""
    field: Any = ParamsForm.base_fields[name]
    return about(f"{field.min_value} to {field.max_value}{more}", None)


class ParamsAsked(Asked):
    """Parameters of an answer. A number that is null is left to the engine."""

    model_config = ConfigDict(strict=True)  # neither true nor "1" is a number

    system: str = about("system prompt", "")
    temperature: float | None = _number("temperature")
    top_p: float | None = _number("top_p")
    max_tokens: int | None = about(f"most tokens of reasoning and answer, 1 to {MOST_TOKENS}", None)
    seed: int | None = _number("seed")
    top_k: int | None = _number("top_k", "; 0 or -1: all tokens")
    min_p: float | None = _number("min_p")
    presence_penalty: float | None = _number("presence_penalty")
    frequency_penalty: float | None = _number("frequency_penalty")
    repetition_penalty: float | None = _number("repetition_penalty", "; 1: none")
    top_logprobs: int | None = _number("top_logprobs", ": log probabilities of as many tokens")
    stop: list[str] | None = about(f"at most {MOST_STOPS} texts that end the answer", None)
    response_format: dict[str, Any] | None = about("as in OpenAI's API", None)
    chat_template_kwargs: dict[str, Any] | None = about("variables of the chat template", None)
    extra: dict[str, Any] | None = about("more fields of the engine's request", None)
    thinking: base.choice(*filter(None, THINKING_WORDS)) = ""  # type: ignore[valid-type]


class QuestionAsked(ParamsAsked):
    """A question, and how to answer it. A number that is null is left to the engine."""

    engine: Annotated[
        str,
        BeforeValidator(_as_key),
        Field(max_length=30, description="number of a deployment, or endpoint:NUMBER"),
    ]
    prompt: str
    max_tokens: int = about(f"most tokens of reasoning and answer, 1 to {MOST_TOKENS}")


class NextAsked(QuestionAsked):
    """A further question of a conversation."""

    after: int | None = about("the turn before it; null: the last one that is shown", None)
    retry: int | None = about(
        "a turn, to be answered again; with another prompt its message is edited", None
    )
    continues: int | None = about(
        "a turn whose answer was cut: the engine continues it where it can, else it is asked to; "
        "the prompt is not read",
        None,
    )


class SavedQuestion(Asked):
    """Question set of the team for a turn's message."""

    set: str = about("ID of a set; an unknown one makes a new set")
    answers: list[str] = about("the correct answer, or several")


class TurnWaitAsked(Asked):
    """Query of a turn."""

    wait: int = Field(
        0,
        ge=0,
        le=MOST_WAIT_S,
        description="seconds: the answer comes at the end of the turn, or after this time",
    )


def find_chat(request: HttpRequest, conversation_id: int, action: str) -> Conversation:
    """Return a conversation to which the caller may do ``action``. Raises ``Refused``: of those the
    caller may not read either, it says that there is none."""
    row = get_object_or_404(Conversation.objects.select_related("user"), pk=conversation_id)
    if allowed(request.user, action, row):
        return row
    if allowed(request.user, "conversation.view", row):
        text = _("This conversation belongs to another person. Only its owner can change it.")
        raise base.forbidden(text)
    record_hidden(request)
    raise base.missing()


def _find_turn(row: Conversation, turn_id: int) -> Turn:
    found = Turn.objects.select_related("deployment", "endpoint")
    return get_object_or_404(found, conversation=row, pk=turn_id)


# Operations


@chats.on("GET ", "playground.use", "api-conversations", Conversations)
def list_conversations(request: HttpRequest, query: Query[ConversationsAsked]) -> Json:
    """List own conversations. Newest first, without their turns."""
    words = query.text.split()
    own = queries.conversations_with(member(request.user), words, query.tag)
    shown_rows = own.select_related("user").prefetch_related("tags")
    rows, older = base.filtered_page(query, shown_rows, {})
    hits = {number: hit._asdict() for number, hit in hits_of(rows, words).items()}
    shown = [FoundConversation.of(row, hit=hits.get(row.pk)) for row in rows]
    return base.page(request, "conversations", shown, older)


@chats.on("POST ", "playground.use", "api-conversations", TurnAnswer, 201, 413, 422)
def start_conversation(request: HttpRequest, asked: QuestionAsked) -> Json:
    """Start a conversation. Send its first question to the engine, and answer with the turn; its
    title is the begin of the question."""
    return _ask(request, None, asked)


@chat.on("GET ", "playground.use", "api-conversation", WholeConversation)
def read_conversation(request: HttpRequest, conversation_id: int, query: Query[PartAsked]) -> Json:
    """Read a conversation. With its last turns, as many as one page has. Own conversations;
    administrators: any, with an audit entry."""
    row = find_chat(request, conversation_id, "conversation.view")
    record_reading(request.user, row)
    part = queries.part_of(row, query.before, query.turn)
    return WholeConversation.of(row, turns=[*map(_turn, part.turns)], earlier=part.earlier)


@chat.on("PATCH ", "conversation.change", "api-conversation", ConversationAnswer, 413, 422)
def rename_conversation(
    request: HttpRequest, conversation_id: int, asked: ConversationChange
) -> Json:
    """Rename or tag a conversation. Own conversations."""
    row = find_chat(request, conversation_id, "conversation.change")
    if asked.tags is not None:
        actions.set_tags(request.user, row, asked.tags)
    if asked.title is not None:
        actions.rename(request.user, row, asked.title)
    return ConversationAnswer.of(find_chat(request, conversation_id, "conversation.change"))


@chat.on("DELETE ", "conversation.delete", "api-conversation", ConversationAnswer, 409)
def delete_conversation(request: HttpRequest, conversation_id: int) -> Json:
    """Delete a conversation. Own conversations, with all turns; 409 while an answer is
    generated."""
    row = find_chat(request, conversation_id, "conversation.delete")
    shown = ConversationAnswer.of(row)
    try:
        actions.delete(request.user, row)
    except BusyError:
        raise conflict("busy", str(actions.RUNNING)) from None
    return shown


@turns_.on("POST ", "playground.use", "api-turns", TurnAnswer, 201, 409, 413, 422)
def ask_question(request: HttpRequest, conversation_id: int, asked: NextAsked) -> Json:
    """Ask a question in a conversation. Send it to the engine with the questions and answers
    before, and answer with the turn; 409 while another answer is generated. With ``retry`` a
    question gets another attempt, or, with another prompt, another branch."""
    row = find_chat(request, conversation_id, "conversation.change")
    at = At(asked.after, asked.retry, asked.continues)
    for name, turn_id in zip(("after", "retry", "continues"), at, strict=True):
        if turn_id is not None and not row.turns.filter(pk=turn_id).exists():
            raise invalid(name, _("This conversation has no such turn."))
    return _ask(request, row, asked, at)


@turns_.on("GET /{int:turn_id}", "playground.use", "api-turn", TurnAnswer)
def read_turn(
    request: HttpRequest, conversation_id: int, turn_id: int, query: Query[TurnWaitAsked]
) -> Json | HttpResponseBase:
    """Read a turn. With ``wait`` it answers when the turn has ended. Own conversations;
    administrators: any, with an audit entry."""
    row = find_chat(request, conversation_id, "conversation.view")
    record_reading(request.user, row)

    def is_over(answer: Json) -> bool:
        return bool(answer["state"] != Turn.State.STREAMING)

    return answer_when(
        *(request, query.wait, "conversation.view"),
        lambda: _turn(queries.shown_of(_current(row, turn_id))),
        is_over,
        of_nothing,
        obj=row,
        every_s=LOOK_S,
    )


@turns_.on("GET /{int:turn_id}/request", "playground.use", "api-turn-request", TurnRequest)
def read_turn_request(request: HttpRequest, conversation_id: int, turn_id: int) -> Json:
    """Read a turn's request. As curl, Python and JSON, with the first 64 KiB of the engine's
    stream. Own conversations; administrators: any, with an audit entry."""
    row = find_chat(request, conversation_id, "conversation.view")
    record_reading(request.user, row)
    turn = _find_turn(row, turn_id)
    sent, stream = sent_request(turn), raw_stream(turn.pk)
    return {
        **{"url": sent.url, "body": turn.request, "curl": sent.curl, "python": sent.python},
        "stream": [piece._asdict() for piece in stream.pieces],
        "stream_bytes": stream.size,
    }


@turns_.on("POST /{int:turn_id}/stop", "playground.use", "api-turn-stop", TurnAnswer, 409)
def stop_turn(request: HttpRequest, conversation_id: int, turn_id: int) -> Json:
    """Stop a turn. Close the connection to the engine; the part that came stays. Another web
    process does so within a second."""
    row = find_chat(request, conversation_id, "conversation.change")
    turn = _current(row, turn_id)
    if turn.state != Turn.State.STREAMING:
        raise conflict("finished", _("This turn has already ended."))
    async_to_sync(turns.stop)(turn.pk, expected=_thinks(turn))
    return _turn(queries.shown_of(_find_turn(row, turn_id)))


@turns_.on(
    *("POST /{int:turn_id}/question", "playground.use", "api-turn-question", DataSetAnswer),
    *(413, 422),
)
def save_question(
    request: HttpRequest, conversation_id: int, turn_id: int, asked: SavedQuestion
) -> Json:
    """Save a turn's message as an evaluation question. In a question set of the team, of which this
    makes a new version. Own conversations."""
    row = find_chat(request, conversation_id, "conversation.change")
    turn = _find_turn(row, turn_id)
    return team_answer(actions.save_question(request.user, turn, asked.set, asked.answers))


@turns_.on("POST /{int:turn_id}/show", "playground.use", "api-turn-show", TurnAnswer)
def show_turn(request: HttpRequest, conversation_id: int, turn_id: int) -> Json:
    """Show an attempt. Later questions send the branch of this attempt back."""
    row = find_chat(request, conversation_id, "conversation.change")
    actions.show_attempt(request.user, row, _find_turn(row, turn_id))
    return _turn(queries.shown_of(_find_turn(row, turn_id)))


def _ask(
    request: HttpRequest, row: Conversation | None, asked: QuestionAsked, at: At | None = None
) -> Json:
    values = asked.model_dump(exclude={"engine", "after", "retry", "continues"})
    if at and at.continued:
        values["prompt"] = str(actions.CONTINUE)
    form = AskForm(values)
    login = Login.of(request.session, request.user)
    try:
        question = actions.ask(request.user, row, asked.engine, form, login=login, at=at)
    except BusyError:
        raise conflict("busy", str(actions.BUSY)) from None
    turn, known = question.turn, question.asked
    if known.call is not None:
        turns.begin_from_view(turn.pk, known.call, known.body, expected=known.expected)
    return _turn(queries.shown_of(_find_turn(turn.conversation, turn.pk)))


def _current(row: Conversation, turn_id: int) -> Turn:
    """Return a turn. One that a killed process left open is ended first, as pages do; so is one
    that no process began."""
    turn = _find_turn(row, turn_id)
    if turn.state != Turn.State.STREAMING:
        return turn
    if turns.is_abandoned(turn.pk):
        async_to_sync(turns.close_abandoned)(turn.pk, expected=_thinks(turn))
    elif turns.began(turn.pk) is None and now() - turn.created_at > _BEGUN_WITHIN:
        async_to_sync(turns.refuse)(turn.pk, "chat:interrupted", {})
    else:
        return turn
    return _find_turn(row, turn_id)


def _thinks(turn: Turn) -> bool:
    engine = queries.engine_of(turn)
    return engine is not None and engine.thinks
