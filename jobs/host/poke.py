"""How the worker makes the agent look at once: two files in HOST_DIR whose times change."""

from __future__ import annotations

from pathlib import Path


class Poke:
    """The agent's side. Each ``was_`` and ``wants_`` is true once for any number of pokes."""

    def __init__(self, host_dir: Path) -> None:
        self._any, self._facts = host_dir / "poke", host_dir / "poke-facts"
        self._seen = {path: _time(path) for path in (self._any, self._facts)}

    def was_poked(self) -> bool:
        """True when someone poked since this was last asked."""
        return self._changed(self._any)

    def wants_facts(self) -> bool:
        """True when someone asked for new facts since this was last asked."""
        return self._changed(self._facts)

    def _changed(self, path: Path) -> bool:
        before, self._seen[path] = self._seen[path], _time(path)
        return self._seen[path] != before


def poke(host_dir: Path, *, facts: bool = False) -> None:
    """Make the agent send a heartbeat now, with new facts where they are asked for."""
    if facts:
        _change(host_dir / "poke-facts")
    _change(host_dir / "poke")


def _change(path: Path) -> None:
    # A new file has a new inode: two pokes within one tick of the file system's clock differ.
    new = path.with_name(f".{path.name}.new")
    new.touch()
    new.replace(path)


def _time(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (stat.st_mtime_ns, stat.st_ino)
