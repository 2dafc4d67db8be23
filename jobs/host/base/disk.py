"""Files on Linux beyond Python's library: blocks, notices of writes. Standard library only."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
from pathlib import Path

_LIBC = ctypes.CDLL(None)
_LIBC.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # fallocate(2)
_MODIFY, _MOVED_TO, _CREATE = 0x2, 0x80, 0x100  # <sys/inotify.h>


def give_back(fd: int, end: int) -> bool:
    """Give the disk of a file's first ``end`` bytes back; they read as zero bytes from now on.
    False: the file system cannot do it, and keeps them."""
    return end <= 0 or _LIBC.fallocate(fd, _PUNCH_HOLE | _KEEP_SIZE, 0, end) == 0


def data_from(path: Path, start: int) -> int:
    """The first byte from ``start`` on that was not given back; the size if there is none.
    ``start`` itself where the file system cannot report it."""
    with path.open("rb") as file:
        try:
            return os.lseek(file.fileno(), start, os.SEEK_DATA)
        except OSError as error:
            is_empty_behind = error.errno == errno.ENXIO
            return max(start, os.fstat(file.fileno()).st_size) if is_empty_behind else start


def taken_bytes(path: Path) -> int:
    """Disk usage of a folder or file, without vanishing or unreadable files and links' targets."""
    total = 0
    with contextlib.suppress(OSError):
        total = path.lstat().st_blocks * 512
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += taken_bytes(Path(entry.path))
                else:
                    with contextlib.suppress(OSError):
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


class FolderChanges:
    """Watch the files directly in some folders, by inotify. ``works`` is False where a folder is
    missing or the kernel has no watch left to give (by default 128 a user): then :meth:`wait` only
    waits, and the caller has to check the files."""

    def __init__(self, *folders: Path) -> None:
        self._fd = _LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        kinds = _MODIFY | _MOVED_TO | _CREATE
        self.works = self._fd >= 0 and all(
            _LIBC.inotify_add_watch(self._fd, os.fsencode(folder), kinds) >= 0 for folder in folders
        )

    def __enter__(self) -> FolderChanges:
        return self

    def __exit__(self, *error: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def wait(self, seconds: float) -> bool:
        """Wait for a write, at most for ``seconds``. True: written since the last wait."""
        if not select.select([self._fd] if self.works else [], [], [], seconds)[0]:
            return False
        os.read(self._fd, 64 * 1024)
        return True
