"""Run a short command of this host, with a timeout."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CommandResult:
    """Exit code and output. A command that could not run, or timed out, has code None and the
    reason in ``err``.
    """

    code: int | None
    out: str
    err: str


def run_command(argv: Sequence[str], timeout_s: float) -> CommandResult:
    """Run ``argv`` to its end, without any input."""
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return CommandResult(None, "", str(error))
    return CommandResult(done.returncode, done.stdout, done.stderr)
