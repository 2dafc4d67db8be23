"""``ws/log/<job|deployment>/<id>/?from=OFFSET``: a log as it grows.

To the page: binary frames, 8 bytes big-endian say the offset, then the bytes; one text frame
``{"type": "end", "final": bool}`` when the record is closed and every byte was sent, and then the
socket closes with 1000. ``final`` is false where a restart may go on with the same log.
From the page: nothing.
"""

from __future__ import annotations

from contextlib import aclosing
from urllib.parse import parse_qs

from channels.db import database_sync_to_async

from dashboard.consumers.base import (
    BAD_REQUEST,
    FORBIDDEN,
    LOGGED_OUT,
    NOT_FOUND,
    OVER,
    PageSocket,
)
from dashboard.consumers.switchboard import switchboard
from dashboard.log_access import ACTIONS, MAY_GO_ON, find_record
from dashboard.rights import allowed


class LogConsumer(PageSocket):
    """Sends one log from the offset that the page asks for."""

    async def serve(self) -> int:
        """Send frames until the log is over."""
        kind = self.scope["url_route"]["kwargs"]["kind"]
        record_id = int(self.scope["url_route"]["kwargs"]["record_id"])
        offset = self._offset()
        if offset is None:
            return BAD_REQUEST
        refusal: int | None = await database_sync_to_async(self._refusal)(kind, record_id)
        if refusal is not None:
            return refusal
        frames = switchboard().hub.follow(f"{kind}/{record_id}", offset)
        async with aclosing(frames):
            async for message in frames:
                await self.send(bytes_data=message)  # waits while the page does not read
        await self.send_message("end", final=not MAY_GO_ON[kind])
        return OVER

    def _offset(self) -> int | None:
        given = parse_qs(self.scope["query_string"].decode("latin-1")).get("from", ["0"])[-1]
        return int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else None

    def _refusal(self, kind: str, record_id: int) -> int | None:
        user = self.scope["user"]
        if user is None or not user.is_authenticated:
            return LOGGED_OUT
        record = find_record(kind, record_id)
        if record is None:
            return NOT_FOUND
        return None if allowed(user, ACTIONS[kind], record) else FORBIDDEN
