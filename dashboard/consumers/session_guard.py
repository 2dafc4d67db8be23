"""Check that listeners may continue: a socket outlives the login that opened it.

Sockets and the relay's streams are let in once, and looked at again every ``LOOK_S`` seconds and
after each change of rights in this process (:func:`look_soon`). One look is two queries, however
many pages are open.
"""

from __future__ import annotations

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

LOOK_S = 5.0
# Codes that a page does not come back after; static/js/lib/live_socket.js knows the same.
LOGGED_OUT = 4401
FORBIDDEN = 4403


def _future() -> asyncio.Future[int]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False, slots=True)
class Guest:
    """One who listens, as they were let in. ``shown_out`` is done with the code of the reason."""

    session_key: str
    password_hash: str
    user_id: int | None
    action: str
    obj: Any
    shown_out: asyncio.Future[int] = field(default_factory=_future)


class Doors:
    """Made once for each event loop."""

    def __init__(self) -> None:
        self._guests: set[Guest] = set()
        self._soon = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def enter(
        self,
        session: SessionBase,
        user: AbstractBaseUser | AnonymousUser,
        action: str,
        obj: Any = None,
    ) -> Guest:
        """Add a listener whose right to ``action`` was just checked."""
        password_hash = session.get(HASH_SESSION_KEY, "")
        guest = Guest(session.session_key or "", password_hash, user.pk, action, obj)
        self._guests.add(guest)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch(), name="doors")
        return guest

    def leave(self, guest: Guest) -> None:
        """They went by themselves."""
        self._guests.discard(guest)

    def look_soon(self) -> None:
        """Look now. May be called from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._soon.set)

    async def _watch(self) -> None:
        while self._guests:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), LOOK_S)
            self._soon.clear()
            try:
                refused = await database_sync_to_async(refusals)(tuple(self._guests))
            except DatabaseError as error:
                # Their data comes from the same database: no listener is closed for this.
                logger.warning("cannot check sessions of listeners: %s", error)
                continue
            for guest, code in refused.items():
                self._guests.discard(guest)
                if not guest.shown_out.done():
                    guest.shown_out.set_result(code)


def refusals(guests: Collection[Guest]) -> Mapping[Guest, int]:
    """Return listeners that lost their right, with the close code of the reason."""
    sessions = Session.objects.filter(
        session_key__in={guest.session_key for guest in guests}, expire_date__gt=now()
    )
    open_sessions = set(sessions.values_list("session_key", flat=True))
    users = User.objects.in_bulk({guest.user_id for guest in guests if guest.user_id})
    refused = {}
    for guest in guests:
        user = users.get(guest.user_id or 0)
        if user is None or guest.session_key not in open_sessions or not _is_login_of(guest, user):
            refused[guest] = LOGGED_OUT
        elif not allowed(user, guest.action, guest.obj):
            refused[guest] = FORBIDDEN
    return refused


def _is_login_of(guest: Guest, user: User) -> bool:
    """True while the user may log in, with the password that the session began with."""
    same = constant_time_compare(guest.password_hash, user.get_session_auth_hash())
    return user.is_active and same


_doors: WeakKeyDictionary[asyncio.AbstractEventLoop, Doors] = WeakKeyDictionary()


def doors() -> Doors:
    """The ones of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _doors:
        _doors[loop] = Doors()
    return _doors[loop]


def look_soon() -> None:
    """Check all listeners after a change of rights. Other processes check at their next
    interval."""
    for each in list(_doors.values()):
        each.look_soon()
