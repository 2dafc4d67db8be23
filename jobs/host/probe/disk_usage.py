"""Disk usage of files that jobs made for other jobs, measured seldom.

These folders may hold hundreds of gigabytes in a hundred thousand files on a slow disk. So each is
measured once an hour, and earlier only when an entry came or went in it: during a download of
weights, at each round.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.host.base import disk

# Of the host's folders (``jobs.host.probe.probe.roots``); images of docker are nowhere in them.
FOLDERS = ("environments", "weights", "artifacts", "datasets")
INTERVAL_S = 3600.0


class DiskUsage:
    """``sizes`` are the results: folder → ``{"bytes", "at"}`` (seconds since the epoch).

    An unreadable folder is missing.
    """

    def __init__(self) -> None:
        self._marks: dict[str, object] = {}
        self.sizes: dict[str, dict[str, Any]] = {}

    def measure(self, folders: Mapping[str, str], *, at: float) -> None:
        """Measure the folders that are due; ``at`` is the time now."""
        for name in FOLDERS:
            mark = _mark(folders[name]) if name in folders else None
            others = {key: value for key, value in self.sizes.items() if key != name}
            if mark is None:
                self.sizes = others
            elif self._is_due(name, mark, at):
                self._marks[name] = mark
                size = {"bytes": disk.taken_bytes(Path(folders[name])), "at": at}
                self.sizes = {**others, name: size}  # a new dict, because the heartbeat reads it

    def _is_due(self, name: str, mark: object, at: float) -> bool:
        known = self.sizes.get(name)
        return known is None or mark != self._marks[name] or not 0 <= at - known["at"] < INTERVAL_S


def _mark(folder: str) -> object:
    """Return a value that changes when an entry comes or goes in the folder or in its subfolders.

    One level of subfolders counts. None: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            inside = {each.name: _changed(each) for each in entries}
        return Path(folder).stat().st_mtime_ns, inside
    except OSError:
        return None


def _changed(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_mtime_ns
    except FileNotFoundError:  # a download's part, which has its own name by now
        return 0
