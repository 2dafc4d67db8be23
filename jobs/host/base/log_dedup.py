"""Keep a log short while an error repeats for a day. Standard library only."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

INTERVAL_S = 600.0
MOST = 500  # different messages that are remembered


class DuplicateFilter(logging.Filter):
    """Pass each message once in ten minutes, the next time with its number of repeats.

    ``clock`` is in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._logged: dict[str, list[float]] = {}  # time of the last passed message, repeats since

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for a repeat within ten minutes."""
        text, moment = record.getMessage(), self._clock()
        key = f"{text} {record.exc_info[1]!r}" if record.exc_info else text
        known = self._logged.get(key)
        if known is not None and moment - known[0] < INTERVAL_S:
            known[1] += 1
            return False
        if known is not None and known[1]:
            record.msg, record.args = f"{text} ({known[1]:.0f} times more since then)", ()
        self._logged.pop(key, None)
        self._logged[key] = [moment, 0]
        if len(self._logged) > MOST:
            del self._logged[next(iter(self._logged))]
        return True
