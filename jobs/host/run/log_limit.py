"""Limit of a run's log. Standard library only, because the launcher uses it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from jobs.host.base import limits
from jobs.host.probe import probe

LIMITS_FRESH_S = 5.0  # how soon a changed setting applies to running jobs
# Share of the reserve by which a log must grow, while the reserve is in use, to be the cause. A log
# that gets a line a second is not.
_SHARE = 16


class LogLimit:
    """Check one log, which is open as ``fd``.

    A server's log counts by its disk usage, because it grows for months and the disk of the part
    that the dashboard has is given back. On a disk that gives nothing back, the log of earlier runs
    does not count.
    """

    def __init__(self, fd: int, host_dir: Path, *, is_server: bool) -> None:
        self._fd = fd
        self._host_dir = host_dir
        self._is_server = is_server
        self._limits = limits.of_host(host_dir)
        self._read_at = time.monotonic()
        self._begun_at_bytes = self._size() if is_server else 0
        self._touched_at_bytes: int | None = None  # how long it was when the disk became short

    def exceeded(self) -> tuple[str, dict[str, Any]] | None:
        """Return why the command has to end: message id and arguments; None: within the limit.

        Costs two system calls.
        """
        if time.monotonic() - self._read_at > LIMITS_FRESH_S:
            self._limits, self._read_at = limits.of_host(self._host_dir), time.monotonic()
        size = self._size()
        self._begun_at_bytes = min(self._begun_at_bytes, size)
        most = self._limits.log_bytes
        if most and size - self._begun_at_bytes >= most:
            return "work:log_limit", {"limit": probe.size_text(most)}
        return self._fills_the_disk(size)

    def _size(self) -> int:
        stat = os.fstat(self._fd)
        return stat.st_blocks * 512 if self._is_server else stat.st_size

    def _fills_the_disk(self, size: int) -> tuple[str, dict[str, Any]] | None:
        """Find a long log that grows while the disk is short: all other jobs would fail too."""
        reserve, disk = self._limits.disk_reserve_bytes, os.fstatvfs(self._fd)
        free = disk.f_bavail * disk.f_frsize
        if free >= reserve:
            self._touched_at_bytes = None
            return None
        if self._touched_at_bytes is None:
            self._touched_at_bytes = size
        grown = size - self._touched_at_bytes
        if size < max(reserve, self._kept_bytes()) or grown < reserve // _SHARE:
            return None
        sizes = {"free": free, "reserve": reserve, "log": size}
        return "host:disk_full", {name: probe.size_text(count) for name, count in sizes.items()}

    def _kept_bytes(self) -> int:
        """Return the usual disk usage of a server's log: its kept end, plus growth until space is
        given back (:mod:`jobs.host.ship.shipper`)."""
        kept = self._limits.server_log_bytes if self._is_server else 0
        return kept + kept // 8
