"""Base class of all sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError

from dashboard.consumers.session_guard import (
    FORBIDDEN,
    LOGGED_OUT,
    TOO_MANY,
    TooManyError,
    session_guard,
)
from dashboard.security.permissions import allowed
from jobs.base.errors import DamagedLog

logger = logging.getLogger(__name__)

# Codes after which a page does not come back; static/js/lib/live_socket.js knows the same. Two more
# of them are in dashboard.consumers.session_guard.
OVER = 1000
BAD_REQUEST = 4400
NOT_FOUND = 4404


class RefusedError(Exception):
    """A socket that cannot be served; its argument is the code to close with."""


class PageSocket(AsyncWebsocketConsumer):
    """A socket that is served by one task, from the handshake until it closes.

    Every socket is accepted first: a refused handshake reaches the browser without its code, and
    the page would try again for ever.
    """

    _task: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Accept, then start :meth:`serve`."""
        await self.accept()
        self._task = asyncio.create_task(self._run())

    async def disconnect(self, code: int) -> None:
        """End the task, wherever it waits."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def subject(self) -> tuple[str, Any]:
        """Return the page's permission: an action of :mod:`dashboard.security.permissions` and
        its object.

        Asked in a thread, of people who are logged in.

        Raises:
            RefusedError: there is no such thing.
        """
        raise NotImplementedError

    async def serve(self) -> int:
        """Send what there is to send; return the code to close with."""
        raise NotImplementedError

    async def send_message(self, kind: str, **data: Any) -> None:
        """Send ``{"type": kind, …}``. Waits while the page does not read."""
        await self.send(text_data=json.dumps({"type": kind, **data}))

    async def _run(self) -> None:
        try:
            await self.close(await self._serve_listener())
        except (OSError, RuntimeError, DatabaseError, DamagedLog) as error:
            # The page is gone, or log or database could not be read: it comes back by itself.
            if isinstance(error, DamagedLog):
                logger.error("%s", error)
            with contextlib.suppress(OSError, RuntimeError):
                await self.close(1011)

    async def _serve_listener(self) -> int:
        """Serve for as long as the page may listen; return the code to close with."""
        user: Any = self.scope["user"] or AnonymousUser()
        try:
            action, obj = await database_sync_to_async(self._permitted)(user)
        except RefusedError as refused:
            return int(refused.args[0])
        try:
            listener = session_guard().enter(self.scope["session"], user, action, obj)
        except TooManyError:
            return TOO_MANY
        serving = asyncio.create_task(self.serve())
        try:
            await asyncio.wait({serving, listener.dismissed}, return_when=asyncio.FIRST_COMPLETED)
            return listener.dismissed.result() if listener.dismissed.done() else serving.result()
        finally:
            session_guard().leave(listener)
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError, RuntimeError):
                await serving

    def _permitted(self, user: Any) -> tuple[str, Any]:
        if not (user.is_authenticated and user.is_active):
            raise RefusedError(LOGGED_OUT)
        action, obj = self.subject()
        if not allowed(user, action, obj):
            raise RefusedError(FORBIDDEN)
        return action, obj


class UnknownSocket(PageSocket):
    """Any path that is no socket of the dashboard."""

    def subject(self) -> tuple[str, Any]:
        """Refuse."""
        raise RefusedError(NOT_FOUND)
