"""A job's commands: their environment, start and end. Standard library only."""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from jobs.host.base import process
from jobs.plans import Step

LOOK_S = 0.1  # how often files that ask for something are looked for
KILL_WAIT_S = 5.0  # how long a killed process may take to go (it may hang in the kernel)
LEFTOVER_GRACE_S = 2.0
CLEANUP_S = 60.0  # the longest that one command of a cleanup may take
# Every process of a job carries it, so that leftovers of a killed launcher can be found and ended.
MARK = "JOBS_SPOOL"
# The umask of commands, in octal digits: that of the person who started the dashboard. Its own
# processes have a closed one, but weights and environments are for containers of other users, too.
UMASK = "JOBS_UMASK"
SECRETS = frozenset(
    {"ADMIN_PASSWORD", "DATABASE_URL", "HOST_KEY", "REDIS_URL", "SECRET_KEY", "PGPASSWORD"}
)
# Variables that the worker's frameworks set for themselves; they would mislead a tool on the same.
_OURS = ("CELERY_", "DJANGO_", "FORKED_BY_MULTIPROCESSING", "_MP_FORK_")


class Commands:
    """The children of one launcher, which is their subreaper. For its main thread alone. Every
    child that ends, adopted orphans included, is collected here: nothing else in the process may
    call waitpid."""

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

    def _on_stop(self, number: int, frame: object) -> None:
        self.stop_asked = True

    def start(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> int:
        """In a session and process group of its own; return its process id. Raises OSError: it
        cannot be started (FileNotFoundError: no such program)."""
        try:
            umask = int(os.environ.get(UMASK, ""), 8)
        except ValueError:
            umask = -1  # that of this process
        popen = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=self._log_fd,
            stderr=self._log_fd,
            start_new_session=True,
            umask=umask,
        )
        popen.returncode = 0  # we collect it ourselves
        return popen.pid

    def spare(self, pid: int) -> None:
        """Never end this process, the launcher of a server, nor what is below it."""
        self._spared.add(pid)

    def wait(self) -> None:
        """Sleep until a child ends or a signal comes, at most a tenth of a second."""
        select.select([self._wake], [], [], LOOK_S)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)

    def exit_code(self, pid: int) -> int | None:
        """Negative: ended by that signal; None while the command runs."""
        self._collect()
        return self._ended.get(pid)

    def end(self, group: int, grace_s: float) -> None:
        """End everything below this process but the spared. SIGTERM to the group and to what has
        left it, ``grace_s`` seconds, then SIGKILL."""
        process.send_group(group, signal.SIGTERM)
        for pid in self._left():
            with contextlib.suppress(ProcessLookupError):
                if os.getpgid(pid) != group:
                    process.send(pid, signal.SIGTERM)
        self._wait_gone(grace_s)
        process.send_group(group, signal.SIGKILL)
        self.kill_leftovers(0.0)

    def kill_leftovers(self, grace_s: float = LEFTOVER_GRACE_S) -> None:
        """End what the commands left running, double-forked children too."""
        left = self._left()
        if left and grace_s:
            for pid in left:
                process.send(pid, signal.SIGTERM)
            self._wait_gone(grace_s)
        deadline = time.monotonic() + KILL_WAIT_S
        while (left := self._left()) and time.monotonic() < deadline:
            for pid in left:
                process.send(pid, signal.SIGKILL)
            self.wait()

    def _collect(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                self._ended[pid] = os.waitstatus_to_exitcode(status)

    def _left(self) -> list[int]:
        self._collect()
        pids = set(marked(self._spool))
        # One look for both: what a server starts between two looks would not be spared.
        known = process.children()
        pids.update(process.descendants(os.getpid(), known))
        for pid in self._spared:
            pids -= {pid, *process.descendants(pid, known)}
        return sorted(filter(process.is_running, pids))

    def _wait_gone(self, longest_s: float) -> None:
        deadline = time.monotonic() + longest_s
        while self._left() and time.monotonic() < deadline:
            self.wait()


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` without the dashboard's secrets and the worker's internals."""
    return {
        name: value
        for name, value in environ.items()
        if name not in SECRETS and not name.startswith(_OURS)
    }


def environment_of(step: Step, spool: Path) -> dict[str, str]:
    """The step's own variables override all but the mark."""
    variables = {
        **without_secrets(os.environ),
        "PYTHONUNBUFFERED": "1",
        **dict(step.env),
        MARK: str(spool),
    }
    if step.path:
        variables["PATH"] = os.pathsep.join((*step.path, variables.get("PATH", os.defpath)))
    return variables


def cleanups(
    begun: Sequence[Step], spool: Path
) -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    """(command, environment) of what cleans up after these steps, the last first."""
    for step in reversed(begun):
        if step.cleanup:
            yield step.cleanup, environment_of(step, spool)


def marked(spool: Path) -> list[int]:
    """Processes that a command of this spool started, whatever their parent is now."""
    mark = f"{MARK}={spool}".encode()
    pids = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or belongs to another user
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                pids.append(int(entry.name))
    return pids
