"""Processes: /proc, signals, prctl(2). Standard library only."""

import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1  # prctl(2)
_PR_SET_CHILD_SUBREAPER = 36


def boot_id() -> str:
    """Process ids mean nothing across boots."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid: int) -> int | None:
    """Since boot; None if no process has this id."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def is_running(pid: int) -> bool:
    """A zombie has ended."""
    return _stat(pid)[:1] not in ([], ["Z"], ["X"])


def children() -> dict[int, list[int]]:
    """Children of each process from one look, without those that have ended."""
    found: dict[int, list[int]] = {}
    for name in (entry.name for entry in Path("/proc").iterdir()):
        fields = _stat(int(name)) if name.isdigit() else []
        if fields and fields[0] not in ("Z", "X"):
            found.setdefault(int(fields[1]), []).append(int(name))
    return found


def descendants(root: int, among: Mapping[int, Sequence[int]] | None = None) -> list[int]:
    """All below ``root`` that have not ended, sorted. ``among``: :func:`children` of an earlier
    look, where two answers must be of one moment."""
    known = children() if among is None else among
    pids = list(known.get(root, []))
    for pid in pids:  # grows meanwhile
        pids += known.get(pid, [])
    return sorted(pids)


def send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def send_group(pgid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, number)


def become_subreaper() -> None:
    """Make this process the parent of orphans below it, so that no double fork escapes it."""
    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def dies_with(parent_pid: int) -> Callable[[], None]:
    """Make the kernel kill a child when its parent dies; runs between fork and exec. The parent is
    the *thread* that forks (prctl(2)): start such children from the main thread."""

    def prepare() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent_pid:  # it died before we asked
            os._exit(1)

    return prepare


def oom_kills() -> int:
    """Since boot, for lack of memory; 0 where the kernel does not count."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on (state, parent, …); empty when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    # The second field is the command's name in parentheses and may itself hold any character.
    return text.rpartition(")")[2].split()
