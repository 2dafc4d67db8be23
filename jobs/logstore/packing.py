"""A raw log becomes a packed one, and a packed one raw again. Safe at any kill.

Both are written beside the log, synced, and take its place by one rename. A file
that a killed process left there is written anew. Where a raw and a packed log both exist the raw
one counts, so the raw one goes last and comes first (:mod:`jobs.logstore.files`).
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.base.errors import DamagedLog, OffsetMismatch
from jobs.logstore.files import is_at, locked, packed_path
from jobs.logstore.packed import AT_ONCE_BYTES, open_packed, write_packed

logger = logging.getLogger(__name__)


def pack(path: Path, *, sha256: str = "") -> bool:
    """Pack the raw log at ``path``. ``sha256``: of what it must hold, where that is known.

    False, with nothing changed: no raw log, another process packs it, it has grown meanwhile, or a
    checksum differs, which is logged.

    Raises:
        OSError: the disk is full or broken. All is as it was.
    """
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
    if not is_at(raw_fd, path) or os.fstat(raw_fd).st_size != size:
        return False
    draft.replace(packed_path(path))
    _sync_folder(path)
    path.unlink()
    return True


@contextmanager
def _draft_of(path: Path) -> Iterator[Path | None]:
    """Return the path to write the packed log of ``path`` to; None while another process does."""
    draft = path.with_name(f"{packed_path(path).name}.new")
    fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        if not is_at(fd, draft):  # it has just become the packed log
            yield None
            return
        try:
            yield draft
        finally:
            if is_at(fd, draft):
                draft.unlink()
    finally:
        os.close(fd)


def _sha256_of(packed: Path) -> str:
    """Return the SHA-256 of the log in a packed file, or the error of an unreadable one."""
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
    """The raw log of ``path``, locked; a packed one is unpacked, if it ends at ``offset``.

    Raises:
        OffsetMismatch: it is packed, and ends elsewhere.
        DamagedLog: it is packed, and its file is not as it was written.
    """
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
    _sync_folder(path)
    packed_path(path).unlink(missing_ok=True)  # the log may be removed at this moment


def _sync_folder(path: Path) -> None:
    fd = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
