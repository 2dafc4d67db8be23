"""``ws/log/<job|deployment>/<id>/?from=OFFSET``: a log as it grows.

To the page: binary frames as :mod:`jobs.logstore.frames` makes them; one text frame
``{"type": "end", "final": bool}`` when the record is closed and every byte was sent, and then the
socket closes with 1000. ``final`` is false where a restart may go on with the same log.
From the page: nothing.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qs

from dashboard.consumers.base import BAD_REQUEST, NOT_FOUND, OVER, PageSocket, RefusedError
from dashboard.consumers.broadcast import broadcaster
from dashboard.security.log_access import ACTIONS, MAY_GO_ON, find_record
from jobs.base.numbers import number_from


class LogConsumer(PageSocket):
    """Sends one log from the offset that the page asks for."""

    kind = ""
    record_id = 0
    offset = 0

    def subject(self) -> tuple[str, Any]:
        """The record that the log belongs to."""
        self.kind = self.scope["url_route"]["kwargs"]["kind"]
        self.record_id = int(self.scope["url_route"]["kwargs"]["record_id"])
        given = parse_qs(self.scope["query_string"].decode("latin-1")).get("from", ["0"])[-1]
        offset = number_from(given)
        if offset is None:
            raise RefusedError(BAD_REQUEST)
        self.offset = offset
        record = find_record(self.kind, self.record_id)
        if record is None or record.removed_at is not None:
            raise RefusedError(NOT_FOUND)
        return ACTIONS[self.kind], record

    async def serve(self) -> int:
        """Send frames until the log is over."""
        frames = broadcaster().hub.follow(f"{self.kind}/{self.record_id}", self.offset)
        async with aclosing(frames):
            async for message in frames:
                await self.send(bytes_data=message)  # waits while the page does not read
        await self.send_message("end", final=not MAY_GO_ON[self.kind])
        return OVER
