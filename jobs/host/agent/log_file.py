"""Bound of the file that a supervisor's output goes to. Terminal and journal have their own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Sequence
from pathlib import Path

MOST_BYTES = 64 * 1024 * 1024
_OUTPUTS = (1, 2)
_OPEN = "/proc/self/fd"


def bound(outputs: Sequence[int] = _OUTPUTS) -> None:
    """Move the content of a longer file to ``FILE.1``, in place: all processes keep their file.

    Lines that are written during the move may be lost. Where ``FILE.1`` cannot be written, the
    content is removed, and the file begins with a line that says so.
    """
    for fd in outputs:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            continue
        # Else each process would go on behind a gap, where it was.
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_APPEND)
        if found.st_size > MOST_BYTES:
            lost = ""
            try:
                _copy(fd, f"{Path(_OPEN, str(fd)).readlink()}.1")
            except OSError as error:  # a full disk, or a folder of another account
                lost = f"{found.st_size} bytes of this log were removed, not moved: {error}\n"
            os.ftruncate(fd, 0)
            with contextlib.suppress(OSError):
                os.write(fd, lost.encode(errors="replace"))


def _copy(fd: int, path: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    source = os.open(f"{_OPEN}/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(path, flags, 0o600)
        try:
            while os.sendfile(target, source, None, MOST_BYTES):
                pass
        finally:
            os.close(target)
    finally:
        os.close(source)
