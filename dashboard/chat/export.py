"""A chat as text: a branch as Markdown, or :mod:`dashboard.chat.chat_file` as JSON."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext as _

from dashboard.chat.chat_file import FORMAT, EngineType
from jobs.completions import continues_answer, system_of
from jobs.models import Conversation, Turn
from jobs.queries.chat_branches import branch_of

_READ = 50  # turns in memory
_FIELDS = (
    *("index", "attempt", "version", "is_shown", "is_imported", "device", "prompt", "state"),
    *("reasoning", "answer", "tool_calls", "finish_reason", "error", "stats"),
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
        if turn.answer or not turn.tool_calls:
            yield turn.answer or f"*{turn.error or _('No answer.')}*"
            yield "\n"
        for call in turn.tool_calls:
            arguments = "\n".join(f"    {line}" for line in call["arguments"].splitlines())
            yield f"\n{_('Tool call:')} {call['name']}\n\n{arguments}\n"


def chat_json(chat: Conversation, *, only_shown: bool = False) -> Iterator[str]:
    """Yield a chat's file, a turn a line: all branches and attempts, or the branch that is
    shown."""
    head: dict[str, Any] = {
        "format": FORMAT,
        "title": str(chat),
        "created_at": chat.created_at.isoformat(),
    }
    if not only_shown:  # a share has none of its owner's own words
        head["tags"] = [tag.name for tag in chat.tags.all()]
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "turns": ['
    rows = Turn.objects.filter(conversation=chat).order_by("index", "attempt")
    every = rows.values_list("pk", flat=True)
    ids = [place.pk for place in branch_of(chat)] if only_shown else list(every)
    numbers = {pk: number for number, pk in enumerate(ids, start=1)}
    before = "\n"
    for turn in _turns(ids):
        row: dict[str, Any] = {
            "id": numbers[turn.pk],
            "parent_id": numbers.get(turn.parent_id or 0),
        }
        row |= {name: getattr(turn, name) for name in _FIELDS}
        row["engine_type"] = _engine_type(turn)
        row["continues"], row["system"] = continues_answer(turn.request), system_of(turn.request)
        row["parameters"] = {key: one for key, one in turn.request.items() if key != "messages"}
        row["created_at"] = turn.created_at.isoformat()
        yield before + json.dumps(row, ensure_ascii=False)
        before = ",\n"
    yield "\n]}\n"


def _engine_type(turn: Turn) -> EngineType | str:
    if turn.engine_type or turn.endpoint_id:
        return turn.engine_type or "endpoint"
    if turn.deployment is None:
        return "unknown"
    return "simulated" if turn.deployment.host.is_simulated else "deployment"


def _turns(ids: Sequence[int]) -> Iterator[Turn]:
    rows = Turn.objects.select_related("deployment__host")
    for start in range(0, len(ids), _READ):
        some = ids[start : start + _READ]
        found: dict[int, Any] = rows.in_bulk(some)
        yield from (found[pk] for pk in some if pk in found)
