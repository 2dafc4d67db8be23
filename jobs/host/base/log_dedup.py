"""Keeps a log short while something goes wrong for a day. Standard library only."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

AGAIN_S = 600.0
MOST = 500  # different sentences that are remembered


class Repeats(logging.Filter):
    """Lets each sentence through once in ten minutes, and then says how often it was said since.

    ``clock`` is in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[str, list[float]] = {}  # when it was let through, how often held back

    def filter(self, record: logging.LogRecord) -> bool:
        """False: it was said a moment ago."""
        text, moment = record.getMessage(), self._clock()
        key = f"{text} {record.exc_info[1]!r}" if record.exc_info else text
        said = self._said.get(key)
        if said is not None and moment - said[0] < AGAIN_S:
            said[1] += 1
            return False
        if said is not None and said[1]:
            record.msg, record.args = f"{text} ({said[1]:.0f} times more since then)", ()
        self._said.pop(key, None)
        self._said[key] = [moment, 0]
        if len(self._said) > MOST:
            del self._said[next(iter(self._said))]
        return True
