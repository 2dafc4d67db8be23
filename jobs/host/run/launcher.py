"""Run one Plan, detached from its starter: ``python -m jobs.host.run.launcher SPOOL``.

It needs neither Redis nor Django nor the network, only the spool folder. Standard library only.
"""

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.base.errors import JobsError
from jobs.base.files import size_and_sha256
from jobs.base.numbers import size_text
from jobs.host import probe
from jobs.host.base import process
from jobs.host.base import spool as spools
from jobs.host.base.config import limits_of
from jobs.host.base.spool import Spool
from jobs.host.run import spawn
from jobs.host.run.commands import CLEANUP_S, Commands, cleanups, environment_of
from jobs.host.run.redact import forms, redact
from jobs.host.run.scraper import Scraper
from jobs.plans import SECRET, Output, Plan, Step, fill, from_json

GRACE_S = 10.0
LOG_LIMIT_GRACE_S = 2.0  # for a log that fills the disk: ten seconds are another gigabyte
# Time to free space on a full disk: what the launcher cannot write is lost.
ROOM_S = 600.0
LIMITS_FRESH_S = 5.0  # how soon a changed setting applies to running jobs
# Share of the reserve by which a log must grow, while the reserve is in use, to be the cause. A log
# that gets a line a second is not.
_SHARE = 16
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """State at the end, and its message."""

    verdict: str
    message_id: str
    message_args: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None


CANCELLED = Ending("cancelled", "cancelled")


def _failed(message_id: str, exit_code: int | None = None, **args: Any) -> Ending:
    return Ending("failed", message_id, args, exit_code)


class Launcher:
    """One run of one plan. The caller holds the spool's lock."""

    def __init__(self, spool: Spool, *, grace_s: float = GRACE_S) -> None:
        self._spool = spool
        self._meta = spool.meta()
        self._is_server = self._meta.type == spools.DEPLOYMENT
        self._grace_s = grace_s
        self._started = time.monotonic()
        self._oom_kills = process.oom_kills()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._log_fd = os.open(spool.log, flags, 0o644)
        self._commands = Commands(spool.path, self._log_fd)
        self._log_limit = LogLimit(self._log_fd, spool.host_dir, is_server=self._is_server)
        self._server: spawn.SpawnedServer | None = None
        self._scraper: Scraper | None = None
        self._outputs: tuple[Output, ...] = ()
        self._secrets: dict[str, str] = {}
        self._server_step = ""  # of a server's plan: the one that is to go on
        self._begun: list[Step] = []  # those whose command was started here
        self._events: list[tuple[str, dict[str, Any]]] = []  # not on the disk yet

    def run(self) -> None:
        """Never raises but for a disk that takes nothing."""
        try:
            verdict = self._run_plan()
        except JobsError as error:
            verdict = _failed(error.id, problem=str(error))
        except Exception as error:  # a process boundary: the job must get its verdict
            log.exception("the launcher failed")
            verdict = _failed("internal:launcher", problem=repr(error))
        if self._server is not None and verdict.verdict != "succeeded":
            self._server.stop()
        self._commands.kill_leftovers()
        self._clean_up()
        if self._scraper is not None:
            self._scraper.stop()
        self._conclude(verdict)

    def _run_plan(self) -> Ending:
        stored = self._spool.plan()
        fields = {"values": stored["values"], "boot_id": process.boot_id(), "run": self._meta.run}
        self._events.append(("started", fields))  # on the disk with the first step, before commands
        template = from_json(stored["plan"])
        self._secrets = self._spool.secrets()
        given = {f"{SECRET}{name}": value for name, value in self._secrets.items()}
        plan = template if template.filled else fill(template, {**stored["values"], **given})
        self._outputs = plan.outputs
        self._server_step = plan.steps[-1].name
        # Not atomic: a run that is cut off here writes them again.
        for item in plan.files:
            own = self._spool.path / "files" / item.name
            for place in (own, *([Path(item.at)] if item.at else [])):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(item.text, encoding="utf-8")
        # Of a plan that serves, the launcher of its server scrapes.
        if plan.watches and (self._is_server or not any(step.serves for step in plan.steps)):
            self._scraper = Scraper(plan.watches, self._spool.points, endless=self._is_server)
        for index, step in enumerate(plan.steps):
            failure = self._asked_to_stop() or self._run_step(index, step, template, stored)
            if failure is not None:
                return failure
        return Ending("succeeded", "done", {}, 0)

    def _run_step(
        self, index: int, step: Step, template: Plan, stored: dict[str, Any]
    ) -> Ending | None:
        began = time.monotonic()
        self._step_event("step_started", index, step)
        if step.serves and not self._is_server:
            # All steps of the server run in its own launcher, which the first of them starts.
            failure: Ending | None = None
            if self._server is None:
                self._server = server = spawn.SpawnedServer(self._spool, self._meta, stored)
                pid = server.start(template)
                if pid is None:
                    failure = _failed("host:serve_busy", deployment=server.deployment)
                else:
                    self._commands.spare(pid)
                    self._write_event("serve_started", deployment=server.deployment, run=server.run)
            code = 0 if failure is None else 1
        else:
            failure, code = self._run_command(step)
        duration_s = time.monotonic() - began
        self._step_event("step_ended", index, step, exit_code=code, duration_s=duration_s)
        return failure

    def _run_command(self, step: Step) -> tuple[Ending | None, int]:
        """Run one command to its end, or end it. The verdict (None: go on) and its exit code."""
        cwd = Path(step.cwd) if step.cwd else self._spool.work
        self._begun.append(step)
        try:
            pid = self._commands.start(step.argv, environment_of(step, self._spool.path), cwd)
        except FileNotFoundError:
            if not cwd.is_dir():
                return _failed("work:no_folder", 127, step=step.name, folder=str(cwd)), 127
            return _failed("work:not_found", 127, step=step.name, command=step.argv[0]), 127
        except OSError as error:
            args = {"step": step.name, "command": step.argv[0], "problem": str(error)}
            return _failed("work:not_started", 126, **args), 126
        deadline = None if step.timeout_s is None else time.monotonic() + step.timeout_s
        while (code := self._commands.exit_code(pid)) is None:
            excess = self._log_limit.exceeded()
            stopped = self._asked_to_stop()
            if stopped is None and deadline is not None and time.monotonic() >= deadline:
                stopped = _failed("work:timeout", step=step.name, timeout_s=step.timeout_s)
            if stopped is None and excess is None:
                self._commands.wait()
                continue
            grace_s = min(self._grace_s, LOG_LIMIT_GRACE_S) if excess else self._grace_s
            self._commands.end(pid, grace_s)
            code = self._commands.exit_code(pid)
            code = -9 if code is None else code
            if stopped is None and excess is not None:
                # The job that waits for a server reports how the server's command ended.
                stopped = _failed(excess[0], code, step=step.name, **excess[1])
            return stopped, code
        return self._after_command(step, code), code

    def _asked_to_stop(self) -> Ending | None:
        if self._commands.stop_asked or self._spool.is_cancel_asked(self._meta.run):
            return CANCELLED
        return self._server_ended()

    def _server_ended(self) -> Ending | None:
        gone = self._server.ended() if self._server is not None else None
        return Ending("failed", "work:server_ended", gone, gone["exit_code"]) if gone else None

    def _after_command(self, step: Step, code: int) -> Ending | None:
        """A server that ends by itself has failed, whatever its exit code."""
        is_server = step.serves and step.name == self._server_step
        if self._spool.is_cancel_asked(self._meta.run) or self._commands.stop_asked:
            return CANCELLED if code != 0 or is_server else None
        if is_server:
            self._hide_secrets()
            args = {"exit_code": code, "last_lines": self._spool.last_lines()}
            return Ending("failed", "work:server_ended", {"step": step.name, **args}, code)
        if code == -signal.SIGILL:
            return _failed("work:no_instruction", code, step=step.name)
        if code < 0:
            return _failed("work:signal", code, step=step.name, signal=-code)
        if code > 0:
            return Ending("failed", "work:exit", {"step": step.name, "exit_code": code}, code)
        return None

    def _clean_up(self) -> None:
        """Of each step that was begun, the last first, whatever it exits with."""
        for argv, env in cleanups(self._begun, self._spool.path):
            try:
                pid = self._commands.start(argv, env, self._spool.work)
            except OSError as error:
                log.warning("%s could not be run: %s", argv[0], error)
                continue
            deadline = time.monotonic() + CLEANUP_S
            while self._commands.exit_code(pid) is None and time.monotonic() < deadline:
                self._commands.wait()
        self._commands.kill_leftovers()

    def _conclude(self, verdict: Ending) -> None:
        secrets = self._hide_secrets()
        outputs, missing = _output_files(self._spool.work, self._outputs, secrets)
        if verdict.verdict == "succeeded":
            # The server may have gone while the last step was ending.
            verdict = self._server_ended() or verdict
        if verdict.verdict == "succeeded" and missing is not None:
            what = {"output": missing.name, "pattern": missing.pattern}
            verdict = Ending("failed", "work:output_missing", what, verdict.exit_code)
        args = dict(verdict.message_args)
        if verdict.verdict == "failed":  # the host's condition at that time, for diagnosis
            kills = max(0, process.oom_kills() - self._oom_kills)
            args["host"] = {**probe.load(self._spool.path), "oom_kills": kills}
        os.fsync(self._log_fd)
        self._write_events()
        self._spool.append_ended(
            verdict.verdict,
            verdict.message_id,
            args,
            exit_code=verdict.exit_code,
            duration_s=time.monotonic() - self._started,
            outputs=outputs,
            wait_s=ROOM_S,
        )

    def _hide_secrets(self) -> list[bytes]:
        """In the log; return what was searched for."""
        secrets = forms(self._secrets.values())
        redact(self._spool.log, secrets)
        return secrets

    def _step_event(self, type: str, index: int, step: Step, **fields: Any) -> None:
        offset = os.fstat(self._log_fd).st_size
        self._write_event(type, index=index, name=step.name, log_offset=offset, **fields)

    def _write_event(self, type: str, **fields: Any) -> None:
        self._events.append((type, fields))
        self._write_events()

    def _write_events(self) -> None:
        if self._events:
            spools.when_room(lambda: self._spool.append_events(self._events), ROOM_S)
            self._events.clear()


class LogLimit:
    """Check one log, which is open as ``fd``. A server's log counts by its disk usage, because it
    grows for months and the disk of the part that the dashboard has is given back. On a disk that
    gives nothing back, the log of earlier runs does not count."""

    def __init__(self, fd: int, host_dir: Path, *, is_server: bool) -> None:
        self._fd = fd
        self._host_dir = host_dir
        self._is_server = is_server
        self._limits = limits_of(host_dir)
        self._read_at = time.monotonic()
        self._begun_at_bytes = self._size() if is_server else 0
        self._touched_at_bytes: int | None = None  # how long it was when the disk became short

    def exceeded(self) -> tuple[str, dict[str, Any]] | None:
        """Why the command has to end: message id and arguments; None: within the limit. Costs two
        system calls."""
        if time.monotonic() - self._read_at > LIMITS_FRESH_S:
            self._limits, self._read_at = limits_of(self._host_dir), time.monotonic()
        size = self._size()
        self._begun_at_bytes = min(self._begun_at_bytes, size)
        most = self._limits.log_bytes
        if most and size - self._begun_at_bytes >= most:
            return "work:log_limit", {"limit": size_text(most)}
        return self._fills_the_disk(size)

    def _size(self) -> int:
        stat = os.fstat(self._fd)
        return stat.st_blocks * 512 if self._is_server else stat.st_size

    def _fills_the_disk(self, size: int) -> tuple[str, dict[str, Any]] | None:
        """Find a long log that grows while the disk is short: all other jobs would fail too."""
        reserve, disk = self._limits.disk_reserve_bytes, os.fstatvfs(self._fd)
        free = disk.f_bavail * disk.f_frsize
        if free >= reserve:
            self._touched_at_bytes = None
            return None
        if self._touched_at_bytes is None:
            self._touched_at_bytes = size
        grown = size - self._touched_at_bytes
        # Usual of a server: the kept end, and growth until space is given back (jobs.host.ship).
        kept = self._limits.server_log_bytes if self._is_server else 0
        if size < max(reserve, kept + kept // 8) or grown < reserve // _SHARE:
            return None
        sizes = {"free": free, "reserve": reserve, "log": size}
        return "host:disk_full", {name: size_text(count) for name, count in sizes.items()}


def _output_files(
    work: Path, outputs: Sequence[Output], secrets: Sequence[bytes]
) -> tuple[list[dict[str, Any]], Output | None]:
    """The files of the outputs, each once, and the first required output that has none."""
    root, missing = work.resolve(), None
    files: dict[Path, dict[str, Any]] = {}
    for output in outputs:
        paths = []
        for path in sorted(work.glob(output.pattern)):
            # A link may lead out of the work folder; what it leads to is not the job's own.
            if path.is_file() and path.resolve().is_relative_to(root):
                try:
                    str(path).encode()  # else no JSON can hold its name
                    paths.append(path)
                except UnicodeEncodeError:
                    log.warning("%r is left out: its name is not UTF-8", path)
        if not paths and output.required and missing is None:
            missing = output
        for path in paths:
            if path not in files:
                redact(path, secrets)
                size, digest = size_and_sha256(path)
                relative = path.relative_to(work).as_posix()
                about = {"name": output.name, "path": relative, "bytes": size, "sha256": digest}
                files[path] = about
    return list(files.values()), missing


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 unless another launcher has the spool."""
    parser = argparse.ArgumentParser(prog="jobs.host.run.launcher", description=__doc__)
    parser.add_argument("spool", type=Path, nargs="?")
    parser.add_argument("--standby-fd", type=int, help="socket that names the spool")
    parser.add_argument("--lock-fd", type=int, help="descriptor that already holds the lock")
    parser.add_argument("--detach", action="store_true", help="continue in the background")
    parser.add_argument("--grace", type=float, default=GRACE_S, help="seconds before SIGKILL")
    options = parser.parse_args(argv)
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
    if options.detach or options.standby_fd is not None:
        if os.fork() != 0:
            os._exit(0)
        os.setsid()
    lock: int | None
    if options.standby_fd is not None:
        received = spawn.await_spool(options.standby_fd)
        if received is None:
            return 0
        spool, lock = received
    elif options.spool is None:
        parser.error("which spool?")
    else:
        spool = Spool(options.spool.resolve())
        lock = options.lock_fd or spool.lock()
    if lock is None:
        print(f"another launcher runs {spool.path}", file=sys.stderr)  # noqa: T201
        return 1
    os.set_inheritable(lock, False)
    process.become_subreaper()
    pid = os.getpid()
    record = {"pid": pid, "start_ticks": process.start_ticks(pid), "boot_id": process.boot_id()}
    spools.when_room(lambda: spools.write_json(spool.path / "launcher.json", record), ROOM_S)
    if spool.exit() is None and not spool.was_started():
        Launcher(spool, grace_s=options.grace).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
