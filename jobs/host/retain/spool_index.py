"""Index of the host's spools: the closed ones, by far the most, cost a round nothing."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from jobs.host.base import spool as spools
from jobs.host.base.spool import Spool

# A change that is younger may hide another one within the same tick of the file system's clock.
SETTLED_NS = 2 * 10**9


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Listing of a folder: its time of change, and the spools that were not closed."""

    changed_ns: int
    instance: str | None
    open: tuple[tuple[int, int], ...]  # number and inode of each, by number


@dataclass(frozen=True, slots=True)
class _Closed:
    """A spool that needs nothing any more. The inode is another one when a spool of the same number
    has taken the place; of a server ``changed_ns`` is another one when its next run begins."""

    instance: str
    inode: int
    changed_ns: int


class SpoolIndex:
    """Spools of one host. Thread-safe."""

    def __init__(self, host_dir: Path) -> None:
        self._host_dir = host_dir
        self._closed: dict[tuple[str, int], _Closed] = {}
        self._snapshots: dict[str, _Snapshot] = {}
        self._looking = threading.Lock()

    def open(self, instance: str | None) -> list[Spool]:
        """All but those that are closed and of this dashboard; jobs first, by number.

        None: the dashboard is not identified yet, so none is closed.
        """
        with self._looking:
            return [
                Spool(self._host_dir / folder / str(number))
                for folder in spools.FOLDERS
                for number, _ in self._open_of(folder, instance)
            ]

    def close(self, spool: Spool, instance: str) -> None:
        """This one needs no further look: the dashboard has all of it, and it has ended."""
        folder, number = spool.path.parent.name, int(spool.path.name)
        stat = spool.path.stat()
        if not spool.is_of_job and time.time_ns() - stat.st_mtime_ns < SETTLED_NS:
            return  # its next run may have begun in the same tick; closed at a later look
        with self._looking:
            self._closed[folder, number] = _Closed(instance, stat.st_ino, stat.st_mtime_ns)

    def reopen(self, spool: Spool) -> None:
        """List a spool again at each look, although it was closed."""
        folder = spool.path.parent.name
        with self._looking:
            if self._closed.pop((folder, int(spool.path.name)), None) is not None:
                self._snapshots.pop(folder, None)  # it lists only those that were open

    def forget(self, spool: Spool) -> None:
        """Drop a removed spool."""
        with self._looking:
            self._closed.pop((spool.path.parent.name, int(spool.path.name)), None)

    def _open_of(self, folder: str, instance: str | None) -> tuple[tuple[int, int], ...]:
        path = self._host_dir / folder
        changed_ns = path.stat().st_mtime_ns
        last = self._snapshots.get(folder)
        is_same = last is not None and (last.changed_ns, last.instance) == (changed_ns, instance)
        # Nobody came or went: only those that were open need a look. But a closed server may have
        # begun its next run, which shows in its own folder.
        is_settled = time.time_ns() - changed_ns > SETTLED_NS and folder == spools.JOBS_FOLDER
        there = last.open if last and is_same and is_settled else _numbers(path)
        still = tuple(one for one in there if not self._is_closed(folder, *one, instance))
        self._snapshots[folder] = _Snapshot(changed_ns, instance, still)
        return still

    def _is_closed(self, folder: str, number: int, inode: int, instance: str | None) -> bool:
        closed = self._closed.get((folder, number))
        if closed is None or (closed.instance, closed.inode) != (instance, inode):
            return False
        if folder == spools.JOBS_FOLDER:
            return True
        try:
            return (self._host_dir / folder / str(number)).stat().st_mtime_ns == closed.changed_ns
        except FileNotFoundError:
            return False


def _numbers(folder: Path) -> tuple[tuple[int, int], ...]:
    """Number and inode of each spool, by number."""
    with os.scandir(folder) as entries:
        return tuple(sorted((int(e.name), e.inode()) for e in entries if e.name.isdigit()))
