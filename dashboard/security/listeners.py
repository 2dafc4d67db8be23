"""Listeners, which outlive the login that opened them: sockets, streams and requests that wait.

A listener is admitted once and checked again every ``CHECK_S`` seconds, and after each change of
rights in this process (:func:`check_soon`). One check is two queries, however many pages are open.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from channels.db import database_sync_to_async
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.utils.crypto import constant_time_compare
from django.utils.timezone import now

from dashboard.security.permissions import allowed
from jobs.models import ApiToken

logger = logging.getLogger(__name__)

T = TypeVar("T")
CHECK_S = 5.0
MOST_OF_A_PERSON = 256  # in one web process
# Close codes of those who are dismissed, see also :mod:`dashboard.consumers`.
LOGGED_OUT = 4401
FORBIDDEN = 4403


def of_each_loop(make: Callable[[], T]) -> Callable[[], T]:
    """Return a function with one object of each running loop; made at its first call there."""
    made: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    def get() -> T:
        loop = asyncio.get_running_loop()
        if loop not in made:
            made[loop] = make()
        return made[loop]

    return get


class TooManyError(Exception):
    """The person has :data:`MOST_OF_A_PERSON` listeners."""


class Login(NamedTuple):
    """A person's session and the password that it began with: when either changes, it ends. Or
    their API token."""

    session_key: str
    password_hash: str
    user_id: int | None
    token_id: int | None = None

    @classmethod
    def of(cls, session: SessionBase, user: AbstractBaseUser | AnonymousUser) -> Login:
        token = getattr(user, "token_id", None)
        return cls(session.session_key or "", session.get(HASH_SESSION_KEY, ""), user.pk, token)


@dataclass(eq=False, slots=True)
class Listener:
    """A listener and its login when it began. ``dismissed``: done with the close code."""

    login: Login
    action: str
    obj: Any
    dismissed: asyncio.Future[int]


class SessionGuard:
    """Watches the listeners of one event loop."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._of_person: Counter[int | None] = Counter()
        self._within: asyncio.TimerHandle | None = None
        self._soon = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        _guards.add(self)

    def enter(self, login: Login, action: str, obj: Any = None) -> Listener:
        """Add a listener whose right to ``action`` was just checked. Raises ``TooManyError``: the
        person has too many."""
        if self._of_person[login.user_id] >= MOST_OF_A_PERSON:
            raise TooManyError
        listener = Listener(login, action, obj, self._loop.create_future())
        self._listeners.add(listener)
        self._of_person[login.user_id] += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch(), name="session-guard")
        return listener

    def leave(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)
            self._of_person[listener.login.user_id] -= 1
            if not self._of_person[listener.login.user_id]:
                del self._of_person[listener.login.user_id]

    def check_soon(self) -> None:
        """Check all listeners now. May be called from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._soon.set)

    def check_within(self, wait_s: float) -> None:
        """Check all listeners after ``wait_s`` seconds; several calls make one check."""
        if self._within is None or self._within.when() <= self._loop.time():
            self._within = self._loop.call_later(wait_s, self._soon.set)

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
                self.leave(listener)
                if not listener.dismissed.done():
                    listener.dismissed.set_result(code)


def refusals(listeners: Collection[Listener]) -> Mapping[Listener, int]:
    """Return listeners that lost their right, with the close code of the reason."""
    sessions = Session.objects.filter(
        session_key__in={each.login.session_key for each in listeners}, expire_date__gt=now()
    )
    open_sessions = set(sessions.values_list("session_key", flat=True))
    ids = {each.login.user_id for each in listeners if each.login.user_id}
    users = User.objects.select_related("account").in_bulk(ids)
    token_ids = {each.login.token_id for each in listeners if each.login.token_id}
    tokens = ApiToken.valid().in_bulk(token_ids) if token_ids else {}
    refused = {}
    for listener in listeners:
        login = listener.login
        user = users.get(login.user_id or 0)
        if login.token_id is not None:
            token = tokens.get(login.token_id)
            user = token.caller(user) if token and user else None
        elif user is not None and not (
            login.session_key in open_sessions
            # Another password than the session began with ends it.
            and constant_time_compare(login.password_hash, user.get_session_auth_hash())
        ):
            user = None
        if user is None or not user.is_active:
            refused[listener] = LOGGED_OUT
        elif not allowed(user, listener.action, listener.obj):
            refused[listener] = FORBIDDEN
    return refused


_guards: WeakSet[SessionGuard] = WeakSet()
session_guard = of_each_loop(SessionGuard)


_at_each_check: list[Callable[[], None]] = []


def at_each_check(call: Callable[[], None]) -> None:
    """Call this after each change of rights in this process, in the thread that changed them."""
    _at_each_check.append(call)


def check_soon() -> None:
    """Check all listeners after a change of rights, or of an engine, its key or its address. Other
    processes check at their next interval."""
    for call in _at_each_check:
        call()
    for guard in list(_guards):
        guard.check_soon()
