"""Searches through logs take turns: one of a person at a time, and few of all people.

A turn is a lock on a file of ``DATA_DIR``. All web processes share it, and a killed one holds none.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

from dashboard.security.lock_files import lock_one

MOST_AT_ONCE = 2  # of all people; each keeps a processor busy
MOST_WAITING = 8  # of one person, in one web process; each holds a thread
LONGEST_WAIT_S = 30.0
_LOOK_S = 0.05

_waiting: Counter[str] = Counter()
_lock = threading.Lock()


class NoTurn(Exception):
    """Too many searches are waiting, or the wait was too long."""


@contextlib.contextmanager
def search_turn(person: int, line: str = "typed") -> Iterator[None]:
    """Wait for the turn of ``person``, then hold it. Each ``line`` has turns of its own.

    Raises:
        NoTurn: the search must not begin.
    """
    with ExitStack() as held:
        with _waits(f"{line}-{person}"):
            deadline = time.monotonic() + LONGEST_WAIT_S
            _take(held, [f"{line}-of-{person}"], deadline)
            _take(held, [f"{line}-{number}" for number in range(MOST_AT_ONCE)], deadline)
        yield


@contextlib.contextmanager
def _waits(who: str) -> Iterator[None]:
    with _lock:
        if _waiting[who] >= MOST_WAITING:
            raise NoTurn
        _waiting[who] += 1
    try:
        yield
    finally:
        with _lock:
            _waiting[who] -= 1
            if not _waiting[who]:
                del _waiting[who]


def _take(held: ExitStack, names: list[str], deadline: float) -> None:
    """Lock one of the files ``names`` until ``held`` ends."""
    while (file := lock_one("searches", names)) is None:
        if time.monotonic() >= deadline:
            raise NoTurn
        time.sleep(_LOOK_S)
    held.enter_context(file)
