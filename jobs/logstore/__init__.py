"""Logs on the dashboard's disk: write, read, fold, search, pack.
Here: whatever touches a log's bytes; frames for sockets.
Not here: who may read (`dashboard.security`), when a log goes (`services.upkeep`).

A key names a log: ``job/17``, ``deployment/3``, ``turn/9``. Offsets are bytes; lines count from 1.
"""

from functools import cache

from django.conf import settings

from jobs.logstore.store import LogStore


@cache
def _store_at(root: str) -> LogStore:
    return LogStore(settings.DATA_DIR / "logs")


def store() -> LogStore:
    return _store_at(str(settings.DATA_DIR))
