"""State that all web processes share: counters in Redis, slots as locks on files of ``DATA_DIR``.

While Redis is away, each process counts alone. A killed process holds no slot.
"""

import contextlib
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import IO, Concatenate, ParamSpec, TypeVar

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from redis.exceptions import RedisError

from jobs.base.files import take_lock, text_sha256
from jobs.base.messages import Message
from jobs.confined import ASKER_LEFT, NotDone

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


def on_cache(do: Callable[Concatenate[BaseCache, P], T]) -> Callable[P, T]:
    """Return ``do`` with the shared cache as its first argument, or with that of this process."""

    @wraps(do)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return do(caches["default"], *args, **kwargs)
        except RedisError as error:
            logger.warning("this process counts alone: %s", error)
            return do(caches["without_redis"], *args, **kwargs)

    return run


@on_cache
def count_one(cache: BaseCache, key: str, *, keep_s: int, more: int = 1) -> int:
    """:func:`add_one` on the shared cache."""
    return add_one(cache, key, keep_s=keep_s, more=more)


def add_one(cache: BaseCache, key: str, *, keep_s: int, more: int = 1) -> int:
    """Count one, or so many, more; return the count. It is forgotten so long after the last one."""
    cache.add(key, 0, timeout=keep_s)
    count: int = cache.incr(key, more)
    cache.touch(key, keep_s)
    return count


def hashed(text: str) -> str:
    """Return the SHA-256 of a text that must not be stored. Keys and tokens are long and random; a
    typed name may be a password."""
    return text_sha256(text)


MOST_AT_ONCE = 2  # searches of all people; each keeps a processor busy
MOST_WAITING = 8  # searches of one person, in one web process; each holds a thread
LONGEST_WAIT_S = 30.0
_LOOK_S = 0.05

_waiting: Counter[str] = Counter()
_lock = threading.Lock()


def lock_one(folder: str, names: Iterable[str]) -> IO[bytes] | None:
    """Lock the first free file of ``names``; None if others have all of them. Closing the file ends
    the lock. An object that nobody has any more is closed, too."""
    place = Path(settings.DATA_DIR, folder)
    place.mkdir(exist_ok=True, mode=0o700)
    for name in names:
        fd = take_lock(place / name)
        if fd is not None:
            return os.fdopen(fd, "rb+", buffering=0)
    return None


class NoTurn(NotDone):
    """Too many searches are waiting, the wait was too long, or nobody waits for the answer."""

    id = "search:no_turn"
    message = Message(id)


@contextlib.contextmanager
def search_turn(person: int, line: str = "typed") -> Iterator[None]:
    """Wait for the turn of ``person`` to search, then hold it: one search of a person at a time,
    and few of all people. Each ``line`` has turns of its own: logs, answers. Raises ``NoTurn``: the
    search must not begin."""
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
    left = ASKER_LEFT.get()
    while (file := lock_one("searches", names)) is None:
        if time.monotonic() >= deadline or (left and left.is_set()):
            raise NoTurn
        time.sleep(_LOOK_S)
    held.enter_context(file)
