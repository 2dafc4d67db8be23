"""Queries of the playground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q

from jobs.catalog import MODELS
from jobs.models import Conversation, Deployment, Turn

LISTED = 60


@dataclass(frozen=True, slots=True)
class Shown:
    """A question with the attempt at its answer that is shown, and the ids of all, oldest first."""

    turn: Turn
    attempts: Sequence[int]


def conversations_of(user: AbstractBaseUser, *, most: int = LISTED) -> Sequence[Conversation]:
    """The person's conversations, last used first, at most ``most``."""
    return list(Conversation.objects.filter(user_id=user.pk)[:most])


def conversations_with(
    user: AbstractBaseUser, terms: Sequence[str], *, most: int
) -> Sequence[Conversation]:
    """The person's conversations with all the words in title, questions or answers."""
    conversations = Conversation.objects.filter(user_id=user.pk)
    for word in terms:
        condition = Q(prompt__icontains=word) | Q(answer__icontains=word)
        turns = Turn.objects.filter(condition, conversation__user_id=user.pk)
        conversations = conversations.filter(
            Q(title__icontains=word) | Q(pk__in=turns.values("conversation"))
        )
    return list(conversations[:most])


def chat_deployments(current: Deployment | None = None) -> Sequence[Deployment]:
    """Deployments that can be asked now, newest first, and the ``current`` one in any state."""
    wanted = Q(state=Deployment.State.READY)
    if current is not None:
        wanted |= Q(pk=current.pk)
    return list(Deployment.objects.filter(wanted).select_related("host", "artifact", "job"))


def turns_of(conversation: Conversation) -> Sequence[Shown]:
    """All questions, first one first, each with the attempt that is shown."""
    turns = Turn.objects.filter(conversation=conversation).order_by("index", "attempt")
    turns = turns.select_related("deployment__host", "deployment__job")
    groups = [list(group) for _, group in groupby(turns, key=attrgetter("index"))]
    return [_shown(group) for group in groups]


def shown_of(turn: Turn) -> Shown:
    """This turn, with all attempts at its question."""
    group = Turn.objects.filter(conversation=turn.conversation_id, index=turn.index)
    return Shown(turn, list(group.order_by("attempt").values_list("pk", flat=True)))


def _shown(group: Sequence[Turn]) -> Shown:
    chosen = next((turn for turn in group if turn.is_shown), group[-1])
    return Shown(chosen, [turn.pk for turn in group])


def thinks(deployment: Deployment | None) -> bool:
    """True when the deployed model is known to reason before it answers, or is made to."""
    model = MODELS.get(deployment.model_id) if deployment else None
    made_to = bool(deployment and (deployment.details or {}).get("reasoning"))
    return made_to or bool(model and model.reasoning)


def context_tokens(deployment: Deployment | None) -> int | None:
    """Return the maximum tokens of a request, prompt and answer together; None if unknown."""
    if deployment is None:
        return None
    declared = (deployment.details or {}).get("max_total")
    tokens = declared or deployment.job.params.get("context")
    return tokens if isinstance(tokens, int) else None
