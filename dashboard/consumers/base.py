"""What our sockets have in common."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

# Codes after which a page does not come back; static/js/lib/live_socket.js knows the same.
OVER = 1000
BAD_REQUEST = 4400
LOGGED_OUT = 4401
FORBIDDEN = 4403
NOT_FOUND = 4404


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

    async def serve(self) -> int:
        """Send what there is to send; return the code to close with."""
        raise NotImplementedError

    async def send_message(self, kind: str, **data: Any) -> None:
        """Send ``{"type": kind, …}``. Waits while the page does not read."""
        await self.send(text_data=json.dumps({"type": kind, **data}))

    async def _run(self) -> None:
        try:
            await self.close(await self.serve())
        except (OSError, RuntimeError):
            # The page is gone, or its log's reader broke: the page comes back to its own offset.
            with contextlib.suppress(OSError, RuntimeError):
                await self.close(1011)
