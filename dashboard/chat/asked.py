"""Turns that were asked a moment ago, with what the relay needs to start them.

The view that takes a question down has just read the person's rights, the engine and its key. The
relay starts such a turn from here and asks no database, which is most of the wait for a first
token. It asks where nothing is here: ``KEPT_S`` later, after a change of rights, in another web
process, after a restart.
"""

from dataclasses import dataclass
from typing import Any

from dashboard.chat.engines import Call, NotCallable
from dashboard.security.listeners import Login
from dashboard.security.short_memory import ShortMemory
from jobs.models import Conversation

# The listener of a turn is checked a second after its start: a right that is withdrawn in another
# process ends within 5 s.
KEPT_S = 3.0
LONGEST = 100_000  # characters of all messages


@dataclass(frozen=True, slots=True)
class AskedTurn:
    """A turn that a login may have. ``conversation``: its number and owner. ``body``: what the
    engine is asked. ``call``: of a turn to start; None: it has ended, or is only read.
    ``expected``: its model thinks before it answers."""

    login: Login
    conversation: Conversation
    body: dict[str, Any]
    is_open: bool
    expected: bool
    call: Call | NotCallable | None = None


_kept: ShortMemory[int, AskedTurn] = ShortMemory(KEPT_S, most=128)


def keep_asked(turn_id: int, asked: AskedTurn, *, since: float) -> None:
    """Keep a turn for its login. ``since``: monotonic time when its rights were read."""
    if not isinstance(asked.call, Call) or asked.call.listed is not None:
        return  # the lookup of a name may take longer than KEPT_S
    messages: list[dict[str, Any]] = asked.body.get("messages", [])
    if sum(len(str(one.get("content", ""))) for one in messages) <= LONGEST:
        _kept.keep(turn_id, asked, since=since)


def take_asked(turn_id: int, session_key: str | None) -> AskedTurn | None:
    """Return a turn that this login asked a moment ago, once. None: not known here."""
    found = _kept.get(turn_id)
    is_own = found is not None and session_key and found.login.session_key == session_key
    return _kept.take(turn_id) if is_own else None


def forget_asked() -> None:
    """Forget all turns, and those being asked: a chat was deleted."""
    _kept.forget()
