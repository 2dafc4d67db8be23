"""Turns that were asked a moment ago, with what the relay needs to start them.

The view that takes a question down has just read the person's rights, the engine and its key. The
relay starts such a turn from here and asks no database, which is most of the wait for a first
token. It asks where nothing is here: ``KEPT_S`` later, after a change of rights, in another web
process, after a restart.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any

from dashboard.chat.engines import Call, NotCallable
from dashboard.security.listeners import Login, at_each_check
from jobs.models import Conversation

# The listener of a turn is checked a second after its start: a right that is withdrawn in another
# process ends within 5 s.
KEPT_S = 3.0
MOST = 128
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


_lock = threading.Lock()  # views run in threads, the relay in the event loop
_kept: dict[int, tuple[float, AskedTurn]] = {}  # oldest first
_forgot_at = 0.0
_is_timed = False


def keep_asked(turn_id: int, asked: AskedTurn, *, since: float) -> None:
    """Keep a turn for its login. ``since``: monotonic time when its rights were read."""
    global _is_timed
    if not isinstance(asked.call, Call) or asked.call.listed is not None:
        return  # the lookup of a name may take longer than KEPT_S
    messages: list[dict[str, Any]] = asked.body.get("messages", [])
    if sum(len(str(one.get("content", ""))) for one in messages) > LONGEST:
        return
    with _lock:
        if since <= _forgot_at:
            return
        while len(_kept) >= MOST:
            del _kept[next(iter(_kept))]
        _kept[turn_id] = since, asked
        if not _is_timed:
            _is_timed = True
            _later()


def take_asked(turn_id: int, session_key: str | None) -> AskedTurn | None:
    """Return a turn that this login asked a moment ago, once. None: not known here."""
    with _lock:
        since, found = _kept.get(turn_id, (0.0, None))
        if found is None or not session_key or found.login.session_key != session_key:
            return None
        del _kept[turn_id]
    return found if time.monotonic() - since < KEPT_S else None


def forget_asked() -> None:
    """Forget all, and what is being read: rights have changed, or a chat was deleted."""
    global _forgot_at
    with _lock:
        _forgot_at = time.monotonic()
        _kept.clear()


at_each_check(forget_asked)


def _later() -> None:
    timer = threading.Timer(KEPT_S, _forget_old)
    timer.daemon = True
    timer.start()


def _forget_old() -> None:
    """Keep no key and no question in memory that nobody takes."""
    global _is_timed
    with _lock:
        oldest = time.monotonic() - KEPT_S
        for turn_id in [one for one, (since, _asked) in _kept.items() if since <= oldest]:
            del _kept[turn_id]
        _is_timed = bool(_kept)
        if _is_timed:
            _later()
