"""Files for the own account alone. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(path: Path, raw: bytes) -> None:
    """Write a file of mode 0600 to the disk, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")  # two processes may write at once
    draft.unlink(missing_ok=True)  # what lies there may be a link
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(fd)
    except OSError:
        draft.unlink()
        raise
    draft.replace(path)
