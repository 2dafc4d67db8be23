"""Files: written whole or not at all; checksums. Standard library only: a host imports it."""

import hashlib
import os
import time
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


def sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def size_and_sha256(path: Path) -> tuple[int, str]:
    """Bytes and hex digest of a file; of nothing when there is none."""
    digest, size = hashlib.sha256(), 0
    if path.exists():
        with path.open("rb") as file:
            while block := file.read(1024 * 1024):
                digest.update(block)
                size += len(block)
    return size, digest.hexdigest()
