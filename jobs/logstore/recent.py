"""Cache of recently used values, by their file."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Which = tuple[int, int, int, int]
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def which(stat: os.stat_result) -> Which:
    """Return the identity of a file; another file or other content has another."""
    return (stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size)


class Recent(Generic[Key, Value]):
    """The ``most`` values that were used last. Safe to use from several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """The value; None where it is not known, or not any more."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def keep(self, key: Key, value: Value) -> Value:
        """Keep the value, and give it back."""
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value
