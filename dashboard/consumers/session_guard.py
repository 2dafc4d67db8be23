"""Check that listeners may continue: a socket outlives the login that opened it.

Sockets and the relay's streams are let in once, and looked at again every ``CHECK_S`` seconds and
after each change of rights in this process (:func:`check_soon`). One look is two queries, however
many pages are open.
"""

import asyncio
import contextlib
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.utils.crypto import constant_time_compare
from django.utils.timezone import now

from dashboard.security.permissions import allowed

logger = logging.getLogger(__name__)

CHECK_S = 5.0
# Close codes after which the page does not reconnect; static/js/lib/live_socket.js knows the same.
LOGGED_OUT = 4401
FORBIDDEN = 4403
# A page that is closed with it comes back later: others of its person may be closed by then.
TOO_MANY = 4429
MOST_OF_A_PERSON = 256  # sockets and streams in one web process


class TooManyError(Exception):
    """The person has :data:`MOST_OF_A_PERSON` listeners."""


def _future() -> asyncio.Future[int]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False, slots=True)
class Listener:
    """A socket and its login when it was opened. ``dismissed``: done with the close code."""

    session_key: str
    password_hash: str
    user_id: int | None
    action: str
    obj: Any
    dismissed: asyncio.Future[int] = field(default_factory=_future)


class SessionGuard:
    """Watches the listeners of one event loop."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._soon = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def enter(
        self,
        session: SessionBase,
        user: AbstractBaseUser | AnonymousUser,
        action: str,
        obj: Any = None,
    ) -> Listener:
        """Add a listener whose right to ``action`` was just checked. Raises ``TooManyError``: the
        person has too many."""
        if sum(each.user_id == user.pk for each in self._listeners) >= MOST_OF_A_PERSON:
            raise TooManyError
        password_hash = session.get(HASH_SESSION_KEY, "")
        listener = Listener(session.session_key or "", password_hash, user.pk, action, obj)
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch(), name="session-guard")
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def check_soon(self) -> None:
        """Check all listeners now. May be called from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._soon.set)

    async def _watch(self) -> None:
        while self._listeners:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), CHECK_S)
            self._soon.clear()
            try:
                refused = await database_sync_to_async(refusals)(tuple(self._listeners))
            except DatabaseError as error:
                # Their data comes from the same database: no listener is closed for this.
                logger.warning("cannot check sessions of listeners: %s", error)
                continue
            for listener, code in refused.items():
                self._listeners.discard(listener)
                if not listener.dismissed.done():
                    listener.dismissed.set_result(code)


def refusals(listeners: Collection[Listener]) -> Mapping[Listener, int]:
    """Return listeners that lost their right, with the close code of the reason."""
    sessions = Session.objects.filter(
        session_key__in={listener.session_key for listener in listeners}, expire_date__gt=now()
    )
    open_sessions = set(sessions.values_list("session_key", flat=True))
    ids = {listener.user_id for listener in listeners if listener.user_id}
    users = User.objects.select_related("account").in_bulk(ids)
    refused = {}
    for listener in listeners:
        user = users.get(listener.user_id or 0)
        if (
            user is None
            or listener.session_key not in open_sessions
            or not _is_login_of(listener, user)
        ):
            refused[listener] = LOGGED_OUT
        elif not allowed(user, listener.action, listener.obj):
            refused[listener] = FORBIDDEN
    return refused


def _is_login_of(listener: Listener, user: User) -> bool:
    """True while the user may log in, with the password that the session began with."""
    same = constant_time_compare(listener.password_hash, user.get_session_auth_hash())
    return user.is_active and same


_session_guards: WeakKeyDictionary[asyncio.AbstractEventLoop, SessionGuard] = WeakKeyDictionary()


def session_guard() -> SessionGuard:
    """Return the guard of the running loop; made at the first call."""
    loop = asyncio.get_running_loop()
    if loop not in _session_guards:
        _session_guards[loop] = SessionGuard()
    return _session_guards[loop]


def check_soon() -> None:
    """Check all listeners after a change of rights. Other processes check at their next
    interval."""
    for each in list(_session_guards.values()):
        each.check_soon()
