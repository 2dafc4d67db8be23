"""Queries of the playground."""

from collections.abc import Sequence
from functools import reduce
from itertools import groupby
from operator import add, attrgetter, itemgetter
from typing import NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast, Length

from jobs.base import bounds
from jobs.base.numbers import number_from
from jobs.catalog import MODELS
from jobs.kinds.lib.base import endpoint_key, endpoint_number
from jobs.models import Conversation, Deployment, Endpoint, Turn
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
    """A question with the attempt at its answer that is shown, and the ids of all, oldest first."""

    turn: Turn
    attempts: Sequence[int]


def conversations_of(
    user: AbstractBaseUser, terms: Sequence[str], *, most: int
) -> Sequence[Conversation]:
    """Return the newest chats of ``user`` that have each of ``terms``."""
    return list(conversations_with(user, terms)[:most])


def conversations_with(user: AbstractBaseUser, terms: Sequence[str]) -> QuerySet[Conversation]:
    """Return the chats of ``user`` that have each of ``terms``."""
    conversations = Conversation.objects.filter(user_id=user.pk)
    for word in terms:
        condition = (
            Q(prompt__icontains=word) | Q(reasoning__icontains=word) | Q(answer__icontains=word)
        )
        turns = Turn.objects.filter(condition, conversation__user_id=user.pk)
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


def part_of(conversation: Conversation, before: int | None = None) -> TurnsPart:
    """Return the last turns, as many as one page may have; those with an index below ``before``."""
    texts = ("prompt", "reasoning", "answer", "error", Cast("request", TextField()))
    chars = reduce(add, map(Length, texts))
    rows = Turn.objects.filter(conversation=conversation).order_by("-index", "-attempt")
    if before is not None:
        rows = rows.filter(index__lt=before)
    sized = rows.annotate(chars=chars).values_list("index", "pk", "is_shown", "chars")
    attempts = dict[int, list[int]]()  # by the one that is shown
    left, first, earlier = bounds.CHAT_PAGE_CHARS, None, None
    # Read until the page is full: a long chat has gigabytes.
    for index, same in groupby(sized.iterator(chunk_size=_READ), key=itemgetter(0)):
        group = list(same)[::-1]
        _index, pk, _is_shown, count = next((row for row in group if row[2]), group[-1])
        left -= count + bounds.TURN_CHARS
        if attempts and left < 0:
            earlier = first
            break
        attempts[pk], first = [row[1] for row in group], index
    related = ("deployment__host", "deployment__job", "endpoint")
    turns = Turn.objects.select_related(*related).in_bulk(attempts)
    shown = [ShownTurn(turns[pk], group) for pk, group in attempts.items() if pk in turns]
    return TurnsPart(shown[::-1], earlier)


def turns_of(conversation: Conversation) -> list[ShownTurn]:
    """Return all turns, without what was sent and thought."""
    turns = Turn.objects.filter(conversation=conversation).defer("request", "reasoning")
    shown = []
    for _index, group in groupby(turns.order_by("index", "attempt"), key=attrgetter("index")):
        attempts = list(group)
        chosen = next((turn for turn in attempts if turn.is_shown), attempts[-1])
        shown.append(ShownTurn(chosen, [turn.pk for turn in attempts]))
    return shown


def is_of_last_question(conversation: Conversation, turn_id: int) -> bool:
    turns = Turn.objects.filter(conversation=conversation)
    last = turns.order_by("-index").values("index")[:1]
    return turns.filter(pk=turn_id, index=last).exists()


def shown_of(turn: Turn) -> ShownTurn:
    group = Turn.objects.filter(conversation=turn.conversation_id, index=turn.index)
    return ShownTurn(turn, list(group.order_by("attempt").values_list("pk", flat=True)))
