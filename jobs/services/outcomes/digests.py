"""Checksums of whole logs, a part in each request: one of 20 GB takes longer than a host waits.

The state of a checksum cannot be written down, so that each web process has its own. A host that
is told to come again mostly comes to the same one; where it does not, both get to the end.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable

from jobs import logstore

# Well within what a host (30 s) and a proxy before us (60 s, as a rule) wait for an answer.
BUDGET_S = 5.0
# Logs that are in the middle of it, some hundred bytes each; the one that nobody came back to for
# longest goes. More than all hosts together end at once: a few that take turns would never end.
_MOST = 10_000


class Unfinished(Exception):
    """It is not done yet; ``hashed`` bytes are. To be asked again."""

    def __init__(self, hashed: int) -> None:
        super().__init__(f"{hashed} bytes are hashed")
        self.hashed = hashed


class _Begun:
    """The checksum of a log so far."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.bytes = 0
        self.working = threading.Lock()


_begun: OrderedDict[Hashable, _Begun] = OrderedDict()
_choosing = threading.Lock()


def sha256(key: str, owner: Hashable, *, budget_s: float | None = None) -> str:
    """Hex digest of the log ``key``, which has ended.

    ``owner`` tells logs apart that had the same key one after another. ``budget_s`` (None:
    ``BUDGET_S``): seconds that it may take now.

    Raises:
        Unfinished: there is more; it goes on from there at the next call.
    """
    deadline = time.monotonic() + (BUDGET_S if budget_s is None else budget_s)
    begun = _of((key, owner))
    # A request that its host gave up may still be at it.
    if not begun.working.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise Unfinished(begun.bytes)
    try:
        store = logstore.store()
        for piece in store.chunks(key, begun.bytes, store.size(key)):
            begun.digest.update(piece)
            begun.bytes += len(piece)
            if time.monotonic() >= deadline and begun.bytes < store.size(key):
                raise Unfinished(begun.bytes)
        found = begun.digest.hexdigest()
    finally:
        begun.working.release()
    with _choosing:
        _begun.pop((key, owner), None)
    return found


def _of(name: Hashable) -> _Begun:
    with _choosing:
        begun = _begun.setdefault(name, _Begun())
        _begun.move_to_end(name)
        if len(_begun) > _MOST:
            _begun.popitem(last=False)
        return begun
