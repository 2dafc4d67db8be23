"""What the playground shows."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q

from jobs.catalog import MODELS
from jobs.models import Conversation, Deployment, Turn

LISTED = 60


def conversations_of(user: AbstractBaseUser) -> Sequence[Conversation]:
    """The person's conversations, last used first, at most ``LISTED``."""
    return list(Conversation.objects.filter(user_id=user.pk)[:LISTED])


def chat_deployments(current: Deployment | None = None) -> Sequence[Deployment]:
    """Deployments that can be asked now, newest first, and the ``current`` one in any state."""
    wanted = Q(state=Deployment.State.READY)
    if current is not None:
        wanted |= Q(pk=current.pk)
    return list(Deployment.objects.filter(wanted).select_related("host", "artifact"))


def turns_of(conversation: Conversation) -> Sequence[Turn]:
    """All turns, first one first."""
    return list(Turn.objects.filter(conversation=conversation).order_by("index"))


def thinks(deployment: Deployment | None) -> bool:
    """True when the deployed model is known to reason before it answers."""
    model = MODELS.get(deployment.model_id) if deployment else None
    return bool(model and model.reasoning)


def context_tokens(deployment: Deployment | None) -> int | None:
    """How many tokens a request to it may have, prompt and answer together; None: not known."""
    found = deployment.job.params.get("context") if deployment else None
    return found if isinstance(found, int) else None
