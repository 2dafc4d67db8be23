"""Notice writes in a folder at once (inotify). Standard library only."""

from __future__ import annotations

import ctypes
import os
import select
from pathlib import Path

# From <sys/inotify.h>.
_MODIFY, _MOVED_TO, _CREATE = 0x2, 0x80, 0x100
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_EVENTS_BYTES = 64 * 1024


class FolderChanges:
    """Watch the files directly in one folder, not in folders below.

    ``works`` is False where the kernel has no watch left to give (by default 128 a user): then
    :meth:`wait` only waits, and the caller has to check the files.
    """

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None)
        self._fd = libc.inotify_init1(_FLAGS)
        watched = -1
        if self._fd >= 0:
            watched = libc.inotify_add_watch(
                self._fd, os.fsencode(folder), _MODIFY | _MOVED_TO | _CREATE
            )
        self.works = watched >= 0

    def __enter__(self) -> FolderChanges:
        return self

    def __exit__(self, *error: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def wait(self, seconds: float) -> bool:
        """Wait for a write, at most for ``seconds``. True: written since the last wait."""
        watched = [self._fd] if self.works else []
        if not select.select(watched, [], [], seconds)[0]:
            return False
        os.read(self._fd, _EVENTS_BYTES)
        return True
