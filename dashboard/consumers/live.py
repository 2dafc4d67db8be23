"""``ws/live/``: hints that something changed, for every page.

To the page: ``{"type": topic, "age_ms": …, …}`` with the fields of :mod:`jobs.notifications`,
``age_ms`` being the time since the event; ``{"type": "missed"}``: hints may be lost, look at
everything; ``{"type": "pong", "t": …, "at_ms": the server's clock}``.
From the page: ``{"type": "ping", "t": its own clock}``. Half a round trip and the age of the hint
are the delay that the page shows.
"""

from __future__ import annotations

import json
import time
from typing import Any

from dashboard.consumers.base import PageSocket
from dashboard.consumers.broadcast import broadcaster

LONGEST_PING = 200


class LiveConsumer(PageSocket):
    """Passes on hints, the newest of each subject, as fast as the page takes them."""

    def subject(self) -> tuple[str, Any]:
        """Return the permission of the overview; it has no object."""
        return "overview.view", None

    async def serve(self) -> int:
        """Send hints until the page leaves."""
        source = broadcaster()
        inbox = source.join()
        try:
            await self.send_message("hello")
            while True:
                for notification in await inbox.take():
                    await self._pass_on(dict(notification))
        finally:
            source.leave(inbox)

    async def _pass_on(self, notification: dict[str, Any]) -> None:
        if happened_at := notification.pop("at", None):
            notification["age_ms"] = round(max(0.0, time.time() - happened_at) * 1000, 1)
        await self.send_message(notification.pop("type"), **notification)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answer a ping; anything else is ignored."""
        if not text_data or len(text_data) > LONGEST_PING:
            return
        try:
            message = json.loads(text_data)
        except ValueError:
            return
        if isinstance(message, dict) and message.get("type") == "ping":
            at_ms = time.time_ns() // 1_000_000
            await self.send_message("pong", t=message.get("t"), at_ms=at_ms)
