"""The files of a log, and its bytes wherever they are: in a raw file or in a packed one.

==================  ==========================================================================
``N.log``           the raw log; counts while it has bytes, whatever else there is
``N.log.zst``       the packed log; counts where no raw one does
``N.lines``         its line index
``N.times``         when its bytes arrived
==================  ==========================================================================

So one takes the other's place in one moment, and in no moment is there no log. Packing and
unpacking are safe at any kill: the file is written beside the log, synced, and takes its place by
one rename. One that a killed process left there is written anew. Where a raw and a packed log both
exist the raw one counts, so the raw one goes last and comes first.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from jobs.base.errors import DamagedLog, OffsetMismatch
from jobs.base.files import opened, sync_folder
from jobs.logstore.packed import AT_ONCE_BYTES, PackedLog, open_packed, write_packed

BESIDE = (".lines", ".times")
# All files of one log, in an order in which they can be removed one by one: a packed log that is
# stale goes before the raw one. The last two are of a turn of a chat.
SUFFIXES = (".log.zst.new", ".log.zst", ".log.new", ".log", *BESIDE, ".alive", ".stop")
logger = logging.getLogger(__name__)


@dataclass(slots=True)
class RawLog:
    """A file that holds a log as it is. ``size`` is what it had when it was opened."""

    fd: int
    size: int

    def pread(self, count: int, offset: int) -> bytes:
        """Fewer than ``count`` bytes where the file ends."""
        return os.pread(self.fd, count, offset)


Log = RawLog | PackedLog


def packed_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.zst")


@contextmanager
def open_log(path: Path) -> Iterator[Log | None]:
    """None while the log has no bytes. Raises DamagedLog: it is packed, and its file is not as it
    was written."""
    with ExitStack() as held:
        log: Log | None = _open_raw(path)
        if log is None:
            with suppress(FileNotFoundError):
                log = held.enter_context(open_packed(packed_path(path)))
        # The last look is for one that was unpacked just before the second.
        log = log or _open_raw(path)
        if isinstance(log, RawLog):
            held.callback(os.close, log.fd)
        yield log


def _open_raw(path: Path) -> RawLog | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if size := os.fstat(fd).st_size:
        return RawLog(fd, size)
    os.close(fd)
    return None


def log_bytes(path: Path) -> int:
    with suppress(FileNotFoundError):  # no raw log: a packed one counts
        if size := path.stat().st_size:
            return size
    with open_log(path) as log:
        return log.size if log else 0


def _is_at(fd: int, path: Path) -> bool:
    """Return True if ``path`` still names the file that is open as ``fd``."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


@contextmanager
def locked(path: Path, *, create: bool = True) -> Iterator[int | None]:
    """Yield a locked descriptor; None without a file. Who waited for a lock finds that another file
    has taken the place of the first, and waits anew."""
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
            if _is_at(fd, path):
                yield fd
                return
        finally:
            os.close(fd)


def pack(path: Path, *, sha256: str = "") -> bool:
    """Pack the raw log at ``path``, which must have the SHA-256 ``sha256``, where that is known.
    False, with nothing changed: no raw log, another process packs it, it has grown meanwhile, or a
    checksum differs, which is logged. Raises OSError: the disk is full or broken; all is as it
    was."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        size = os.fstat(fd).st_size
        with _draft_of(path) as draft:
            return size > 0 and draft is not None and _pack(path, fd, size, draft, sha256)
    finally:
        os.close(fd)


def _pack(path: Path, raw_fd: int, size: int, draft: Path, sha256: str) -> bool:
    with draft.open("wb") as file:
        digest = write_packed(raw_fd, size, file.fileno())
        os.fsync(file.fileno())
        # Then the check reads from the disk, and no useful page leaves the cache.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if sha256 and digest != sha256:
        logger.error("%s is not packed: its SHA-256 is %s, not %s", path, digest, sha256)
        return False
    if (kept := _sha256_of(draft)) != digest:
        logger.error(
            "%s is not packed: the written file has SHA-256 %s, not %s", path, kept, digest
        )
        return False
    # No append from here on: a waiting writer finds that the file has gone.
    fcntl.flock(raw_fd, fcntl.LOCK_EX)
    if not _is_at(raw_fd, path) or os.fstat(raw_fd).st_size != size:
        return False
    draft.replace(packed_path(path))
    sync_folder(path.parent)
    path.unlink()
    return True


@contextmanager
def _draft_of(path: Path) -> Iterator[Path | None]:
    """Yield the path to write the packed log to; None while another process does."""
    draft = path.with_name(f"{packed_path(path).name}.new")
    with opened(draft, os.O_RDWR | os.O_CREAT, 0o640) as fd:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        if not _is_at(fd, draft):  # it has just become the packed log
            yield None
            return
        try:
            yield draft
        finally:
            if _is_at(fd, draft):
                draft.unlink()


def _sha256_of(packed: Path) -> str:
    """Of the log in a packed file; the error of an unreadable one."""
    digest, offset = hashlib.sha256(), 0
    try:
        with open_packed(packed) as log:
            while piece := log.pread(AT_ONCE_BYTES, offset):
                digest.update(piece)
                offset += len(piece)
    except DamagedLog as error:
        return str(error)
    return digest.hexdigest()


@contextmanager
def open_to_append(path: Path, offset: int) -> Iterator[int]:
    """The raw log of ``path``, locked; a packed one is unpacked, if it ends at ``offset``. Raises
    OffsetMismatch: it is packed, and ends elsewhere. Raises DamagedLog."""
    while True:
        with locked(path) as fd:
            assert fd is not None  # noqa: S101 -- for mypy
            if os.fstat(fd).st_size or not packed_path(path).exists():
                yield fd
                return
            _unpack(path, offset)


def _unpack(path: Path, offset: int) -> None:
    """Put the raw log in the place of the empty file at ``path``, which the caller has locked."""
    draft = path.with_name(f"{path.name}.new")
    try:
        with open_packed(packed_path(path)) as log:
            if log.size != offset:
                raise OffsetMismatch(log.size)
            with draft.open("wb") as file:
                done = 0
                while piece := log.pread(AT_ONCE_BYTES, done):
                    if piece.count(0) < len(piece):  # what a host gave back takes no disk here
                        file.seek(done)
                        file.write(piece)  # all of it, or an error
                    done += len(piece)
                file.truncate(done)
                os.fsync(file.fileno())
    except BaseException:
        draft.unlink(missing_ok=True)
        path.unlink()
        raise
    draft.replace(path)
    sync_folder(path.parent)
    packed_path(path).unlink(missing_ok=True)  # the log may be removed at this moment
