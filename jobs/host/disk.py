"""What Linux does with files beyond Python's own library. Standard library only."""

from __future__ import annotations

import ctypes
import logging

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # fallocate(2)

log = logging.getLogger(__name__)


def give_back(fd: int, end: int) -> None:
    """Give the disk of a file's first ``end`` bytes back; they read as zero bytes from now on.

    A file system that cannot do it keeps them.
    """
    if end > 0 and _LIBC.fallocate(fd, _PUNCH_HOLE | _KEEP_SIZE, 0, end) != 0:
        log.debug("fallocate: errno %s", ctypes.get_errno())
