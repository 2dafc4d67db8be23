"""Runs a job's commands as child processes, collects and ends them. Standard library only."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from jobs.host.base import process
from jobs.host.run import environment

LOOK_S = 0.1  # how often files that ask for something are looked for
KILL_WAIT_S = 5.0  # how long a killed process may take to go (it may hang in the kernel)
LEFTOVER_GRACE_S = 2.0


class Commands:
    """The children of one launcher, which is their subreaper. For its main thread alone.

    Every child that ends, adopted orphans included, is collected here: nothing else in the process
    may call waitpid.
    """

    def __init__(self, spool: Path, log_fd: int) -> None:
        self._spool = spool
        self._log_fd = log_fd
        self._ended: dict[int, int] = {}
        self._spared: set[int] = set()
        self.stop_asked = False
        self._wake, writer = os.pipe()
        for end in (self._wake, writer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # A handler rather than SIG_IGN, which the commands would inherit.
        signal.signal(signal.SIGHUP, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)

    def start(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> int:
        """Start a command in a session and process group of its own; its process id.

        Raises:
            OSError: it cannot be started (FileNotFoundError: no such program).
        """
        popen = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=self._log_fd,
            stderr=self._log_fd,
            start_new_session=True,
            umask=environment.umask_of_commands(),
        )
        popen.returncode = 0  # we collect it ourselves
        return popen.pid

    def spare(self, pid: int) -> None:
        """Never end this process nor what is below it: the launcher of a server."""
        self._spared.add(pid)

    def wait(self) -> None:
        """Sleep until a child ends or a signal comes, at most a tenth of a second."""
        select.select([self._wake], [], [], LOOK_S)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)

    def exit_code(self, pid: int) -> int | None:
        """The exit code of a command (negative: ended by that signal); None while it runs."""
        self._collect()
        return self._ended.get(pid)

    def end(self, group: int | None, grace_s: float) -> None:
        """End everything below this process but the spared.

        SIGTERM to the group and to what has left it, ``grace_s`` seconds, then SIGKILL.
        """
        if group is not None:
            process.send_group(group, signal.SIGTERM)
        self._signal(self._left(), signal.SIGTERM, besides=group)
        self._wait_gone(grace_s)
        if group is not None:
            process.send_group(group, signal.SIGKILL)
        self.kill_leftovers(0.0)

    def kill_leftovers(self, grace_s: float = LEFTOVER_GRACE_S) -> None:
        """End what the commands left running, double-forked children too."""
        left = self._left()
        if left and grace_s:
            self._signal(left, signal.SIGTERM)
            self._wait_gone(grace_s)
        deadline = time.monotonic() + KILL_WAIT_S
        while (left := self._left()) and time.monotonic() < deadline:
            self._signal(left, signal.SIGKILL)
            self.wait()

    def _on_stop(self, number: int, frame: object) -> None:
        self.stop_asked = True

    def _collect(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended[pid] = os.waitstatus_to_exitcode(status)

    def _left(self) -> list[int]:
        """Processes of this job that still run."""
        self._collect()
        marked = environment.marked(self._spool)
        # One look for both: what a server starts between two looks would not be spared.
        known = process.children()
        pids = {*marked, *process.descendants(os.getpid(), known)}
        spared = set(self._spared)
        for pid in self._spared:
            spared.update(process.descendants(pid, known))
        return sorted(pid for pid in pids - spared if process.is_running(pid))

    def _signal(self, pids: Sequence[int], number: int, *, besides: int | None = None) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                if besides is None or os.getpgid(pid) != besides:
                    process.send(pid, number)

    def _wait_gone(self, longest_s: float) -> None:
        deadline = time.monotonic() + longest_s
        while self._left() and time.monotonic() < deadline:
            self.wait()
