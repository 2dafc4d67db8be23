"""Slots that all web processes share: locks on files of ``DATA_DIR``; a killed process has none."""

import contextlib
import fcntl
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from django.conf import settings

MOST_AT_ONCE = 2  # searches of all people; each keeps a processor busy
MOST_WAITING = 8  # searches of one person, in one web process; each holds a thread
LONGEST_WAIT_S = 30.0
_LOOK_S = 0.05

_waiting: Counter[str] = Counter()
_lock = threading.Lock()


def lock_one(folder: str, names: Iterable[str]) -> IO[bytes] | None:
    """Lock the first free file of ``names``; None if others have all of them.

    Closing the file ends the lock. An object that nobody has any more is closed, too.
    """
    place = Path(settings.DATA_DIR, folder)
    place.mkdir(exist_ok=True, mode=0o700)
    for name in names:
        opened = os.open(place / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        file = os.fdopen(opened, "rb+", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
        else:
            return file
    return None


class NoTurn(Exception):
    """Too many searches are waiting, or the wait was too long."""


@contextlib.contextmanager
def search_turn(person: int, line: str = "typed") -> Iterator[None]:
    """Wait for the turn of ``person`` to search in logs, then hold it: one search of a person at a
    time, and few of all people. Each ``line`` has turns of its own. Raises ``NoTurn``: the search
    must not begin."""
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
    while (file := lock_one("searches", names)) is None:
        if time.monotonic() >= deadline:
            raise NoTurn
        time.sleep(_LOOK_S)
    held.enter_context(file)
