"""Spools unknown to the dashboard: stop them, then quarantine them.

It is another dashboard's, or this one's database has become an older one. No page shows it:
no one could stop it, or know why its dies are in use.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from jobs.host.base import spool as spools
from jobs.host.base.spool import Spool

GRACE_S = 600.0  # time to replace a wrong database by the right one
PAUSE_S = 120.0  # not reported as unknown for so long: it was known meanwhile
log = logging.getLogger(__name__)


class Orphans:
    """Remember since when the dashboard reports something as unknown. ``clock`` is in seconds."""

    def __init__(self, host_dir: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._host_dir = host_dir
        self._clock = clock
        self._reported: dict[tuple[Path, str], tuple[float, float]] = {}  # first and last time

    def set_aside(self, spool: Spool) -> bool:
        """Set the spool aside. False: it still runs, or just began to end; to be tried again.

        Raises:
            FileNotFoundError: it was set aside meanwhile.
        """
        meta, moment = spool.meta(), self._clock()
        key = (spool.path, meta.token)
        if not spool.is_running() and spools.set_aside(spool, self._host_dir) is not None:
            self._reported.pop(key, None)
            return True
        first, last = self._reported.get(key, (moment, moment))
        if moment - last > PAUSE_S:
            first = moment
        self._reported[key] = (first, moment)
        if moment - first >= GRACE_S and not spool.is_cancel_asked(meta.run):
            text = f"unknown to the dashboard for {GRACE_S:g} s: ending it"
            log.warning("%s: %s", spool, text)
            spool.note(text)
            spool.ask_cancel(meta.run)
        return False
