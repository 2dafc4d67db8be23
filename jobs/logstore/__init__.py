"""Logs on the dashboard's disk: write, read, fold, search, pack.
Here: whatever touches a log's bytes; frames for sockets.
Not here: who may read (`dashboard.security`), when a log goes (`services.upkeep`).

A log that is closed is packed some time after its end (:mod:`jobs.services.upkeep.packing`), and no
reader knows it from a raw one.

=====================  ===========================================================
``store()``            the logs of this dashboard, under ``DATA_DIR/logs``
``LogStore``           append, read, size, lines, search, pack, remove
``OffsetMismatch``     raised by ``append``; carries the size that the file has
``Hub``                one reader a log in a web process, frames shared by its sockets
``plain``              text as a terminal would leave it, without escape sequences
=====================  ===========================================================

A key names a log: ``job/17``, ``deployment/3``, ``turn/9``. Offsets are bytes; lines count from 1.
"""

from __future__ import annotations

from functools import cache

from django.conf import settings

from jobs.base.errors import OffsetMismatch
from jobs.logstore.frames import frame, unframe
from jobs.logstore.hub import MAX_FRAME_BYTES, Hub
from jobs.logstore.plain import plain, plain_stream
from jobs.logstore.search import Match, Matches, Query
from jobs.logstore.store import LogStore

__all__ = [
    "MAX_FRAME_BYTES",
    "Hub",
    "LogStore",
    "Match",
    "Matches",
    "OffsetMismatch",
    "Query",
    "frame",
    "plain",
    "plain_stream",
    "store",
    "unframe",
]


@cache
def _store_at(root: str) -> LogStore:
    return LogStore(settings.DATA_DIR / "logs")


def store() -> LogStore:
    """The logs of this dashboard."""
    return _store_at(str(settings.DATA_DIR))
