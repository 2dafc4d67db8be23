"""Wake the agent from the worker: a file in HOST_DIR whose times change."""

from __future__ import annotations

from pathlib import Path


class Wakeup:
    """The agent's side."""

    def __init__(self, host_dir: Path) -> None:
        self._path = host_dir / "wakeup"
        self._woken_at = _time(self._path)

    def was_woken(self) -> bool:
        """Return True once for any number of wake-ups since the last call."""
        before, self._woken_at = self._woken_at, _time(self._path)
        return self._woken_at != before


def wake(host_dir: Path) -> None:
    """Make the agent send a heartbeat now."""
    path = host_dir / "wakeup"
    # A new file has a new inode: two wake-ups within one tick of the file system's clock differ.
    new = path.with_name(f".{path.name}.new")
    new.touch()
    new.replace(path)


def _time(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (stat.st_mtime_ns, stat.st_ino)
