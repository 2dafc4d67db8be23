"""Queries of the playground."""

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Count, Q, QuerySet, TextField
from django.db.models.functions import Cast, Length

from jobs.base import bounds
from jobs.base.numbers import number_from
from jobs.catalog import MODELS
from jobs.kinds.lib.base import endpoint_key, endpoint_number
from jobs.models import ChatPreset, ChatTag, Conversation, Deployment, Endpoint, Turn
from jobs.queries.chat_branches import BranchPlace, branch_of, place_of
from jobs.queries.hosts import is_away

LISTED = 60
MOST_TOKENS = 131_072  # the most that a turn can ask for
_READ = 20  # turns at once


class ChatEngine(NamedTuple):
    """Engine that a chat asks: a deployment, or an endpoint, which this dashboard did not start."""

    row: Deployment | Endpoint

    @property
    def deployment(self) -> Deployment | None:
        return self.row if isinstance(self.row, Deployment) else None

    @property
    def endpoint(self) -> Endpoint | None:
        return self.row if isinstance(self.row, Endpoint) else None

    @property
    def is_external(self) -> bool:
        return isinstance(self.row, Endpoint)

    @property
    def key(self) -> str:
        """The reference as forms and addresses have it: "3" or "endpoint:5"."""
        return endpoint_key(self.row.pk) if isinstance(self.row, Endpoint) else str(self.row.pk)

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def model(self) -> str:
        """The model's name in requests."""
        return self.row.model if isinstance(self.row, Endpoint) else self.row.name

    @property
    def model_id(self) -> str:
        return self.row.model_id

    @property
    def device(self) -> str:
        """The hardware of an endpoint in words; "" if not stated, and for deployments."""
        return self.row.device if isinstance(self.row, Endpoint) else ""

    @property
    def engine_name(self) -> str:
        """Name of the serving program, such as vllm; "" if unknown."""
        if isinstance(self.row, Endpoint):
            return self.row.engine_name
        artifact = self.row.artifact
        return str(
            (self.row.details or {}).get("engine") or (artifact and artifact.toolchain) or ""
        )

    @property
    def is_offered(self) -> bool:
        if isinstance(self.row, Endpoint):
            return self.row.archived_at is None
        return self.row.state == Deployment.State.READY

    @property
    def thinks(self) -> bool:
        """True if its model is known to reason before it answers, or is made to."""
        model = MODELS.get(self.model_id)
        details = self.row.details if isinstance(self.row, Deployment) else None
        return bool((details or {}).get("reasoning")) or bool(model and model.reasoning)

    @property
    def context(self) -> int | None:
        """Maximum tokens of a request, prompt and answer together; None if unknown."""
        if isinstance(self.row, Endpoint):
            return self.row.context
        tokens = self.declared_context or self.row.job.params.get("context")
        return tokens if isinstance(tokens, int) else None

    @property
    def declared_context(self) -> int | None:
        if isinstance(self.row, Endpoint):
            return self.row.context
        return (self.row.details or {}).get("max_total")


class ShownTurn(NamedTuple):
    """A turn with its place in the branch that is read."""

    turn: Turn
    place: BranchPlace


def conversations_of(
    user: AbstractBaseUser, terms: Sequence[str], *, most: int, tag: str = ""
) -> Sequence[Conversation]:
    """Return the newest chats of ``user`` that have each of ``terms`` and the tag."""
    return list(conversations_with(user, terms, tag)[:most])


def tag_counts(user: AbstractBaseUser) -> list[tuple[str, int]]:
    """Return the tags of a person's chats, each with the number of chats, most used first."""
    tags = ChatTag.objects.filter(conversation__user_id=user.pk).values_list("name")
    return list(tags.annotate(chats=Count("pk")).order_by("-chats", "name"))


def mentions(word: str) -> Q:
    """Filter of turns that have a word in one of their texts."""
    return Q(prompt__icontains=word) | Q(reasoning__icontains=word) | Q(answer__icontains=word)


def conversations_with(
    user: AbstractBaseUser, terms: Sequence[str], tag: str = ""
) -> QuerySet[Conversation]:
    """Return the chats of ``user`` that have each of ``terms``, and the tag if there is one."""
    conversations = Conversation.objects.filter(user_id=user.pk)
    if tag:
        conversations = conversations.filter(tags__name=tag)
    for word in terms:
        turns = Turn.objects.filter(mentions(word), conversation__user_id=user.pk)
        conversations = conversations.filter(
            Q(title__icontains=word) | Q(pk__in=turns.values("conversation"))
        )
    return conversations


def engine_of(asked: Turn | Conversation) -> ChatEngine | None:
    row = asked.endpoint or asked.deployment
    return ChatEngine(row) if row else None


def chat_engines(current: ChatEngine | None = None) -> Sequence[ChatEngine]:
    """Return engines to ask now, and ``current`` in any state: deployments, then endpoints."""
    ready, in_use = Q(state=Deployment.State.READY), Q(archived_at=None)
    if current is not None and current.deployment is not None:
        ready |= Q(pk=current.row.pk)
    if current is not None and current.endpoint is not None:
        in_use |= Q(pk=current.row.pk)
    deployments = Deployment.objects.filter(ready).select_related("host", "artifact", "job")
    return [*map(ChatEngine, deployments), *map(ChatEngine, Endpoint.objects.filter(in_use))]


def best_engine(engines: Sequence[ChatEngine]) -> ChatEngine | None:
    """Return what a person asks who has not chosen: a deployment on a real host, an endpoint that
    answers, a simulated deployment, then what does not answer now."""

    def rank(engine: ChatEngine) -> int:
        if isinstance(engine.row, Endpoint):
            return 1 if engine.row.is_answering else 4
        host = engine.row.host
        return 3 if is_away(host) else 2 if host.is_simulated else 0

    return min(engines, key=rank, default=None)


def chat_engine(key: str) -> ChatEngine | None:
    """Return the engine of a form's key, in any state; None: there is none."""
    number = endpoint_number(key)
    row: Deployment | Endpoint | None
    if number is not None:
        row = Endpoint.objects.filter(pk=number).first()
    else:
        rows = Deployment.objects.select_related("host", "job", "artifact")
        row = rows.filter(pk=number_from(key) or 0).first()
    return ChatEngine(row) if row else None


class TurnsPart(NamedTuple):
    """Turns of one page. ``earlier``: their first index, where others come before."""

    turns: Sequence[ShownTurn] = ()
    earlier: int | None = None


def part_of(
    conversation: Conversation, before: int | None = None, through: int | None = None
) -> TurnsPart:
    """Return the last turns of a branch, as many as one page may have; those with an index below
    ``before``. ``through``: a turn of the branch."""
    branch = branch_of(conversation, through)[:before]
    texts = ("prompt", "reasoning", "answer", "error")
    as_text = [Cast(name, TextField()) for name in ("request", "tool_calls")]
    sized = Turn.objects.annotate(chars=reduce(add, map(Length, [*texts, *as_text])))
    left, first = bounds.CHAT_PAGE_CHARS, len(branch)
    # Read until the page is full: a long chat has gigabytes.
    while first:
        ids = [one.pk for one in branch[max(0, first - _READ) : first]]
        chars = dict(sized.filter(pk__in=ids).values_list("pk", "chars"))
        for pk in reversed(ids):
            left -= chars.get(pk, 0) + bounds.TURN_CHARS
            if left < 0 and first < len(branch):
                return TurnsPart(_turns(branch[first:]), first)
            first -= 1
    return TurnsPart(_turns(branch))


def _turns(places: Sequence[BranchPlace]) -> list[ShownTurn]:
    related = ("deployment__host", "deployment__job", "endpoint")
    turns = Turn.objects.select_related(*related).in_bulk([one.pk for one in places])
    return [ShownTurn(turns[one.pk], one) for one in places if one.pk in turns]


def turns_before(places: Sequence[BranchPlace]) -> list[Turn]:
    """Return the turns of a branch, without what was sent and thought."""
    turns = Turn.objects.defer("request", "reasoning").in_bulk([one.pk for one in places])
    return [turns[one.pk] for one in places if one.pk in turns]


def shown_of(turn: Turn) -> ShownTurn:
    return ShownTurn(turn, place_of(turn))


def chat_presets() -> QuerySet[ChatPreset]:
    return ChatPreset.objects.filter(removed_at=None).select_related("created_by")


def preset_names() -> list[tuple[int, str]]:
    """Return number and name of each preset, without its texts: a chat offers a hundred."""
    return list(ChatPreset.objects.filter(removed_at=None).values_list("pk", "name"))


def chat_preset(preset_id: int) -> ChatPreset | None:
    """Return a preset, also a removed one."""
    return ChatPreset.objects.select_related("created_by").filter(pk=preset_id).first()
