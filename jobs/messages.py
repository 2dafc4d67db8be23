"""Messages for people as records keep them: an id and what fills it.

The words of each id are in ``dashboard.text.messages``, so that each viewer reads their own
language. Here too: a host's messages in the names of today.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Names of protocol 1 in events and findings. Events are in files on hosts: a launcher of an earlier
# version goes on with its job, and a later agent ships the events that it wrote.
_OF_PROTOCOL_1 = {"sentence_id": "message_id", "sentence_args": "message_args"}


@dataclass(frozen=True, slots=True)
class Message:
    """An id of ``dashboard.text.messages`` and what fills it."""

    id: str
    args: Mapping[str, Any] = field(default_factory=dict)


def from_host(item: Mapping[str, Any]) -> dict[str, Any]:
    """An event or a finding of a host of any version, with ``message_id`` and ``message_args``.

    Raises:
        TypeError, ValueError: it is no mapping.
    """
    return {_OF_PROTOCOL_1.get(name, name): value for name, value in dict(item).items()}
