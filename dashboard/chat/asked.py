"""Turns that were asked a moment ago, with what the relay needs to start them.

The view that takes a question down has just checked the person's rights, the engine and its key.
The relay starts such a turn from here and asks no database, which is most of the wait for a first
token. It asks where nothing is here: later than ``KEPT_S``, in another web process, after a
restart.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from dashboard.chat.engines import Call, NotCallable
from jobs.models import Turn

# What was checked counts no longer: a right that is withdrawn ends within 5 s.
KEPT_S = 4.0
MOST = 128
LONGEST = 100_000  # characters of all messages


@dataclass(frozen=True, slots=True)
class Asked:
    """A turn that the person of ``session`` may have. ``call``: of a turn to start; None: it has
    ended, or is only read. ``expected``: its model thinks before it answers."""

    turn: Turn
    session: SessionBase
    user: AbstractBaseUser | AnonymousUser
    expected: bool
    call: Call | NotCallable | None = None


_lock = threading.Lock()  # views run in threads, the relay in the event loop
_kept: dict[int, tuple[float, Asked]] = {}  # oldest first


def keep_asked(request: HttpRequest, turn: Turn, call: Call, *, expected: bool) -> None:
    """Keep a turn for the login that has just asked it. ``call``: as the person may call the engine
    now."""
    messages: list[dict[str, Any]] = turn.request.get("messages", [])
    if sum(len(str(one.get("content", ""))) for one in messages) > LONGEST:
        return
    asked = Asked(turn, request.session, request.user, expected, call)
    with _lock:
        _forget()
        while len(_kept) >= MOST:
            del _kept[next(iter(_kept))]
        _kept[turn.pk] = time.monotonic(), asked


def take_asked(turn_id: int, session_key: str | None) -> Asked | None:
    """Return a turn that this login asked a moment ago, once. None: not known here."""
    with _lock:
        _forget()
        found = _kept.get(turn_id)
        if found is None or not session_key or found[1].session.session_key != session_key:
            return None
        del _kept[turn_id]
    return found[1]


def _forget() -> None:
    oldest = time.monotonic() - KEPT_S
    for turn_id in [one for one, (at, _asked) in _kept.items() if at < oldest]:
        del _kept[turn_id]
