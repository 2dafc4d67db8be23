"""Peak memory of each process of a dashboard and its host, and its bound."""

import contextlib
import threading
from dataclasses import dataclass
from pathlib import Path

from jobs.host.base import process
from tests.stack import CHILDREN, Stack, command_line

LOOK_S = 0.2
MB = 1e6


@dataclass(frozen=True, slots=True)
class Role:
    """Processes of one kind: ``mark`` of their command line, bound of one process, its reason."""

    mark: str
    bound_mb: float
    why: str


# Resident memory of one process, libraries included, which are most of it in all but the first.
ROLES = {
    "web server": Role(
        CHILDREN["web"],
        300,
        "150 MB at rest; a chunk of 1 MiB and a frame of 256 KiB for each request and page, "
        "16 frames a log, 32 MiB of folds, a search through 16 MiB",
    ),
    "reader": Role(
        "multiprocessing.forkserver",
        200,
        "the readers' modules; 4 MiB of log, a search blocks of 128 KiB and a line of 8 MiB",
    ),
    "dashboard's worker": Role(CHILDREN["dashboard worker"], 160, "never reads a whole log"),
    "scheduler": Role(CHILDREN["scheduler"], 80, "reads no log"),
    "host's worker": Role(CHILDREN["worker"], 110, "receives hints only"),
    "agent": Role(CHILDREN["agent"], 90, "a chunk of 1 MiB of each shipped log"),
    "launcher": Role(
        "jobs.host.run.launcher", 60, "the command writes into the log's own descriptor"
    ),
    "Valkey": Role(CHILDREN["valkey"], 40, "hints of a few bytes; no log line is a message"),
}


class Watch:
    """Looks at all processes of a stack until it is closed. ``peaks``: role → MB of one process."""

    def __init__(self, stack: Stack) -> None:
        self.peaks: dict[str, float] = {}
        self._root = stack.process.pid
        self._is_over = threading.Event()
        for pid in process.descendants(self._root):
            _forget_peak(pid)
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        self._look()

    def _run(self) -> None:
        while not self._is_over.wait(LOOK_S):
            self._look()

    def _look(self) -> None:
        for pid in process.descendants(self._root):
            role, peak_mb = _role(pid), _peak_mb(pid)
            if role is not None:
                self.peaks[role] = max(self.peaks.get(role, 0.0), peak_mb)


def _role(pid: int) -> str | None:
    """Return the role by the command line of now: a forked process has its parent's until it
    starts its own program."""
    line = command_line(pid)
    return next((name for name, role in ROLES.items() if role.mark in line), None)


def _forget_peak(pid: int) -> None:
    """Reset the kernel's count of the process's peak, where that is permitted."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def _peak_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return peaks[0] * 1024 / MB if peaks else 0.0
