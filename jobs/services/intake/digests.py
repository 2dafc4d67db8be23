"""Checksums of whole logs, in parts per request: 20 GB take longer than a host's timeout.

The state of a checksum cannot be stored: each web process has its own. A host that retries mostly
reaches the same process; otherwise both processes finish.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable

from jobs import logstore

# Well below the timeouts of a host (30 s) and of a proxy (usually 60 s).
BUDGET_S = 5.0
# Unfinished logs, some hundred bytes each; the least recently used one is dropped. The limit
# exceeds the jobs that end at once on all hosts: otherwise logs evict each other and never finish.
_MOST = 10_000


class Unfinished(Exception):
    """The checksum is not finished: ``hashed`` bytes are done. Call again."""

    def __init__(self, hashed: int) -> None:
        super().__init__(f"{hashed} bytes are hashed")
        self.hashed = hashed


class _Begun:
    """Unfinished checksum of a log."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.bytes = 0
        self.working = threading.Lock()


_begun: OrderedDict[Hashable, _Begun] = OrderedDict()
_choosing = threading.Lock()


def sha256(key: str, owner: Hashable, *, budget_s: float | None = None) -> str:
    """Return the hex digest of the ended log ``key``.

    ``owner`` distinguishes successive logs with the same key. ``budget_s``: time limit of this call
    in seconds (None: ``BUDGET_S``).

    Raises:
        Unfinished: time limit reached; the next call continues.
    """
    deadline = time.monotonic() + (BUDGET_S if budget_s is None else budget_s)
    begun = _of((key, owner))
    # A request after its host's timeout may still be running.
    if not begun.working.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise Unfinished(begun.bytes)
    try:
        store = logstore.store()
        for piece in store.chunks(key, begun.bytes, store.size(key)):
            begun.digest.update(piece)
            begun.bytes += len(piece)
            if time.monotonic() >= deadline and begun.bytes < store.size(key):
                raise Unfinished(begun.bytes)
        checksum = begun.digest.hexdigest()
    finally:
        begun.working.release()
    with _choosing:
        _begun.pop((key, owner), None)
    return checksum


def _of(name: Hashable) -> _Begun:
    with _choosing:
        begun = _begun.setdefault(name, _Begun())
        _begun.move_to_end(name)
        if len(_begun) > _MOST:
            _begun.popitem(last=False)
        return begun
