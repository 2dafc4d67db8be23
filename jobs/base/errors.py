"""Errors with an id. The dashboard has the texts for people.

Standard library only, Python 3.10 or newer: a host imports this module.
"""

import errno
from collections.abc import Mapping
from typing import Any, ClassVar


class JobsError(Exception):
    """``id`` names the case, ``args_for_people`` are the message's arguments."""

    id: ClassVar[str] = "internal"

    def __init__(self, message: str = "", **args_for_people: Any) -> None:
        super().__init__(message or self.id)
        self.args_for_people = args_for_people


class PlanError(JobsError):
    """Invalid plan: a bug of the dashboard."""

    id = "internal:plan"


class LaunchError(JobsError):
    """Request that cannot be launched. ``field`` is the form's field, "" for the whole form;
    ``fields``: the message of each field. ``args`` fill the placeholders of ``message``."""

    id = "launch:invalid"

    def __init__(self, message: str, field: str = "", **args: Any) -> None:
        super().__init__(message % args if args else message)
        self.field, self.fields = field, {field: str(self)}


class ParseError(JobsError):
    """Tool output that its parser does not support."""

    id = "parse:unknown"


# errno values of a full disk.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class OffsetMismatch(JobsError):
    """A chunk does not begin at the file's end. ``size`` is the file's size."""

    id = "intake:offset"

    def __init__(self, size: int) -> None:
        super().__init__(f"the file has {size} bytes")
        self.size = size


class Incomplete(JobsError):
    """An ``ended`` event arrived before all its data. ``have`` lists the present data."""

    id = "intake:incomplete"

    def __init__(self, have: Mapping[str, Any]) -> None:
        super().__init__(f"incomplete: {have}")
        self.have = dict(have)


class DamagedLog(JobsError):
    """A packed log is corrupt; no part of its bytes is returned."""

    id = "internal:log"


class LogRemoved(JobsError):
    """A log was removed while being read."""

    id = "internal:log"
