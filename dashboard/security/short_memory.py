"""Rights, and what depends on them, that were read a moment ago: kept for seconds, by key."""

import threading
import time
from typing import Generic, TypeVar

from dashboard.security.listeners import at_each_check

Key = TypeVar("Key")
Value = TypeVar("Value")


class ShortMemory(Generic[Key, Value]):
    """Values for ``kept_s`` seconds; of more than ``most``, the newest. For all threads.

    A change of rights in this process forgets all, and what is being read meanwhile. One in another
    process is not noticed: a withdrawn right lasts ``kept_s`` longer here.
    """

    def __init__(self, kept_s: float, most: int = 4096) -> None:
        self.kept_s, self.most = kept_s, most
        self._values: dict[Key, tuple[float, Value]] = {}  # oldest first
        self._lock = threading.Lock()
        self._forgot_at = 0.0
        self._is_timed = False
        at_each_check(self.forget)

    def keep(self, key: Key, value: Value, *, since: float) -> None:
        """``since``: monotonic time when reading the value began."""
        with self._lock:
            if since <= self._forgot_at:
                return
            self._values.pop(key, None)
            if len(self._values) >= self.most:
                del self._values[next(iter(self._values))]
            self._values[key] = since, value
            if not self._is_timed:
                self._forget_old_later()

    def get(self, key: Key, within_s: float = float("inf")) -> Value | None:
        """Return the value if it is younger than ``kept_s`` and ``within_s``."""
        since, value = self._values.get(key, (float("-inf"), None))
        return value if time.monotonic() - since < min(self.kept_s, within_s) else None

    def take(self, key: Key) -> Value | None:
        """Return the value as :meth:`get`, and forget it."""
        found = self.get(key)
        with self._lock:
            return found if self._values.pop(key, None) else None

    def forget(self) -> None:
        with self._lock:
            self._forgot_at = time.monotonic()
            self._values.clear()

    def _forget_old_later(self) -> None:
        self._is_timed = True
        timer = threading.Timer(self.kept_s, self._forget_old)
        timer.daemon = True
        timer.start()

    def _forget_old(self) -> None:
        """Nothing secret stays in memory because nobody takes it."""
        with self._lock:
            oldest = time.monotonic() - self.kept_s
            for key in [key for key, (since, _value) in self._values.items() if since <= oldest]:
                del self._values[key]
            self._is_timed = False
            if self._values:
                self._forget_old_later()
