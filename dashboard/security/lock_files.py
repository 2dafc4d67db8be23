"""Locks on files of ``DATA_DIR``: all web processes share them, and a killed process has none."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from django.conf import settings


def lock_one(folder: str, names: Iterable[str]) -> IO[bytes] | None:
    """Lock the first free file of ``names``; None if others have all of them.

    Closing the file ends the lock. An object that nobody has any more is closed, too.
    """
    place = Path(settings.DATA_DIR, folder)
    place.mkdir(exist_ok=True, mode=0o700)
    for name in names:
        opened = os.open(place / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        file = os.fdopen(opened, "rb+", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
        else:
            return file
    return None
