"""Remove spools of ended jobs that the dashboard has all of.

Their logs and outputs are on the dashboard. What a job made for others to use (weights,
environments, artifacts, data sets) is in separate folders and is never touched.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jobs.host.base import disk
from jobs.host.base import spool as spools
from jobs.host.base.limits import HostLimits
from jobs.host.base.spool import Spool

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Over:
    """A job's spool that may go: since when (seconds since the epoch), and what it takes."""

    inode: int
    acked_at: float
    bytes: int


class Cleaner:
    """Remove ended spools in rounds. ``forget`` is called with each that was removed.

    ``sizes``: disk usage of spools and of quarantined ones at the end of the last round:
    ``{"spool_bytes", "aside_bytes"}``. The folder ``aside/`` is counted and never removed.
    """

    def __init__(self, host_dir: Path, limits: HostLimits, forget: Callable[[Spool], None]) -> None:
        self._host_dir = host_dir
        self._limits = limits
        self._forget = forget
        self._over: dict[Path, _Over] = {}  # measured once: nothing in them changes any more
        self._aside: dict[Path, tuple[int, int]] = {}  # inode and bytes
        self.sizes: dict[str, int] = {}

    def clean(self, instance: str | None) -> None:
        """Do one round. Only spools that the dashboard ``instance`` has all of are removed."""
        self._remove_leftovers()
        over, others = self._scan(instance)
        self._over = over
        limits, moment = self._limits, time.time()
        left = sum(one.bytes for one in over.values())
        for path, one in sorted(over.items(), key=lambda item: item[1].acked_at):
            is_old = limits.spools_s and moment - one.acked_at > limits.spools_s
            is_much = limits.spools_bytes and left > limits.spools_bytes
            if (is_old or is_much) and self._remove(Spool(path)):
                left -= one.bytes
                del self._over[path]
        self.sizes = {
            "spool_bytes": sum(one.bytes for one in self._over.values())
            + sum(disk.taken_bytes(spool.path) for spool in others)
            + sum(disk.taken_bytes(gone) for gone in self._leftovers()),
            "aside_bytes": self._aside_bytes(),
        }

    def _scan(self, instance: str | None) -> tuple[dict[Path, _Over], list[Spool]]:
        """Return the spools that may be removed, and all others."""
        over: dict[Path, _Over] = {}
        others = []
        for spool in spools.all_spools(self._host_dir):
            ended = self._over_of(spool, instance) if spool.is_of_job and instance else None
            if ended is None:
                others.append(spool)
            else:
                over[spool.path] = ended
        return over, others

    def _over_of(self, spool: Spool, instance: str | None) -> _Over | None:
        try:
            inode, known = spool.path.stat().st_ino, self._over.get(spool.path)
            if known is not None and known.inode == inode:
                return known
            if spool.meta().instance != instance or not spool.is_acked() or spool.is_running():
                return None
            acked_at = (spool.path / "acked").stat().st_mtime
        except (OSError, ValueError, LookupError, TypeError):  # set aside, or torn
            return None
        return _Over(inode, acked_at, disk.taken_bytes(spool.path))

    def _remove(self, spool: Spool) -> bool:
        """Remove a spool; return True if done. Its name goes first: no reader sees half."""
        # Under this guard a plan is made that may name it: a server's next run uses its job's
        # folder, and a later job may name a file in an earlier one's.
        with spools.guard(self._host_dir, "ports"):
            if _is_named(spool.path, _plans_of(self._in_use())):
                return False
            lock = spool.lock(0.0)
            if lock is None:
                return False
            try:
                inode = spool.path.stat().st_ino
                gone = spool.path.with_name(f".{spool.path.name}.{inode}.gone")
                spool.path.rename(gone)
            finally:
                os.close(lock)
        self._forget(spool)
        log.info("%s removed: the dashboard has all data", spool)
        _remove_tree(gone)
        return True

    def _in_use(self) -> list[Spool]:
        """Return all existing spools, except those that may be removed."""
        existing = spools.all_spools(self._host_dir)
        return [spool for spool in existing if spool.path not in self._over]

    def _leftovers(self) -> list[Path]:
        """Return what could not be removed completely."""
        return list((self._host_dir / spools.JOBS_FOLDER).glob(".*.gone"))

    def _remove_leftovers(self) -> None:
        for gone in self._leftovers():
            _remove_tree(gone)

    def _aside_bytes(self) -> int:
        folder = self._host_dir / "aside"
        sizes: dict[Path, tuple[int, int]] = {}
        for path in folder.iterdir() if folder.is_dir() else ():
            inode, known = path.lstat().st_ino, self._aside.get(path)
            same = known is not None and known[0] == inode
            sizes[path] = known if known and same else (inode, disk.taken_bytes(path))
        self._aside = sizes
        return sum(count for _, count in sizes.values())


def _plans_of(others: list[Spool]) -> str:
    """Return the plans of spools that have not ended: they name all paths still in use."""
    texts = []
    for spool in others:
        try:
            if spool.exit() is None:
                texts.append((spool.path / "plan.json").read_text(errors="replace"))
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return "\n".join(texts)


def _is_named(path: Path, plans: str) -> bool:
    return re.search(re.escape(str(path)) + r"(?!\d)", plans) is not None


def _remove_tree(path: Path) -> None:
    """Remove as much as possible; each round retries. Containers may have written as root."""
    problems: list[object] = []
    shutil.rmtree(path, onerror=lambda _function, _path, problem: problems.append(problem[1]))
    if problems:
        log.warning("%s removed only in part: %s", path, problems[0])
