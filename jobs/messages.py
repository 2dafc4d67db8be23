"""Messages for people as records keep them: an id and what fills it.

The words of each id are in ``dashboard.text.messages``, so that each viewer reads their own
language. Here too: messages of hosts under their present keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Keys of events in protocol 1. Events are files on hosts: the launcher of an earlier version
# finishes its job, and a newer agent may ship its events.
_OF_PROTOCOL_1 = {"sentence_id": "message_id", "sentence_args": "message_args"}


@dataclass(frozen=True, slots=True)
class Message:
    """An id of ``dashboard.text.messages`` and what fills it."""

    id: str
    args: Mapping[str, Any] = field(default_factory=dict)


def from_host(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event of a host of any version with the keys ``message_id``, ``message_args``."""
    return {_OF_PROTOCOL_1.get(name, name): value for name, value in item.items()}
