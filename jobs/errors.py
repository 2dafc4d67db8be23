"""Errors with an id. Each belongs to someone; the words for people are the dashboard's.

Standard library only, Python 3.10 or newer: a host imports this module.
"""

from __future__ import annotations

import errno
from typing import Any, ClassVar


class JobsError(Exception):
    """Base of all. ``id`` names the case, ``args_for_people`` fills its sentence."""

    id: ClassVar[str] = "internal"

    def __init__(self, message: str = "", **args_for_people: Any) -> None:
        super().__init__(message or self.id)
        self.args_for_people = args_for_people


class PlanError(JobsError):
    """A plan that cannot be run as it stands: ours to mend."""

    id = "internal:plan"


class LaunchError(JobsError):
    """What a person asked for cannot be launched. ``field`` is the form's, "" for all of it."""

    id = "launch:invalid"

    def __init__(self, message: str, field: str = "", **args_for_people: Any) -> None:
        super().__init__(message, **args_for_people)
        self.field = field


class ParseError(JobsError):
    """A tool's output is not what its parser knows."""

    id = "parse:unknown"


# What a disk says that takes no more.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class OffsetMismatch(JobsError):
    """A chunk does not begin where the file ends. ``size`` is where it ends."""

    id = "intake:offset"

    def __init__(self, size: int) -> None:
        super().__init__(f"the file has {size} bytes")
        self.size = size


class DamagedLog(JobsError):
    """A packed log cannot be read: its file is not as it was written. Never a part of its bytes."""

    id = "internal:log"


class LogRemoved(JobsError):
    """A log ended before its end: it was removed while it was read."""

    id = "internal:log"
