"""Errors of a request for a statement."""

from __future__ import annotations

from jobs.base.errors import JobsError
from jobs.base.messages import Message


class ParityError(JobsError):
    """Counts, a table or results without a statement. ``field``: of the form, "" for all of it."""

    id = "parity:none"

    def __init__(self, reason: Message, field: str = "") -> None:
        super().__init__(reason.id)
        self.reason = reason
        self.field = field
