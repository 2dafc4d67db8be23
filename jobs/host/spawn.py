"""Starts launchers. Standard library only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from jobs.host import environment
from jobs.host.spool import Spool

REPOSITORY = Path(__file__).resolve().parents[2]


def start_launcher(spool: Spool, lock: int, *, detach: bool) -> int:
    """Start the launcher of a spool whose ``lock`` the caller holds; the caller's copy is closed.

    The launcher inherits the lock, so that it is never free in between. With ``detach`` it forks
    once more and the caller is not its parent: it survives the caller and leaves no zombie.
    Without, the caller must collect it. Returns the process id (of no use with ``detach``).
    """
    argv = [sys.executable, "-m", "jobs.host.launcher", str(spool.path), "--lock-fd", str(lock)]
    try:
        with (spool.path / "launcher.log").open("ab") as words:
            popen = subprocess.Popen(
                [*argv, "--detach"] if detach else argv,
                cwd=REPOSITORY,
                env=environment.without_secrets(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                pass_fds=(lock,),
                start_new_session=True,
            )
    finally:
        os.close(lock)
    if detach:
        popen.wait()
    else:
        popen.returncode = 0  # the caller collects every child itself, by waitpid(-1)
    return popen.pid
