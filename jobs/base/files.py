"""Files: written whole or not at all; locks, checksums. Standard library: a host imports it."""

import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file and its name to the disk."""
    # Several processes and threads may write it at once, and what lies there may be a link.
    draft = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        draft.replace(path)
    except OSError:  # a full disk, as a rule: each retry would leave a draft
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def opened(path: Path, flags: int, mode: int = 0o600) -> Iterator[int]:
    """A descriptor of a file, as of open(2)."""
    fd = os.open(path, flags | os.O_CLOEXEC, mode)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def open_regular(path: Path) -> Iterator[int]:
    """Open a regular file for reading. A link, a pipe or a folder is an ``OSError``."""
    with opened(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK) as fd:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        yield fd


def sync_folder(folder: Path) -> None:
    with opened(folder, os.O_RDONLY | os.O_DIRECTORY) as fd:
        os.fsync(fd)


@contextmanager
def locked(path: Path, *, waits: bool = True) -> Iterator[bool]:
    """Hold the lock of a file, which is made. False: another process or thread has it, and
    ``waits`` is False."""
    with opened(path, os.O_WRONLY | os.O_CREAT) as fd:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def take_lock(path: Path, wait_s: float = 0.0) -> int | None:
    """Return a descriptor that holds the lock of a file, which is made. None: another process or
    thread has it, after ``wait_s`` seconds still. Raises OSError: a share that cannot lock."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(fd)
                return None
            time.sleep(0.02)
        except OSError:
            os.close(fd)
            raise


def is_locked(path: Path) -> bool | None:
    """Return True while a process or thread holds the lock of a file; None: there is no file."""
    try:
        with opened(path, os.O_RDONLY) as fd:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return True
    return False


def text_sha256(text: str) -> str:
    """Hex digest; of "?" in the place of half a character."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def size_and_sha256(path: Path) -> tuple[int, str]:
    """Bytes and hex digest; of nothing when there is no file."""
    digest, size = hashlib.sha256(), 0
    if path.exists():
        with path.open("rb") as file:
            while block := file.read(1024 * 1024):
                digest.update(block)
                size += len(block)
    return size, digest.hexdigest()
