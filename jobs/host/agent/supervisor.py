"""Keep named child processes alive until the stop signal. Standard library only."""

import contextlib
import fcntl
import os
import select
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.host.base import process

STEADY_AFTER_S = 10.0  # a child that lived this long did not die at once
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MOST_BYTES = 64 * 1024 * 1024  # of the file that the output goes to
_OPEN = "/proc/self/fd"


@dataclass(frozen=True, slots=True)
class Child:
    """One process to keep alive. ``env`` is added to the supervisor's own environment. ``cwd``
    None: the supervisor's folder. It is sent ``stop_signal`` when all is to stop, and SIGKILL
    ``stop_timeout_s`` seconds later. ``pass_fds`` are file descriptors that it inherits."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    stop_timeout_s: float = 10.0
    stop_signal: int = signal.SIGTERM
    pass_fds: Sequence[int] = ()


@dataclass(slots=True)
class _Kept:
    """A child as it goes: its process or, while there is none, when to start it again."""

    child: Child
    popen: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    early_deaths: int = 0
    was_steady: bool = False


class Supervisor:
    """Start ``children`` in order, bring back what ends, stop them in the reverse order.

    A child that dies is back after half a second; one that dies at once, again and again, after a
    wait that doubles up to 30 s. Each child has a session of its own, so that Ctrl-C in a terminal
    reaches the supervisor alone, and is killed by the kernel when the supervisor dies. ``log`` gets
    sentences for people; a file that all output goes to is bounded. ``before_stop`` runs once,
    before the first child is stopped. A child that dies at once ``hopeless_after`` times in a row
    and never lived for long ends it all.

    :meth:`run` belongs into the main thread: it takes over SIGTERM, SIGINT, SIGHUP and SIGCHLD.
    """

    def __init__(
        self,
        children: Sequence[Child],
        log: Callable[[str], None],
        *,
        before_stop: Callable[[], object] | None = None,
        hopeless_after: int | None = None,
    ) -> None:
        self._kept = [_Kept(child) for child in children]
        self._log = log
        self._before_stop = before_stop
        self._hopeless_after = hopeless_after
        self._is_hopeless = False
        self._stop_signals = 0

    def run(self) -> int:
        """Run until SIGTERM, SIGINT or SIGHUP; a second one kills what still runs. Exit code 1: a
        child was hopeless."""
        reader, writer = os.pipe()
        for end in (reader, writer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        before = {
            number: signal.signal(number, self._on_stop)
            for number in STOP_SIGNALS
            # Under nohup the end of a login session is to be ignored.
            if not (number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN)
        }
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            while not self._stop_signals and not self._is_hopeless:
                bound_output()
                for kept in self._kept:
                    is_due = kept.popen is None and kept.start_at <= time.monotonic()
                    if is_due and not self._stop_signals:
                        self._start(kept)
                due = [kept.start_at for kept in self._kept if kept.popen is None]
                _sleep(reader, min([60.0, *(moment - time.monotonic() for moment in due)]))
                for kept in self._kept:
                    if kept.popen is not None and kept.popen.poll() is not None:
                        popen, kept.popen = kept.popen, None
                        how = _how(popen.returncode)
                        self._plan_restart(kept, f"{kept.child.name} (process {popen.pid}) {how}")
            self._stop_all(reader)
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(reader)
            os.close(writer)
        return 1 if self._is_hopeless else 0

    def _on_stop(self, number: int, frame: object) -> None:
        self._stop_signals += 1

    def _start(self, kept: _Kept) -> None:
        child = kept.child
        kept.started_at = time.monotonic()
        try:
            kept.popen = subprocess.Popen(
                list(child.argv),
                env={**os.environ, **(child.env or {})},
                cwd=child.cwd,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=process.dies_with(os.getpid()),  # safe: no other thread here
                pass_fds=child.pass_fds,
            )
        except OSError as error:
            self._plan_restart(kept, f"{child.name} cannot be started: {error}")

    def _plan_restart(self, kept: _Kept, what: str) -> None:
        steady = time.monotonic() - kept.started_at >= STEADY_AFTER_S
        kept.was_steady = kept.was_steady or steady
        kept.early_deaths = 0 if steady else kept.early_deaths + 1
        if kept.early_deaths == self._hopeless_after and not kept.was_steady:
            self._log(f"{what}, {kept.early_deaths} times in a row. Stopping everything.")
            self._is_hopeless = True
            return
        wait = min(FIRST_WAIT_S * 2 ** max(0, kept.early_deaths - 1), LONGEST_WAIT_S)
        kept.start_at = time.monotonic() + wait
        again = f", {kept.early_deaths} times in a row" if kept.early_deaths > 1 else ""
        self._log(f"{what}{again}. It is started again in {wait:g} s.")

    def _stop_all(self, reader: int) -> None:
        if self._before_stop is not None:
            self._before_stop()
        for kept in reversed(self._kept):
            if kept.popen is None:
                continue
            child, popen = kept.child, kept.popen
            process.send(popen.pid, child.stop_signal)
            deadline = time.monotonic() + child.stop_timeout_s
            while popen.poll() is None and self._stop_signals < 2:
                left = deadline - time.monotonic()
                if left <= 0:
                    self._log(f"{child.name} did not stop in {child.stop_timeout_s:g} s.")
                    break
                _sleep(reader, min(left, 1.0))
            # What the child left in its own session; launchers have sessions of their own.
            process.send_group(popen.pid, signal.SIGKILL)
            popen.wait()
            kept.popen = None


def _sleep(reader: int, longest_s: float) -> None:
    select.select([reader], [], [], max(0.0, longest_s))
    with contextlib.suppress(BlockingIOError):
        os.read(reader, 4096)


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def bound_output(outputs: Sequence[int] = (1, 2)) -> None:
    """Move the content of a long file that the output goes to to ``FILE.1``, in place: all
    processes keep their file. Terminal and journal have bounds of their own. Lines that are written
    during the move may be lost. Where ``FILE.1`` cannot be written, the content is removed, and the
    file begins with a line that says so."""
    for fd in outputs:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            continue
        # Else each process would go on behind a gap, where it was.
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_APPEND)
        if found.st_size > MOST_BYTES:
            lost = ""
            try:
                _copy(fd, f"{Path(_OPEN, str(fd)).readlink()}.1")
            except OSError as error:  # a full disk, or a folder of another account
                lost = f"{found.st_size} bytes of this log were removed, not moved: {error}\n"
            os.ftruncate(fd, 0)
            with contextlib.suppress(OSError):
                os.write(fd, lost.encode(errors="replace"))


def _copy(fd: int, path: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with (
        Path(_OPEN, str(fd)).open("rb") as source,
        os.fdopen(os.open(path, flags, 0o600), "wb") as target,
    ):
        while os.sendfile(target.fileno(), source.fileno(), None, MOST_BYTES):
            pass
