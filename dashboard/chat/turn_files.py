"""Files of a chat's turn beside its raw stream: whether it was started, and is worked on.

``turn/<id>`` in the log store is the stream. ``<id>.alive`` beside it is locked while a process
works on the turn; once it holds that process's pid the turn counts as started.
"""

from __future__ import annotations

import fcntl
import os

from jobs.logstore import store


def key(turn_id: int) -> str:
    """The turn's name in the log store."""
    return f"turn/{turn_id}"


def began(turn_id: int) -> float | None:
    """Return the turn's start in seconds since the epoch; None: not started."""
    try:
        stat = store().path(key(turn_id)).with_suffix(".alive").stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime if stat.st_size else None


def is_running(turn_id: int) -> bool:
    """True while a process works on the turn."""
    return _held(turn_id) is None


def is_abandoned(turn_id: int) -> bool:
    """True when the turn was started and no process works on it."""
    return bool(_held(turn_id))


def _held(turn_id: int) -> bool | None:
    """None while a process works on the turn; else True when one has."""
    try:
        fd = os.open(store().path(key(turn_id)).with_suffix(".alive"), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    else:
        return os.fstat(fd).st_size > 0
    finally:
        os.close(fd)
