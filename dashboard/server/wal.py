"""SQLite's write-ahead log, merged into the database beside the requests.

Each request has a thread and a connection of its own. When the last connection closes, SQLite
merges the log and removes it: three syncs of the disk in the way of each request that writes, as
long as no other connection is open. One that stays open prevents that, and merges once a second
what was written. So a power cut takes at most the last second, as it may with
``synchronous=NORMAL``; a killed process takes nothing. Source: https://www.sqlite.org/wal.html
"""

import logging
import sqlite3
import threading
import time
from pathlib import Path

from django.db import connection

MERGE_S = 1.0

logger = logging.getLogger(__name__)


def keep_open() -> None:
    """Begin, where the database is SQLite. It ends with the process."""
    if connection.vendor == "sqlite":
        path = Path(connection.settings_dict["NAME"])
        threading.Thread(target=_keep, args=(path,), name="wal", daemon=True).start()


def _keep(path: Path) -> None:
    known, failed, database = 0, False, None
    while True:
        try:
            database = database or sqlite3.connect(path, isolation_level=None)
            known, failed = _merge(database, path.with_name(f"{path.name}-wal"), known), False
        except (OSError, sqlite3.Error) as error:  # a full disk, another's lock
            if not failed:
                logger.warning("%s is merged later: %s", path, error)
            failed = True
        time.sleep(MERGE_S)


def _merge(database: sqlite3.Connection, log: Path, known: int) -> int:
    """Merge the log unless it is as ``known``, its time in ns; return that of what is merged."""
    database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()  # from now on it is in use
    written = log.stat().st_mtime_ns
    if written == known:
        return known
    _busy, pages, merged = database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return written if 0 <= pages == merged else known  # -1: another process merges
