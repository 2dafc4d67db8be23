"""Starts launchers: of jobs, and of the servers that jobs start. Standard library only."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.base.errors import PlanError
from jobs.host.base import process
from jobs.host.base import spool as spools
from jobs.host.base.spool import Meta, Spool
from jobs.host.run.commands import without_secrets
from jobs.plans import Plan

REPOSITORY = Path(__file__).resolve().parents[3]
ANSWER_S = 10.0  # how long the process that stands by may take to answer
TAKEN = b"+"


def start_launcher(spool: Spool, lock: int, *, detach: bool) -> int:
    """Start the launcher of a spool whose ``lock`` the caller holds; the caller's copy is closed.
    The launcher inherits the lock, so that it is never free in between. With ``detach`` the
    launcher is no child of the caller: it survives the caller and leaves no zombie. Without, the
    caller must collect it. Returns the process id (of no use with ``detach``)."""
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


def _popen(arguments: list[str], fd: int, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.host.run.launcher", *arguments],
        cwd=REPOSITORY,
        env=without_secrets(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=(fd,),
        start_new_session=True,
    )


class Standby:
    """A process that is up already, and forks a launcher for each spool: a job begins 70 ms sooner,
    on a busy host 300 ms, and no job costs the start of Python. It ends by itself when this process
    does. Any number of threads may use it."""

    def __init__(self) -> None:
        self._using = threading.Lock()
        self._socket: socket.socket | None = None
        self._pid = 0

    def prepare(self) -> None:
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
        """As :func:`start_launcher` does, detached."""
        with self._using:
            waiting = self._socket
            is_taken = waiting is not None and self._hand_over(waiting, spool, lock)
        if is_taken:
            os.close(lock)
        else:
            start_launcher(spool, lock, detach=True)

    def _hand_over(self, waiting: socket.socket, spool: Spool, lock: int) -> bool:
        """False: the one that stood by surely has not the job, it is dead."""
        word = b""
        with contextlib.suppress(OSError):
            try:
                socket.send_fds(waiting, [bytes(spool.path)], [lock])
                if (word := waiting.recv(1)) == TAKEN:
                    return True
            except TimeoutError:
                # Two must never run one spool: both would hold the same lock.
                process.send(self._pid, signal.SIGKILL)
                waiting.settimeout(None)
                word = waiting.recv(1)
        waiting.close()
        self._socket = None
        return word == TAKEN


STANDBY = Standby()


def await_spool(fd: int) -> tuple[Spool, int] | None:
    """The other side of :class:`Standby`. Returns a spool and its lock in a process forked for it,
    without a parent; None when no more spools come."""
    with socket.socket(fileno=fd) as waiting:
        waiting.send(str(os.getpid()).encode())
        while True:
            path, fds, _, _ = socket.recv_fds(waiting, 65536, 1)
            if not path:
                return None
            with contextlib.suppress(OSError):  # the caller is gone: the job still runs
                # If it dies now, the lock is free, and the agent starts the job.
                waiting.send(TAKEN)
            if _is_forked():
                break
            os.close(fds[0])
    spool = Spool(Path(os.fsdecode(path)))
    output = os.open(spool.path / "launcher.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    return spool, fds[0]


def _is_forked() -> bool:
    """Fork a process without a parent, in a session of its own. True in that one."""
    if child := os.fork():
        os.waitpid(child, 0)
        return False
    if os.fork():
        os._exit(0)
    os.setsid()
    return True


class SpawnedServer:
    """A job's view of the server that it starts in ``serve/<deployment>/``."""

    def __init__(self, job: Spool, meta: Meta, stored: Mapping[str, Any]) -> None:
        """``stored`` is the job's plan.json. Raises PlanError: the plan serves, and names no
        deployment."""
        about = stored.get("deployment")
        if not about or "serve_dir" not in stored["values"]:
            raise PlanError("the plan starts a server, but the job has no deployment")
        self.deployment: int = about["id"]
        self.run: int = about["run"]
        self._host_dir = job.host_dir
        self._values: Mapping[str, str] = stored["values"]
        self._secrets = job.secrets()
        self._meta = replace(
            meta, type=spools.DEPLOYMENT, id=self.deployment, token=about["token"], run=self.run
        )
        self._spool = Spool(Path(self._values["serve_dir"]))

    def start(self, template: Plan) -> int | None:
        """The launcher's process id; None when another server has the folder."""
        with spools.guard(self._host_dir, f"deployment-{self.deployment}"):
            lock = prepare_spool(
                self._spool, self._host_dir, self._meta, template, self._values, self._secrets
            )
            return None if lock is None else start_launcher(self._spool, lock, detach=False)

    def stop(self) -> None:
        if self._is_ours():
            self._spool.ask_cancel()

    def ended(self) -> dict[str, Any] | None:
        """``{"step", "exit_code", "last_lines"}`` when the server has ended, None while it runs."""
        ended = self._spool.exit() if self._is_ours() else None
        if ended is None:
            return None
        return {
            "step": ended["message_args"].get("step", ""),
            "exit_code": ended["exit_code"],
            "last_lines": self._spool.last_lines(),
        }

    def _is_ours(self) -> bool:
        try:
            return self._spool.meta() == self._meta
        except FileNotFoundError:  # set aside
            return False


def prepare_spool(
    spool: Spool,
    host_dir: Path,
    meta: Meta,
    template: Plan,
    values: Mapping[str, str],
    secrets: Mapping[str, str],
) -> int | None:
    """Make the spool of a server ready for run ``meta.run``: its lock, for the launcher. None when
    a server still runs there. The caller holds the guard of the deployment. Raises PlanError: the
    plan starts no server."""
    steps = tuple(step for step in template.steps if step.serves)
    if not steps:
        raise PlanError("the plan starts no server")
    plan = replace(template, steps=steps, outputs=()).to_json()
    if spool.path.exists():
        there = spool.meta()
        # The server of another dashboard; or of one that this dashboard has forgotten, because its
        # database is an older one now, before it gave the number again.
        is_older = there.token != meta.token and there.run >= meta.run
        is_foreign = there.instance != meta.instance or is_older
        if is_foreign and spools.set_aside(spool, host_dir) is None:
            return None
    if not spool.path.exists():
        spools.create(spool.path, meta, plan, values, None, secrets)
        return spool.lock()
    lock = spool.lock()
    if lock is not None:
        spools.begin_run(spool, meta, plan, values, secrets)
    return lock
