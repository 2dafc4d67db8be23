"""Detect a running dashboard on this ``DATA_DIR``, for commands that wait for one."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import TextIO

from django.conf import settings
from django.core.management.base import CommandError

from dashboard.config.env import RUN_FILE

# A restart takes seconds: so long nothing is said.
GRACE_S = 3.0
EVERY_S = 1.0
WAIT, END = "wait", "end"


def is_down() -> bool:
    """True when the supervisor that wrote ``run.json`` is gone. False where nothing tells: the
    dashboard was never started here, or runs elsewhere on the same database."""
    try:
        pid = int(json.loads((settings.DATA_DIR / RUN_FILE).read_text())["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
    return b"dashboard.server.supervisor" not in command.split(b"\0")  # another has its number


def add_argument(parser: ArgumentParser) -> None:
    """The option of commands that wait."""
    parser.add_argument(
        "--if-down",
        choices=(WAIT, END),
        default=WAIT,
        help="while no dashboard runs: wait for it, or exit with an error",
    )


class Watch:
    """Watch for a running dashboard while a command waits, and report its absence once.

    ``if_down``: "wait" goes on waiting, "end" ends the command.
    """

    def __init__(
        self,
        say: TextIO,
        if_down: str = WAIT,
        *,
        grace_s: float = GRACE_S,
        every_s: float = EVERY_S,
    ) -> None:
        self._say = say
        self._if_down = if_down
        self._grace_s = grace_s
        self._every_s = every_s
        self._looked = time.monotonic()
        self._down_since: float | None = None
        self._has_warned = False

    def update(self) -> None:
        """Look, at most every ``every_s``.

        Raises:
            CommandError: the dashboard is down, and the command is not to wait for it.
        """
        now = time.monotonic()
        if now - self._looked < self._every_s:
            return
        self._looked = now
        if not is_down():
            if self._has_warned:
                self._tell("The dashboard is running again.")
            self._down_since, self._has_warned = None, False
            return
        if self._down_since is None:
            self._down_since = now
        if not self._has_warned and now - self._down_since >= self._grace_s:
            self._tell_down()

    def _tell_down(self) -> None:
        down = f"The dashboard is not running (DATA_DIR={settings.DATA_DIR})."
        if self._if_down == END:
            raise CommandError(f"{down} The job stays queued: start the dashboard with make run.")
        self._has_warned = True
        self._tell(
            f"{down} Waiting: start it with make run, or stop waiting with Ctrl-C; "
            "the job stays queued."
        )

    def _tell(self, text: str) -> None:
        self._say.write(f"{text}\n")
        self._say.flush()
