"""The files of a log, and its bytes wherever they are: in a raw file or in a packed one.

==================  ==========================================================================
``N.log``           the raw log; counts while it has bytes, whatever else there is
``N.log.zst``       the packed log (:mod:`jobs.logstore.packed`); counts where no raw one does
``N.lines``         its line index (:mod:`jobs.logstore.lines`)
``N.times``         when its bytes arrived (:mod:`jobs.logstore.arrivals`)
==================  ==========================================================================

So one takes the other's place in one moment, and in no moment is there no log.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jobs.logstore.packed import PackedLog

BESIDE = (".lines", ".times")
# All files of one log, in an order in which they can be removed one by one: a packed log that is
# stale goes before the raw one. The last two are of a turn of a chat.
SUFFIXES = (".log.zst.new", ".log.zst", ".log.new", ".log", *BESIDE, ".alive", ".stop")


class Log(Protocol):
    """A log that is open for reading. ``size`` is what it had when it was opened."""

    fd: int
    size: int

    def pread(self, count: int, offset: int) -> bytes:
        """``count`` bytes from ``offset`` on, fewer where the log ends."""


@dataclass(slots=True)
class RawLog:
    """A file that holds a log as it is."""

    fd: int
    size: int

    def pread(self, count: int, offset: int) -> bytes:
        """``count`` bytes from ``offset`` on, fewer where the file ends."""
        return os.pread(self.fd, count, offset)


def packed_path(path: Path) -> Path:
    """Return the path of the packed log of ``path``."""
    return path.with_name(f"{path.name}.zst")


@contextmanager
def open_log(path: Path) -> Iterator[Log | None]:
    """The log of ``path``, raw or packed; None while it has no bytes.

    Raises:
        DamagedLog: it is packed, and its file is not as it was written.
    """
    log = _open_raw(path)
    # The last look is for one that was unpacked just before the second.
    log = log or _open_packed(path) or _open_raw(path)
    if log is None:
        yield None
        return
    try:
        yield log
    finally:
        os.close(log.fd)


def _open_raw(path: Path) -> Log | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if size := os.fstat(fd).st_size:
        return RawLog(fd, size)
    os.close(fd)
    return None


def _open_packed(path: Path) -> Log | None:
    packed = packed_path(path)
    try:
        fd = os.open(packed, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return PackedLog(fd, packed)
    except BaseException:
        os.close(fd)
        raise


def log_bytes(path: Path) -> int:
    """Return the size of the log of ``path``, bytes."""
    with suppress(FileNotFoundError):  # no raw log: a packed one counts
        if size := path.stat().st_size:
            return size
    with open_log(path) as log:
        return log.size if log else 0


def is_at(fd: int, path: Path) -> bool:
    """Return True if ``path`` still names the file that is open as ``fd``."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


@contextmanager
def locked(path: Path, *, create: bool = True) -> Iterator[int | None]:
    """Return a locked descriptor of the file at ``path``; None without a file.

    Who waited for a lock finds that another file has taken the place of the first, and waits anew.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    while True:
        try:
            fd = os.open(path, flags, 0o640)
        except FileNotFoundError:
            if create:
                raise
            yield None
            return
        try:
            # Each open has a lock of its own, so this holds between threads too.
            fcntl.flock(fd, fcntl.LOCK_EX)
            if is_at(fd, path):
                yield fd
                return
        finally:
            os.close(fd)
