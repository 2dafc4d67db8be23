"""A chat as a file: the shown branch as Markdown, or all branches and attempts as JSON."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext as _

from jobs.models import Conversation, Turn
from jobs.queries.chat_branches import branch_of

FORMAT = "vacc-chat/1"
_READ = 50  # turns in memory
_FIELDS = (
    *("id", "parent_id", "index", "attempt", "version", "is_shown", "device", "prompt", "state"),
    *("reasoning", "answer", "finish_reason", "error", "stats"),
)


def chat_markdown(chat: Conversation) -> Iterator[str]:
    """Yield the title, then each message with its reasoning, quoted, and its answer."""
    yield f"# {chat.title}\n"
    ids = [place.pk for place in branch_of(chat)]
    for turn in _turns(ids):
        yield f"\n## {_('Message')} {turn.index + 1}\n\n{turn.prompt}\n"
        yield f"\n## {turn.request.get('model', '')}\n\n"
        if turn.reasoning:
            yield "\n".join(f"> {line}" for line in turn.reasoning.splitlines()) + "\n\n"
        yield turn.answer or f"*{turn.error or _('No answer.')}*"
        yield "\n"


def chat_json(chat: Conversation) -> Iterator[str]:
    """Yield ``{"format", "title", "created_at", "turns": […]}``: each attempt with its
    parameters, and ``parent_id``, the turn before it. Messages before it are those of its parents,
    so they are not repeated."""
    head = {"format": FORMAT, "title": chat.title, "created_at": chat.created_at.isoformat()}
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "turns": ['
    order = ("index", "attempt")
    ids = list(Turn.objects.filter(conversation=chat).order_by(*order).values_list("pk", flat=True))
    before = "\n"
    for turn in _turns(ids):
        row = {name: getattr(turn, name) for name in _FIELDS}
        row["parameters"] = {key: one for key, one in turn.request.items() if key != "messages"}
        row["created_at"] = turn.created_at.isoformat()
        yield before + json.dumps(row, ensure_ascii=False)
        before = ",\n"
    yield "\n]}\n"


def _turns(ids: Sequence[int]) -> Iterator[Turn]:
    for start in range(0, len(ids), _READ):
        some = ids[start : start + _READ]
        found: dict[int, Any] = Turn.objects.in_bulk(some)
        yield from (found[pk] for pk in some if pk in found)
