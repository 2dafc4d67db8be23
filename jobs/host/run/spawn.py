"""Starts launchers. Standard library only."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from jobs.host.base import process
from jobs.host.base.spool import Spool
from jobs.host.run import environment

REPOSITORY = Path(__file__).resolve().parents[3]
ANSWER_S = 10.0  # how long a launcher that stands by may take to begin


def start_launcher(spool: Spool, lock: int, *, detach: bool) -> int:
    """Start the launcher of a spool whose ``lock`` the caller holds; the caller's copy is closed.

    The launcher inherits the lock, so that it is never free in between. With ``detach`` it forks
    once more and the caller is not its parent: it survives the caller and leaves no zombie.
    Without, the caller must collect it. Returns the process id (of no use with ``detach``).
    """
    try:
        with (spool.path / "launcher.log").open("ab") as output:
            arguments = [str(spool.path), "--lock-fd", str(lock), *(["--detach"] * detach)]
            popen = _popen(arguments, lock, output.fileno())
    finally:
        os.close(lock)
    if detach:
        popen.wait()
    else:
        popen.returncode = 0  # the caller collects every child itself, by waitpid(-1)
    return popen.pid


class Standby:
    """A launcher that is up already and waits for a spool: the next job begins 70 ms sooner, on a
    busy host 300 ms. It ends by itself when this process does.

    Any number of threads may use it.
    """

    def __init__(self) -> None:
        self._using = threading.Lock()
        self._socket: socket.socket | None = None
        self._pid = 0

    def prepare(self) -> None:
        """Have one waiting."""
        with self._using:
            if self._socket is not None:
                return
            ours, theirs = socket.socketpair()
            with theirs:
                arguments = ["--standby-fd", str(theirs.fileno())]
                _popen(arguments, theirs.fileno(), subprocess.DEVNULL).wait()
            ours.settimeout(ANSWER_S)
            with contextlib.suppress(OSError, ValueError):
                self._pid = int(ours.recv(32))  # its first word
                self._socket = ours
            if self._socket is None:
                ours.close()

    def start(self, spool: Spool, lock: int) -> None:
        """Start the launcher of a spool, detached, as :func:`start_launcher` does."""
        with self._using:
            waiting, self._socket = self._socket, None
        if waiting is None or not self._hand_over(waiting, spool, lock):
            start_launcher(spool, lock, detach=True)
            return
        os.close(lock)

    def _hand_over(self, waiting: socket.socket, spool: Spool, lock: int) -> bool:
        """True when the one that stood by has the job. False: it surely has not, it is dead."""
        with waiting:
            try:
                socket.send_fds(waiting, [bytes(spool.path)], [lock])
                return waiting.recv(1) == b"+"
            except TimeoutError:
                # Two must never run one spool: both would hold the same lock.
                process.send(self._pid, signal.SIGKILL)
            except OSError:
                return False
            with contextlib.suppress(OSError):
                waiting.settimeout(None)
                return waiting.recv(1) == b"+"
            return False


STANDBY = Standby()


def await_spool(fd: int) -> tuple[Spool, int] | None:
    """The launcher's side of :class:`Standby`: the spool and its lock; None: not needed."""
    with socket.socket(fileno=fd) as waiting:
        waiting.send(str(os.getpid()).encode())
        path, fds, _, _ = socket.recv_fds(waiting, 65536, 1)
        if not path:
            return None
        spool = Spool(Path(os.fsdecode(path)))
        output = os.open(spool.path / "launcher.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        with contextlib.suppress(OSError):  # the caller is gone: the job still runs
            waiting.send(b"+")
    return spool, fds[0]


def _popen(arguments: list[str], fd: int, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.host.run.launcher", *arguments],
        cwd=REPOSITORY,
        env=environment.without_secrets(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=(fd,),
        start_new_session=True,
    )
